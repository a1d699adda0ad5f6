{{/*
The name of all objects. A cluster has one set of agents, which meet by the Lease of this name.
*/}}
{{- define "hansa.name" -}}hansa-agent{{- end }}

{{- define "hansa.selector" -}}
app.kubernetes.io/name: {{ include "hansa.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "hansa.labels" -}}
{{ include "hansa.selector" . }}
app.kubernetes.io/part-of: hansa
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "hansa.image" -}}
{{- with .Values.image -}}
{{ .repository }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{/*
The port of an address such as ":8443".
*/}}
{{- define "hansa.port" -}}{{ splitList ":" . | last }}{{- end }}

{{/*
The values that are no flag of the agent. Every other one is, under the same name.
*/}}
{{- define "hansa.kubernetes" -}}
- affinity
- autoExportRole
- clusterProperties
- dnsService
- global
- identitySecret
- image
- imagePullSecrets
- issuer
- memberService
- metricsService
- nodeSelector
- podAnnotations
- podLabels
- priorityClassName
- replicas
- resources
- shutdownDelaySeconds
- terminationGracePeriodSeconds
- tolerations
- userRoles
- xdsService
{{- end }}

{{/*
One value of a flag. Helm reads numbers as floating ones at times, which are not to become 5e+08.
*/}}
{{- define "hansa.word" -}}
{{- if kindIs "float64" . }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- end }}

{{/*
The flags of the agent: those that the pod decides, then every value. Empty text leaves a flag at its default; a list is
the flag once for each, and an empty one says so, as a default may hold some.
*/}}
{{- define "hansa.flags" -}}
{{- $advertised := .Values.advertise | default (printf "[$(POD_IP)]:%s" (include "hansa.port" .Values.listen)) -}}
- {{ printf "--namespace=%s" .Release.Namespace | quote }}
- {{ printf "--replica-address=[$(POD_IP)]:%s" (include "hansa.port" .Values.listen) | quote }}
- --tls-cert-file=/etc/hansa/identity/tls.crt
- --tls-key-file=/etc/hansa/identity/tls.key
- --tls-ca-file=/etc/hansa/identity/ca.crt
- {{ printf "--advertise=%s" $advertised | quote }}
{{- $kubernetes := include "hansa.kubernetes" . | fromYamlArray }}
{{- range $name, $value := omit .Values "advertise" }}
{{- if not (has $name $kubernetes) }}
{{- $flag := printf "--%s=" (kebabcase $name) }}
{{- if kindIs "slice" $value }}
{{- range $value }}
- {{ printf "%s%s" $flag (include "hansa.word" .) | quote }}
{{- else }}
- {{ $flag }}
{{- end }}
{{- else if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
- {{ printf "%s%s" $flag (include "hansa.word" $value) | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
What a schema cannot say. Each mistake ends the rendering with one line that says what is wanted.
*/}}
{{- define "hansa.check" -}}
{{- $_ := required "cluster: want the ID of this cluster, unique in the clusterset, such as --set cluster=east" .Values.cluster -}}
{{- range $name := list "addressRest" "demoteAfter" "dnsTtl" "withdrawAfter" }}
{{- $time := get $.Values $name }}
{{- if not (or (kindIs "string" $time) (eq (int64 $time) 0)) }}
{{- fail (printf "%s %d: want a time with its unit, such as %ds" $name (int64 $time) (int64 $time)) }}
{{- end }}
{{- end }}
{{- $zone := .Values.dnsZone }}
{{- $domain := .Values.clusterDomain }}
{{- if and $zone $domain (or (hasSuffix (print "." $domain) (print "." $zone)) (hasSuffix (print "." $zone) (print "." $domain))) }}
{{- fail (printf "dnsZone %q: want a name that is neither that of clusterDomain, %q, nor above or below it" $zone $domain) }}
{{- end }}
{{- if regexMatch "^(localhost|127\\..*|\\[::1\\]):" .Values.httpAddress }}
{{- fail (printf "httpAddress %q: want an address that the kubelet reaches, such as \":8080\"" .Values.httpAddress) }}
{{- end }}
{{- if and .Values.xdsAddress (ne .Values.xdsTls "none") }}
{{- fail (printf "xdsTls %q: want \"none\", which says that xDS is served in the clear, as xdsAddress is %q" .Values.xdsTls .Values.xdsAddress) }}
{{- end }}
{{- if ge (int .Values.shutdownDelaySeconds) (int .Values.terminationGracePeriodSeconds) }}
{{- fail (printf "shutdownDelaySeconds %d: want less than the %d of terminationGracePeriodSeconds" (int .Values.shutdownDelaySeconds) (int .Values.terminationGracePeriodSeconds)) }}
{{- end }}
{{- if and .Values.xdsTls (not .Values.xdsAddress) }}
{{- fail "xdsTls: want xdsAddress too, without which there is no xDS" }}
{{- end }}
{{- if has "MCSServiceDiscovery=false" .Values.featureGates }}
{{- range list "MCSHost=true" "MCSClusterLocal=false" "MCSAutoExport=true" }}
{{- if has . $.Values.featureGates }}
{{- fail (printf "featureGates: %s needs MCSServiceDiscovery=true, which is off: want one of the two" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- $ports := dict }}
{{- range $name := list "listen" "httpAddress" "xdsAddress" "dnsAddress" }}
{{- with get $.Values $name }}
{{- $port := include "hansa.port" . }}
{{- if eq $port "0" }}{{ fail (printf "%s %q: want a port from 1 to 65535" $name .) }}{{ end }}
{{- if hasKey $ports $port }}{{ fail (printf "%s %q: want another port than that of %s" $name . (get $ports $port)) }}{{ end }}
{{- $_ := set $ports $port $name }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The least port below 1024 that the agents listen on, or nothing. The kernel is told to give it to everybody in the pod:
no capability is needed for it.
*/}}
{{- define "hansa.lowPort" -}}
{{- $low := 1024 }}
{{- range list .Values.listen .Values.httpAddress .Values.dnsAddress .Values.xdsAddress }}
{{- if . }}{{ $low = min $low (include "hansa.port" . | int) }}{{ end }}
{{- end }}
{{- if lt (int $low) 1024 }}{{ $low }}{{ end }}
{{- end }}
