package charts_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
)

// The chart's values are made of the flags, so they are the flags.
func TestValuesAreMadeOfTheFlags(t *testing.T) {
	for path, text := range map[string]func(*testing.T) string{valuesFile: valuesText, schemaFile: schemaText} {
		want := text(t)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, _ := os.ReadFile(path); string(got) != want {
			t.Errorf("%s is stale: run go test ./charts -update", path)
		}
	}
}

// Each value has a schema and is a flag or something that templates use, and the other way round.
func TestEveryValueIsAFlagOrForKubernetes(t *testing.T) {
	var values map[string]any
	if err := yaml.UnmarshalStrict([]byte(read(t, valuesFile)), &values); err != nil {
		t.Fatal(err)
	}
	kubernetes := kubernetesValues(t)
	var fromTemplate []string
	list := regexp.MustCompile(`(?s)define "hansa.kubernetes" -}}\n(.*?){{- end`).FindStringSubmatch(read(t, "hansa/templates/_helpers.tpl"))
	if err := yaml.Unmarshal([]byte(list[1]), &fromTemplate); err != nil {
		t.Fatal(err)
	}
	if want := slices.Sorted(maps.Keys(kubernetes)); !slices.Equal(fromTemplate, want) {
		t.Errorf("the template hansa.kubernetes lists %v, %s has %v", fromTemplate, kubernetesFile, want)
	}
	delete(kubernetes, "global") // Helm's own
	all := flags()
	for name := range values {
		if all[name] == nil && kubernetes[name] == nil {
			t.Errorf("value %s is neither a flag nor in %s", name, kubernetesFile)
		}
	}
	for name := range kubernetes {
		if _, there := values[name]; !there {
			t.Errorf("%s has %s, values.yaml has not", kubernetesFile, name)
		}
	}
	for name, f := range all {
		if _, there := values[name]; !there {
			t.Errorf("values.yaml has no %s for --%s", name, f.Name)
		}
	}
}

// What a table says about flags that are gone would mislead.
func TestWhatIsSaidOfFlagsIsOfFlags(t *testing.T) {
	all := agent.Command().Flags()
	for _, table := range [][]string{slices.Collect(maps.Keys(decided)), slices.Collect(maps.Keys(defaults)), slices.Collect(maps.Keys(remarks)), slices.Collect(maps.Keys(limits))} {
		for _, name := range table {
			if all.Lookup(name) == nil {
				t.Errorf("--%s is no flag of the agent", name)
			}
		}
	}
}

var row = regexp.MustCompile("(?m)^\\| `--([a-z-]+)` \\| `?([^|`]*)`? \\| (.*) \\|$")

// The reference of the flags, the values with their comments: one says what the other says.
func TestValuesAndTheReferenceOfFlagsAgree(t *testing.T) {
	text := read(t, valuesFile)
	documented := map[string]bool{}
	for _, m := range row.FindAllStringSubmatch(read(t, "../docs/hansa-agent.md"), -1) {
		flag, standard, meaning := m[1], m[2], strings.NewReplacer("\\|", "|", "\\<", "<").Replace(m[3])
		documented[camel(flag)] = true
		if decided[flag] != "" {
			continue
		}
		if other, is := defaults[flag]; is {
			standard = other
		}
		value, about := valueOf(t, text, camel(flag))
		if value != standard || !strings.HasPrefix(about, meaning) {
			t.Errorf("value %s is %q (%s), flag --%s is %q (%s)", camel(flag), value, about, flag, standard, meaning)
		}
	}
	for name := range flags() {
		if !documented[name] {
			t.Errorf("value %s is in no row of docs/hansa-agent.md", name)
		}
	}
}

// valueOf returns a value as a flag shows it, and the comment above it as one line.
func valueOf(t *testing.T, text, name string) (value, comment string) {
	t.Helper()
	m := regexp.MustCompile(`(?m)((?:^#.*\n)+)^` + name + `:((?: .*)?(?:\n- .*)*)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("values.yaml has no %s with a comment", name)
	}
	var got any
	if err := yaml.Unmarshal([]byte(m[2]), &got); err != nil {
		t.Fatal(err)
	}
	comment = strings.TrimPrefix(strings.ReplaceAll("\n"+strings.TrimSpace(m[1]), "\n# ", " "), " ")
	if list, ok := got.([]any); ok {
		var words []string
		for _, one := range list {
			words = append(words, one.(string))
		}
		return strings.Join(words, ","), comment
	}
	return toText(got), comment
}

// Whatever a value is, the agent reads it as it was said.
func TestTheAgentIsToldEveryValue(t *testing.T) {
	samples := map[string]any{
		"cluster": "east", "listen": ":9443", "httpAddress": "0.0.0.0:9080", "dnsAddress": ":9053", "xdsAddress": ":9010", "xdsTls": "none",
		"logLevel": "debug", "logFormat": "json", "advertise": "east.example:443", "dnsTtl": "1m30s", "dnsZone": "set.example",
	}
	want := map[string]string{}
	for name, f := range flags() {
		switch v := f.Value.(type) {
		case pflag.SliceValue:
			list := []any{"a", "b=c"}
			switch name {
			case "featureGates":
				list = []any{"MCSHost=false", "MCSAutoExport=true"}
			case "peer":
				list = []any{"west.example:8443", "[2001:db8::1]:443"}
			}
			samples[name], want[f.Name] = list, fmt.Sprintf("[%s,%s]", list...)
			continue
		default:
			if samples[name] == nil {
				samples[name] = sampleOf(v.Type())
			}
			want[f.Name] = toText(samples[name])
		}
	}
	got := told(t, samples)
	for name, value := range want {
		if f := got.Lookup(name); f.Value.String() != value || !f.Changed {
			t.Errorf("--%s is %s, want %s", name, f.Value, value)
		}
	}
}

func sampleOf(kind string) any {
	return map[string]any{"bool": true, "int": float64(987654321), "duration": "1h2m3s", "string": "other"}[kind]
}

// Nothing is a value too: of a list whose default holds something, and of a time.
func TestTheAgentIsToldOfNothing(t *testing.T) {
	got := told(t, map[string]any{
		"cluster": "east", "exportDenyNamespaces": []any{}, "importDenyNamespaces": []any{}, "addressRest": float64(0), "withdrawAfter": "0",
	})
	for name, want := range map[string]string{"export-deny-namespaces": "[]", "import-deny-namespaces": "[]", "address-rest": "0s", "withdraw-after": "0s"} {
		if value := got.Lookup(name).Value.String(); value != want {
			t.Errorf("--%s is %s, want %s", name, value, want)
		}
	}
}

// The agent starts with what the chart says if only its cluster is named, and has the defaults that it would have.
func TestOnlyTheClusterMustBeNamed(t *testing.T) {
	args := arguments(t, map[string]any{"cluster": "east"})
	o := agent.Defaults()
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.AddFlags(f)
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
	if o.Namespace != "hansa-system" || o.Advertise != "[10.0.0.7]:8443" || o.ReplicaAddress != "[10.0.0.7]:8443" {
		t.Errorf("namespace %q, advertise %q, replica address %q", o.Namespace, o.Advertise, o.ReplicaAddress)
	}
	fresh := pflag.NewFlagSet("", pflag.ContinueOnError)
	standard := agent.Defaults()
	standard.AddFlags(fresh)
	fresh.VisitAll(func(one *pflag.Flag) {
		_, other := defaults[one.Name]
		if got := f.Lookup(one.Name).Value.String(); got != one.DefValue && decided[one.Name] == "" && !other && one.Name != "cluster" && one.Name != "advertise" {
			t.Errorf("--%s is %s in a pod, want its default %s", one.Name, got, one.DefValue)
		}
	})
}
