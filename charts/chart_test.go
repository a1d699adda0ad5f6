package charts_test

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/mcs-api/config/crd"

	"github.com/hansa-mcs/hansa/charts"
	"github.com/hansa-mcs/hansa/cmd/hansa/install"
)

// all turns on what can be turned on.
func all() map[string]any {
	return map[string]any{
		"cluster": "east", "dnsAddress": ":53", "xdsAddress": ":15010", "xdsTls": "none", "installCrds": true, "issuer": true, "autoExportRole": true,
		"memberService": map[string]any{"type": "LoadBalancer", "nodePort": 30443, "loadBalancerClass": "example.org/lb", "annotations": map[string]any{"a": "b"}},
		"dnsService":    map[string]any{"clusterIP": "10.96.0.53"},
		"image":         map[string]any{"digest": "sha256:" + strings.Repeat("0", 64)}, "imagePullSecrets": []any{map[string]any{"name": "pull"}},
		"nodeSelector": map[string]any{"disk": "fast"}, "tolerations": []any{map[string]any{"operator": "Exists"}}, "priorityClassName": "high",
		"podAnnotations": map[string]any{"c": "d"}, "podLabels": map[string]any{"e": "f"},
	}
}

// A mistake ends the installation with what is wrong, before anything is made.
func TestMistakesInValuesAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		values map[string]any
		want   string
	}{
		"no cluster":                    {nil, "cluster: want the ID of this cluster"},
		"no cluster ID":                 {map[string]any{"cluster": "East"}, "cluster"},
		"unknown value":                 {map[string]any{"cluster": "east", "clustre": "x"}, "clustre"},
		"unknown, deeper":               {map[string]any{"cluster": "east", "image": map[string]any{"name": "x"}}, "name"},
		"another type":                  {map[string]any{"cluster": "east", "maxBytes": "many"}, "maxBytes"},
		"no list":                       {map[string]any{"cluster": "east", "peer": "west:8443"}, "peer"},
		"no duration":                   {map[string]any{"cluster": "east", "demoteAfter": "30"}, "demoteAfter"},
		"a bare number":                 {map[string]any{"cluster": "east", "demoteAfter": 30}, "demoteAfter"},
		"no address":                    {map[string]any{"cluster": "east", "listen": "8443"}, "listen"},
		"unknown level":                 {map[string]any{"cluster": "east", "logLevel": "loud"}, "logLevel"},
		"unknown Service":               {map[string]any{"cluster": "east", "memberService": map[string]any{"type": "ExternalName"}}, "type"},
		"health on a loop":              {map[string]any{"cluster": "east", "httpAddress": "127.0.0.1:8080"}, `httpAddress "127.0.0.1:8080": want an address that the kubelet reaches`},
		"xDS without a TLS":             {map[string]any{"cluster": "east", "xdsAddress": ":15010"}, `xdsTls "": want "none"`},
		"TLS without xDS":               {map[string]any{"cluster": "east", "xdsTls": "none"}, "xdsTls: want xdsAddress too"},
		"gates that cannot be together": {map[string]any{"cluster": "east", "featureGates": []any{"MCSAutoExport=true", "MCSServiceDiscovery=false"}}, `featureGates: MCSAutoExport=true needs MCSServiceDiscovery=true, which is off`},
		"a gate that is not known":      {map[string]any{"cluster": "east", "featureGates": []any{"MCSHosts=true"}}, `featureGates.0: 'MCSHosts=true' does not match pattern`},
		"a port twice":                  {map[string]any{"cluster": "east", "dnsAddress": ":8080"}, `dnsAddress ":8080": want another port than that of httpAddress`},
		"no time to end":                {map[string]any{"cluster": "east", "shutdownDelaySeconds": 30}, "shutdownDelaySeconds 30: want less than the 30 of terminationGracePeriodSeconds"},
		"a rate below nothing":          {map[string]any{"cluster": "east", "dnsRateLimit": -1}, "dnsRateLimit"},
		"a port that cannot be":         {map[string]any{"cluster": "east", "listen": ":99999"}, `listen ":99999": want host:port, or :port for every address, with a port of at most 65535`},
		"a peer's that cannot be":       {map[string]any{"cluster": "east", "peer": []any{"west.example", "north.example:65536"}}, `peer.0 "west.example": want host:port with a port of at most 65535; peer.1 "north.example:65536": want host:port`},
		"a zone in capitals":            {map[string]any{"cluster": "east", "dnsZone": "Foo"}, `dnsZone "Foo": want a DNS name of at most 63 characters, in lower case and without a final dot, such as clusterset.local`},
		"a domain in capitals":          {map[string]any{"cluster": "east", "clusterDomain": "Foo"}, `clusterDomain "Foo": want a DNS name of at most 63 characters, in lower case and without a final dot, such as cluster.local`},
		"a zone that is too long":       {map[string]any{"cluster": "east", "dnsZone": strings.Repeat("a.", 31) + "bc"}, "dnsZone: maxLength: got 64, want 63"},
		"a zone that is the cluster's":  {map[string]any{"cluster": "east", "dnsZone": "cluster.local"}, `dnsZone "cluster.local": want a name that is neither that of clusterDomain, "cluster.local", nor above or below it`},
		"a zone below the cluster's":    {map[string]any{"cluster": "east", "dnsZone": "set.cluster.local"}, `dnsZone "set.cluster.local": want a name that is neither`},
		"a zone above the cluster's":    {map[string]any{"cluster": "east", "clusterDomain": "east.example.org", "dnsZone": "example.org"}, `dnsZone "example.org": want a name that is neither that of clusterDomain, "east.example.org",`},
		"a part of a second":            {map[string]any{"cluster": "east", "dnsTtl": "1500ms"}, `dnsTtl "1500ms": want whole seconds up to 1h, such as 5s or 1m30s, or 0`},
		"a TTL without a unit":          {map[string]any{"cluster": "east", "dnsTtl": 5}, "dnsTtl 5: want a time with its unit, such as 5s"},
		"a TTL below nothing":           {map[string]any{"cluster": "east", "dnsTtl": -5}, "dnsTtl: minimum: got -5, want 0"},
		"an address of no host":         {map[string]any{"cluster": "east", "dnsService": map[string]any{"clusterIP": "dns"}}, `dnsService.clusterIP "dns": want an IP address`},
		"any port":                      {map[string]any{"cluster": "east", "listen": ":0"}, `listen ":0": want a port from 1 to 65535`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := install.Render("hansa-system", c.values); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A pod may do what it needs and nothing else: what the Pod Security Standard "restricted" asks for, and a file system that
// is read-only.
func TestPodsAreRestricted(t *testing.T) {
	for name, values := range map[string]map[string]any{"defaults": {"cluster": "east"}, "everything": all()} {
		spec := deployment(t, values).Spec.Template.Spec
		pod, container := spec.SecurityContext, spec.Containers[0].SecurityContext
		if spec.HostNetwork || spec.HostPID || spec.HostIPC || len(spec.Containers) != 1 || len(spec.InitContainers) > 0 {
			t.Errorf("%s: %+v, want one container that shares nothing with its node", name, spec)
		}
		if !*pod.RunAsNonRoot || *pod.RunAsUser == 0 || pod.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: security of the pod is %+v", name, pod)
		}
		c := container.Capabilities
		if *container.AllowPrivilegeEscalation || !*container.ReadOnlyRootFilesystem || container.Privileged != nil || len(c.Add) > 0 || !slices.Equal(c.Drop, []corev1.Capability{"ALL"}) {
			t.Errorf("%s: security of the container is %+v", name, container)
		}
		for _, v := range spec.Volumes {
			if v.Secret == nil || v.Secret.SecretName != "hansa-identity" || *v.Secret.DefaultMode != 0o440 {
				t.Errorf("%s: volume %+v, want the identity's alone", name, v)
			}
		}
	}
}

// A port below 1024 is had without a capability, and the sysctl is there only with it.
func TestALowPortNeedsNoCapability(t *testing.T) {
	for address, want := range map[string][]corev1.Sysctl{
		"":      nil,
		":5353": nil,
		":53":   {{Name: "net.ipv4.ip_unprivileged_port_start", Value: "53"}},
	} {
		got := deployment(t, map[string]any{"cluster": "east", "dnsAddress": address}).Spec.Template.Spec.SecurityContext.Sysctls
		if !slices.Equal(got, want) {
			t.Errorf("dnsAddress %q: %v, want %v", address, got, want)
		}
	}
}

// Two agents, kept apart, of which one always answers.
func TestOneOfTwoAgentsStays(t *testing.T) {
	objects := rendered(t, map[string]any{"cluster": "east"})
	d, budgets := of[*appsv1.Deployment](objects)[0], of[*policyv1.PodDisruptionBudget](objects)
	pod := d.Spec.Template
	if *d.Spec.Replicas != 2 || d.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue() != 0 {
		t.Errorf("%d replicas, of which %v may be away in an upgrade", *d.Spec.Replicas, d.Spec.Strategy.RollingUpdate.MaxUnavailable)
	}
	if len(budgets) != 1 || budgets[0].Spec.MaxUnavailable.IntValue() != 1 || !maps.Equal(budgets[0].Spec.Selector.MatchLabels, d.Spec.Selector.MatchLabels) {
		t.Errorf("budgets %+v, want one that lets one agent go", budgets)
	}
	var apart []string
	for _, term := range pod.Spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
		if maps.Equal(term.PodAffinityTerm.LabelSelector.MatchLabels, d.Spec.Selector.MatchLabels) {
			apart = append(apart, term.PodAffinityTerm.TopologyKey)
		}
	}
	slices.Sort(apart)
	if !slices.Equal(apart, []string{"kubernetes.io/hostname", "topology.kubernetes.io/zone"}) {
		t.Errorf("kept apart by %v", apart)
	}
	agent := pod.Spec.Containers[0]
	if agent.LivenessProbe.HTTPGet.Path != "/healthz" || agent.ReadinessProbe.HTTPGet.Path != "/readyz" || *pod.Spec.TerminationGracePeriodSeconds != 30 {
		t.Errorf("probes %v and %v, grace %d", agent.LivenessProbe, agent.ReadinessProbe, *pod.Spec.TerminationGracePeriodSeconds)
	}
	if agent.Resources.Requests.Cpu().IsZero() || agent.Resources.Requests.Memory().IsZero() || agent.Resources.Limits.Memory().IsZero() {
		t.Errorf("resources %+v, want requests, and a limit of memory", agent.Resources)
	}
	if agent.Image != "hansa-agent:0.1.0" || agent.Env[1].Name != "GOMEMLIMIT" {
		t.Errorf("image %q, environment %v", agent.Image, agent.Env)
	}
}

// Whoever is to end works on until those who ask it have heard, with time left to end in.
func TestAnAgentThatEndsIsNotAskedAnyMore(t *testing.T) {
	for _, seconds := range []int64{5, 12} {
		spec := deployment(t, map[string]any{"cluster": "east", "shutdownDelaySeconds": seconds}).Spec.Template.Spec
		if got := spec.Containers[0].Lifecycle.PreStop.Sleep.Seconds; got != seconds || got >= *spec.TerminationGracePeriodSeconds {
			t.Errorf("it sleeps for %d s of %d s, want %d s", got, *spec.TerminationGracePeriodSeconds, seconds)
		}
	}
	if spec := deployment(t, map[string]any{"cluster": "east"}).Spec.Template.Spec; spec.Containers[0].Lifecycle.PreStop.Sleep.Seconds != 5 {
		t.Errorf("without a word it does %+v before it ends, want sleep for 5 s", spec.Containers[0].Lifecycle.PreStop)
	}
	if spec := deployment(t, map[string]any{"cluster": "east", "shutdownDelaySeconds": 0}).Spec.Template.Spec; spec.Containers[0].Lifecycle != nil {
		t.Errorf("told not to wait it has %+v", spec.Containers[0].Lifecycle)
	}
}

// Every Service leads to ports that the pods have, and there is none for what is turned off.
func TestServicesLeadToTheAgents(t *testing.T) {
	for name, c := range map[string]struct {
		values map[string]any
		want   []string
	}{
		"defaults":   {map[string]any{"cluster": "east"}, []string{"hansa-agent 8443 TCP to 8443", "hansa-agent-dns 53 TCP to 5353", "hansa-agent-dns 53 UDP to 5353", "hansa-agent-metrics 8080 TCP to 8080"}},
		"no DNS":     {map[string]any{"cluster": "east", "dnsAddress": ""}, []string{"hansa-agent 8443 TCP to 8443", "hansa-agent-metrics 8080 TCP to 8080"}},
		"everything": {all(), []string{"hansa-agent 8443 TCP to 8443", "hansa-agent-dns 53 TCP to 53", "hansa-agent-dns 53 UDP to 53", "hansa-agent-metrics 8080 TCP to 8080", "hansa-agent-xds 15010 TCP to 15010"}},
		"a door elsewhere": {
			map[string]any{"cluster": "east", "dnsAddress": "", "listen": ":9443", "memberService": map[string]any{"port": 443}},
			[]string{"hansa-agent 443 TCP to 9443", "hansa-agent-metrics 8080 TCP to 8080"},
		},
	} {
		objects := rendered(t, c.values)
		pod := of[*appsv1.Deployment](objects)[0].Spec.Template
		var got []string
		for _, s := range of[*corev1.Service](objects) {
			if !labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(pod.Labels)) {
				t.Errorf("%s: Service %s selects %v, the pods have %v", name, s.Name, s.Spec.Selector, pod.Labels)
			}
			for _, p := range s.Spec.Ports {
				protocol := cmp.Or(p.Protocol, corev1.ProtocolTCP)
				for _, open := range pod.Spec.Containers[0].Ports {
					if open.Name == p.TargetPort.StrVal && cmp.Or(open.Protocol, corev1.ProtocolTCP) == protocol {
						got = append(got, fmt.Sprintf("%s %d %s to %d", s.Name, p.Port, protocol, open.ContainerPort))
					}
				}
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// The member's Service is of the type that is wanted, with what that type has.
func TestTheMemberServiceIsOfTheWantedType(t *testing.T) {
	for kind, local := range map[string]corev1.ServiceExternalTrafficPolicy{"ClusterIP": "", "NodePort": "Local", "LoadBalancer": "Local"} {
		s := of[*corev1.Service](rendered(t, map[string]any{"cluster": "east", "memberService": map[string]any{"type": kind, "externalTrafficPolicy": "Local", "nodePort": 30443}}))[0]
		if string(s.Spec.Type) != kind || s.Spec.ExternalTrafficPolicy != local || (s.Spec.Ports[0].NodePort == 30443) != (kind != "ClusterIP") {
			t.Errorf("%s: %+v", kind, s.Spec)
		}
	}
}

// The chart brings the CRDs that the agent was built with, and says which cluster this is once there is a way to.
func TestCRDsAreThoseOfTheAgent(t *testing.T) {
	for path, want := range map[string]string{
		"crds/multicluster.x-k8s.io_serviceexports.yaml": string(crd.ServiceExportCRD),
		"crds/multicluster.x-k8s.io_serviceimports.yaml": string(crd.ServiceImportCRD),
		"crds/about.k8s.io_clusterproperties.yaml":       read(t, "../integration/testdata/clusterproperties.yaml"),
	} {
		if got, err := fs.ReadFile(charts.Hansa(), path); err != nil || string(got) != want {
			t.Errorf("%s is not what the agent was built and tested with (%v)", path, err)
		}
	}
	properties := map[string]string{}
	for _, o := range of[*unstructured.Unstructured](rendered(t, map[string]any{"cluster": "east", "clusterset": "acme"})) {
		properties[o.GetName()], _, _ = unstructured.NestedString(o.Object, "spec", "value")
	}
	if want := map[string]string{"cluster.clusterset.k8s.io": "east", "clusterset.k8s.io": "acme"}; !maps.Equal(properties, want) {
		t.Errorf("ClusterProperties %v, want %v", properties, want)
	}
	if left := of[*unstructured.Unstructured](rendered(t, map[string]any{"cluster": "east", "clusterProperties": false})); len(left) > 0 {
		t.Errorf("%v, want no ClusterProperties", left)
	}
}

// What is printed after an installation goes with what was installed.
func TestNotesSayWhatIsNext(t *testing.T) {
	for name, c := range map[string]struct {
		values map[string]any
		want   string
	}{
		"always":         {map[string]any{"cluster": "east"}, "kubectl -n hansa-system rollout status deployment/hansa-agent"},
		"flat networks":  {map[string]any{"cluster": "east"}, "--set memberService.type=LoadBalancer"},
		"load balancer":  {map[string]any{"cluster": "east", "memberService": map[string]any{"type": "LoadBalancer"}}, "--set advertise=ADDRESS:8443"},
		"node port":      {map[string]any{"cluster": "east", "memberService": map[string]any{"type": "NodePort"}}, "--set advertise=NODE:PORT"},
		"known address":  {map[string]any{"cluster": "east", "advertise": "east.example:8443"}, "reach them at east.example:8443."},
		"DNS":            {map[string]any{"cluster": "east"}, "\n  hansa dns snippet\n"},
		"no DNS":         {map[string]any{"cluster": "east", "dnsAddress": ""}, "\n  hansa dns snippet --way multicluster\n"},
		"xDS":            {all(), "hansa-agent-xds.hansa-system.svc:15010"},
		"which identity": {map[string]any{"cluster": "east", "identitySecret": "mine"}, "Secret mine"},
	} {
		if _, notes, err := install.Render("hansa-system", c.values); err != nil || !strings.Contains(notes, c.want) {
			t.Errorf("%s: want %q in (%v)\n%s", name, c.want, err, notes)
		}
	}
}
