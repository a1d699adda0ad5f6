package integration

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// print lets the script see text as standard output.
func (s *scene) print(text string) {
	fmt.Fprint(s.ts.Stdout(), s.above+hideAddresses(text, s.saved))
	s.above = ""
}

// showObjects writes objects as YAML documents, without what differs from run to run.
func showObjects(list []unstructured.Unstructured) (string, error) {
	var values []any
	for i := range list {
		o := list[i].DeepCopy()
		for _, field := range []string{"creationTimestamp", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "uid"} {
			unstructured.RemoveNestedField(o.Object, "metadata", field)
		}
		if _, found, _ := unstructured.NestedString(o.Object, "metadata", "annotations", memoryAnnotation); found {
			_ = unstructured.SetNestedField(o.Object, "MEMORY", "metadata", "annotations", memoryAnnotation)
		}
		values = append(values, o.Object)
	}
	return showValues(values)
}

// memoryAnnotation is the agents' own, and concerns nobody else.
const memoryAnnotation = "hansa.dev/export"

// showValues writes strings as lines, and anything else as YAML documents.
func showValues(values []any) (string, error) {
	var b strings.Builder
	for i, v := range values {
		if text, ok := v.(string); ok {
			b.WriteString(text + "\n")
			continue
		}
		if i > 0 {
			b.WriteString("---\n")
		}
		text, err := yaml.Marshal(v)
		if err != nil {
			return "", fmt.Errorf("writing YAML: %w", err)
		}
		b.Write(text)
	}
	return hideTimes(b.String()), nil
}

var times = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`)

// hideTimes writes TIME for every time.
func hideTimes(text string) string { return times.ReplaceAllString(text, "TIME") }

var addressLike = regexp.MustCompile(`[0-9a-fA-F.:]*[0-9a-fA-F]`)

// hideAddresses writes the variable that holds an address for each such address.
func hideAddresses(text string, saved map[string]string) string {
	variables := map[string]string{}
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(saved))) { // of two, the first one is taken
		if _, err := netip.ParseAddr(saved[name]); err == nil {
			variables[saved[name]] = "$" + name
		}
	}
	return addressLike.ReplaceAllStringFunc(text, func(word string) string {
		if name, ok := variables[word]; ok {
			return name
		}
		return word
	})
}

func TestHideAddresses(t *testing.T) {
	saved := map[string]string{"IP": "10.96.0.1", "SAME": "10.96.0.1", "IP6": "fd00:10:96::1", "WORD": "web"}
	for text, want := range map[string]string{
		"ips: [10.96.0.1, fd00:10:96::1]":   "ips: [$IP, $IP6]",
		"- 10.96.0.1\n- 10.96.0.12\n":       "- $IP\n- 10.96.0.12\n",
		`{"a":"10.96.0.1"} 110.96.0.1 web:`: `{"a":"$IP"} 110.96.0.1 web:`,
		"fd00:10:96::1a fd00:10:96::1.":     "fd00:10:96::1a $IP6.",
	} {
		if got := hideAddresses(text, saved); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestHideTimes(t *testing.T) {
	got := hideTimes(`{"created":"2026-05-01T00:00:00Z","at":"2026-05-01T00:00:00.123456+02:00","day":"2026-05-01"}`)
	if want := `{"created":"TIME","at":"TIME","day":"2026-05-01"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
