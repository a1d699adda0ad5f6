package charts_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
)

var update = flag.Bool("update", false, "make the flags in values.yaml, and values.schema.json, anew")

const (
	valuesFile     = "hansa/values.yaml"
	schemaFile     = "hansa/values.schema.json"
	kubernetesFile = "testdata/kubernetes.schema.yaml"
	mark           = "# The flags of hansa-agent. This part is made of them by go test ./charts -update: edit nothing below this line.\n"
)

// decided are the flags that are no values, and why.
var decided = map[string]string{
	"context":         "the account is the pod's own",
	"kubeconfig":      "the account is the pod's own",
	"namespace":       "it is that of the release",
	"replica-address": "it is the pod's",
	"tls-ca-file":     "identitySecret is mounted there",
	"tls-cert-file":   "identitySecret is mounted there",
	"tls-key-file":    "identitySecret is mounted there",
}

// defaults are the values whose default is not that of the flag.
var defaults = map[string]string{"dns-address": ":5353", "http-address": ":8080"}

// remarks are what a value's comment says beside the flag's help.
var remarks = map[string]string{
	"advertise":    "Here it is the pod's, without it",
	"dns-address":  "Here at a port that needs no privilege; Service hansa-agent-dns leads there from 53",
	"http-address": "Here on every address, as the kubelet asks for health from outside of the pod",
	"install-crds": "Here the role comes with it",
}

// The patterns of what several flags are. No port that the chart takes out of an address begins with a 0, which YAML would
// read as octal; that it is not 0 is the template's to say.
const (
	portPattern   = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
	listenPattern = `([^:\[\]]*|\[[^\[\]]*\]):(0|` + portPattern + ")"
	reachPattern  = `([^:\[\]]+|\[[^\[\]]+\]):0*` + portPattern
	labelPattern  = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
	zonePattern   = "^" + labelPattern + "([.]" + labelPattern + ")*$"
	maxZone       = 63 // leaves room for the labels of a service and a port (D12)
	secondPattern = "([0-9]{1,3}|[12][0-9]{3}|3[0-5][0-9]{2}|3600)s"
)

// What is wanted where a pattern says no: hansa prints it instead.
const (
	listenTitle = "host:port, or :port for every address, with a port of at most 65535"
	reachTitle  = "host:port with a port of at most 65535"
	zoneTitle   = "a DNS name of at most 63 characters, in lower case and without a final dot, such as "
)

// limits are what a schema can say about a flag besides its type. The agent says the rest when it starts.
var limits = map[string]map[string]any{
	"advertise":       {"pattern": "^(" + reachPattern + ")?$", "title": reachTitle},
	"cluster":         {"pattern": "^(" + labelPattern + ")?$"},
	"cluster-domain":  {"pattern": zonePattern, "maxLength": maxZone, "title": zoneTitle + "cluster.local"},
	"dns-address":     {"pattern": "^(" + listenPattern + ")?$", "title": listenTitle},
	"dns-rate-limit":  {"minimum": 0},
	"dns-ttl":         {"pattern": "^(0|" + secondPattern + "|[1-5]?[0-9]m([1-5]?[0-9]s)?|60m(0s)?|1h(0m)?(0s)?)$", "title": "whole seconds up to 1h, such as 5s or 1m30s, or 0"},
	"dns-zone":        {"pattern": zonePattern, "maxLength": maxZone, "title": zoneTitle + "clusterset.local"},
	"feature-gates":   {"items": map[string]any{"type": "string", "pattern": "^(" + gateNames() + ")=(true|false)$"}},
	"http-address":    {"pattern": "^" + listenPattern + "$", "title": listenTitle},
	"listen":          {"pattern": "^" + listenPattern + "$", "title": listenTitle},
	"log-format":      {"enum": []string{"text", "json"}},
	"log-level":       {"enum": []string{"debug", "info", "warn", "error"}},
	"max-bytes":       {"minimum": 1},
	"max-endpoints":   {"minimum": 1},
	"max-services":    {"minimum": 1},
	"peer":            {"items": map[string]any{"type": "string", "pattern": "^" + reachPattern + "$", "title": reachTitle}},
	"xds-address":     {"pattern": "^(" + listenPattern + ")?$", "title": listenTitle},
	"xds-tls":         {"enum": []string{"", "none"}},
	"xds-max-clients": {"minimum": 1},
}

// gateNames returns the gates that there are, as a pattern.
func gateNames() string {
	var names []string
	for _, d := range features.Definitions() {
		names = append(names, string(d.Gate))
	}
	return strings.Join(names, "|")
}

// types are the schemas of the flags' types. A duration of nothing may be the number; that another one is not is the template's
// to say, whose words are better than a schema's.
var types = map[string]map[string]any{
	"bool":     {"type": "boolean"},
	"int":      {"type": "integer"},
	"string":   {"type": "string"},
	"duration": {"type": []string{"string", "integer"}, "pattern": "^(0|([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+)$", "minimum": 0, "title": "a time with its unit, such as 30s or 1m30s"},
	"stringSlice": {
		"type": "array", "items": map[string]any{"type": "string"},
	},
}

// flags returns the flags of the agent that are values, by the values' names.
func flags() map[string]*pflag.Flag {
	all := map[string]*pflag.Flag{}
	agent.Command().Flags().VisitAll(func(f *pflag.Flag) {
		if decided[f.Name] == "" {
			all[camel(f.Name)] = f
		}
	})
	return all
}

// camel returns the value's name of a flag.
func camel(flag string) string {
	words := strings.Split(flag, "-")
	for i, w := range words[1:] {
		words[i+1] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "")
}

// standard returns the default of a flag as a value.
func standard(t *testing.T, f *pflag.Flag) any {
	t.Helper()
	if text, other := defaults[f.Name]; other {
		return text
	}
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return append([]string{}, list.GetSlice()...)
	}
	var err error
	var value any = f.DefValue
	switch f.Value.Type() {
	case "bool":
		value, err = strconv.ParseBool(f.DefValue)
	case "int":
		value, err = strconv.Atoi(f.DefValue)
	}
	if err != nil {
		t.Fatalf("--%s: %v", f.Name, err)
	}
	return value
}

// help returns what a value is for.
func help(f *pflag.Flag) string {
	if more := remarks[f.Name]; more != "" {
		return f.Usage + ". " + more
	}
	return f.Usage
}

// comment wraps a text as a comment.
func comment(text string) string {
	const width = 118
	var b strings.Builder
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > width {
			fmt.Fprintln(&b, line)
			line = "#"
		}
		line += " " + word
	}
	fmt.Fprintln(&b, line)
	return b.String()
}

// valuesText returns values.yaml, of which the part before the mark is kept.
func valuesText(t *testing.T) string {
	t.Helper()
	kept, _, found := strings.Cut(read(t, valuesFile), mark)
	if !found {
		kept += "\n"
	}
	var b strings.Builder
	b.WriteString(strings.TrimRight(kept, "\n") + "\n\n" + mark)
	agent.Command().Flags().VisitAll(func(f *pflag.Flag) {
		if decided[f.Name] != "" {
			return
		}
		line, err := yaml.Marshal(map[string]any{camel(f.Name): standard(t, f)})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "\n%s%s", comment(help(f)), line)
	})
	return b.String()
}

// kubernetesValues returns the schemas of the values that are no flags.
func kubernetesValues(t *testing.T) map[string]any {
	t.Helper()
	var all map[string]any
	if err := yaml.UnmarshalStrict([]byte(read(t, kubernetesFile)), &all); err != nil {
		t.Fatalf("%s: %v", kubernetesFile, err)
	}
	return all
}

// schemaText returns values.schema.json.
func schemaText(t *testing.T) string {
	t.Helper()
	all := kubernetesValues(t)
	for name, f := range flags() {
		if all[name] != nil {
			t.Errorf("%s is a flag and a value for Kubernetes: want one of both under another name", name)
		}
		one := map[string]any{"description": help(f)}
		if types[f.Value.Type()] == nil {
			t.Errorf("--%s is of type %s, of which the schema of values knows nothing", f.Name, f.Value.Type())
		}
		for _, says := range []map[string]any{types[f.Value.Type()], limits[f.Name]} {
			maps.Copy(one, says)
		}
		all[name] = one
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	err := e.Encode(map[string]any{
		"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the chart of hansa-agent",
		"type": "object", "additionalProperties": false, "properties": all,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
