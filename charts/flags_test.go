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
var defaults = map[string]string{"http-address": ":8080"}

// remarks are what a value's comment says beside the flag's help.
var remarks = map[string]string{
	"advertise":    "Here it is the pod's, without it",
	"http-address": "Here on every address, as the kubelet asks for health from outside of the pod",
	"install-crds": "Here the role comes with it",
}

// limits are what a schema can say about a flag besides its type. The agent says the rest when it starts.
var limits = map[string]map[string]any{
	"cluster":       {"pattern": "^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$"},
	"dns-address":   {"pattern": "^$|:[0-9]{1,5}$"},
	"feature-gates": {"items": map[string]any{"type": "string", "pattern": "^(" + gateNames() + ")=(true|false)$"}},
	"http-address":  {"pattern": ":[0-9]{1,5}$"},
	"listen":        {"pattern": ":[0-9]{1,5}$"},
	"log-format":    {"enum": []string{"text", "json"}},
	"log-level":     {"enum": []string{"debug", "info", "warn", "error"}},
	"max-bytes":     {"minimum": 1},
	"max-endpoints": {"minimum": 1},
	"max-services":  {"minimum": 1},
	"xds-address":   {"pattern": "^$|:[0-9]{1,5}$"},
	"xds-tls":       {"enum": []string{"", "none"}},
}

// gateNames returns the gates that there are, as a pattern.
func gateNames() string {
	var names []string
	for _, d := range features.Definitions() {
		names = append(names, string(d.Gate))
	}
	return strings.Join(names, "|")
}

// types are the schemas of the flags' types. A duration of nothing may be the number.
var types = map[string]map[string]any{
	"bool":     {"type": "boolean"},
	"int":      {"type": "integer"},
	"string":   {"type": "string"},
	"duration": {"type": []string{"string", "integer"}, "pattern": "^(0|([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+)$", "minimum": 0, "maximum": 0},
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
