package integration

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/jsonpath"
)

// expression is what a script expects of an object.
type expression interface {
	holds(o *unstructured.Unstructured) bool
	// found says what there is where the expression looks.
	found(o *unstructured.Unstructured) string
	String() string
}

// atPath expects the values at a JSONPath, in one line, to be as wanted.
type atPath struct {
	text string
	path *jsonpath.JSONPath
	want func(line string) bool
}

// hasCondition expects a condition's status, and its reason unless that is "".
type hasCondition struct{ text, kind, status, reason string }

func (e atPath) String() string       { return e.text }
func (e hasCondition) String() string { return e.text }

var (
	pathForm      = regexp.MustCompile(`^(\{.+?\})([!~]?)=(.*)$`)
	conditionForm = regexp.MustCompile(`^([A-Z][A-Za-z]*)=(True|False|Unknown)(?:/([A-Za-z,]+))?$`)
)

// parseExpression reads PATH=VALUE, PATH!=VALUE, PATH~=REGEXP or a condition.
func parseExpression(text string) (expression, error) {
	if m := conditionForm.FindStringSubmatch(text); m != nil {
		return hasCondition{text, m[1], m[2], m[3]}, nil
	}
	m := pathForm.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("expression %q: want {.path}=value, {.path}!=value, {.path}~=regexp, or a condition such as Valid=False/NoService", text)
	}
	path, err := parsePath(m[1])
	if err != nil {
		return nil, err
	}
	switch m[2] {
	case "!":
		return atPath{text, path, func(line string) bool { return line != m[3] }}, nil
	case "~":
		pattern, err := regexp.Compile(m[3])
		if err != nil {
			return nil, fmt.Errorf("expression %q: %w", text, err)
		}
		return atPath{text, path, pattern.MatchString}, nil
	}
	return atPath{text, path, func(line string) bool { return line == m[3] }}, nil
}

// parseExpressions reads several.
func parseExpressions(texts []string) (all []expression, err error) {
	for _, text := range texts {
		e, err := parseExpression(text)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// allHold reports whether every expression holds.
func allHold(all []expression, o *unstructured.Unstructured) bool {
	for _, e := range all {
		if !e.holds(o) {
			return false
		}
	}
	return true
}

func parsePath(text string) (*jsonpath.JSONPath, error) {
	path := jsonpath.New(text).AllowMissingKeys(true)
	if err := path.Parse(text); err != nil {
		return nil, fmt.Errorf("path %q: want a JSONPath in braces: %w", text, err)
	}
	return path, nil
}

func (e atPath) holds(o *unstructured.Unstructured) bool {
	return e.want(line(valuesAt(e.path, o)))
}

func (e atPath) found(o *unstructured.Unstructured) string {
	return strconv.Quote(line(valuesAt(e.path, o)))
}

func (e hasCondition) holds(o *unstructured.Unstructured) bool {
	c := e.condition(o)
	return c != nil && c["status"] == e.status && (e.reason == "" || c["reason"] == e.reason) && !stale(c, o)
}

func (e hasCondition) found(o *unstructured.Unstructured) string {
	c := e.condition(o)
	if c == nil {
		return "not there"
	}
	text := fmt.Sprintf("%s=%v/%v, %q", e.kind, c["status"], c["reason"], c["message"])
	if stale(c, o) {
		text += fmt.Sprintf(", of generation %v while the object is at %d", c["observedGeneration"], o.GetGeneration())
	}
	return text
}

// condition returns the object's condition of that kind, or nil.
func (e hasCondition) condition(o *unstructured.Unstructured) map[string]any {
	list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range list {
		if c, _ := c.(map[string]any); c["type"] == e.kind {
			return c
		}
	}
	return nil
}

// stale reports whether a condition is of another generation than its object's.
func stale(condition map[string]any, o *unstructured.Unstructured) bool {
	observed, given := condition["observedGeneration"].(int64)
	return given && observed != o.GetGeneration()
}

// valuesAt returns what a path finds, nothing where there is nothing.
func valuesAt(path *jsonpath.JSONPath, o *unstructured.Unstructured) []any {
	results, err := path.FindResults(o.Object)
	if err != nil {
		return nil // a path into nothing, such as the first of no addresses
	}
	var values []any
	for _, list := range results {
		for _, v := range list {
			if v.IsValid() && v.CanInterface() && (v.Kind() != reflect.Interface || !v.IsNil()) {
				values = append(values, v.Interface())
			}
		}
	}
	return values
}

// line writes values in one line, lists and objects in JSON.
func line(values []any) string {
	var words []string
	for _, v := range values {
		if text, ok := v.(string); ok {
			words = append(words, text)
			continue
		}
		text, err := json.Marshal(v)
		if err != nil {
			text = []byte(err.Error())
		}
		words = append(words, string(text))
	}
	return strings.Join(words, " ")
}

func TestExpressions(t *testing.T) {
	o := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"generation": int64(2), "name": "web"},
		"spec":     map[string]any{"ips": []any{}, "ports": []any{map[string]any{"port": int64(80)}}},
		"status": map[string]any{
			"clusters": []any{map[string]any{"cluster": "east"}, map[string]any{"cluster": "west"}},
			"conditions": []any{
				map[string]any{"type": "Valid", "status": "True", "reason": "Valid", "observedGeneration": int64(2)},
				map[string]any{"type": "Ready", "status": "True", "reason": "Ready", "observedGeneration": int64(1)},
			},
		},
	}}
	for text, want := range map[string]bool{
		`{.metadata.name}=web`:                                  true,
		`{.metadata.name}!=web`:                                 false,
		`{.status.clusters[*].cluster}=east west`:               true,
		`{.status.clusters[*].cluster}=east`:                    false,
		`{.status.conditions[?(@.type=="Valid")].reason}=Valid`: true,
		`{.metadata.name}~=^w.b$`:                               true,
		`{.metadata.name}~=^w$`:                                 false,
		`{.spec.ips}=[]`:                                        true,
		`{.spec.ips[0]}=`:                                       true,
		`{.spec.ips[0]}!=`:                                      false,
		`{.spec.none.at.all}=`:                                  true,
		`{.spec.ports[0].port}=80`:                              true,
		`{.spec.ports}=[{"port":80}]`:                           true,
		`Valid=True`:                                            true,
		`Valid=True/Valid`:                                      true,
		`Valid=True/Other`:                                      false,
		`Valid=False/Valid`:                                     false,
		`Ready=True/Ready`:                                      false, // of an older generation
		`Conflict=False`:                                        false,
	} {
		e, err := parseExpression(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := e.holds(o); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{``, `Valid`, `Valid=Maybe`, `.spec=web`, `{.spec`, `{.spec[}=x`, `{.spec}~=(`} {
		if e, err := parseExpression(text); err == nil {
			t.Errorf("%q is read as %v", text, e)
		}
	}
}

func TestExpressionsSayWhatThereIs(t *testing.T) {
	o := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"generation": int64(2), "name": "web"},
		"status": map[string]any{"conditions": []any{
			map[string]any{"type": "Ready", "status": "True", "reason": "Ready", "message": "all is well", "observedGeneration": int64(1)},
		}},
	}}
	for text, want := range map[string]string{
		`{.metadata.name}=api`:   `"web"`,
		`{.metadata.none}=api`:   `""`,
		`Ready=True/Ready`:       `Ready=True/Ready, "all is well", of generation 1 while the object is at 2`,
		`Conflict=False`:         `not there`,
		`{.metadata.name}~=^api`: `"web"`,
	} {
		e, err := parseExpression(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.found(o); got != want || e.String() != text {
			t.Errorf("%s: %s, want %s", e, got, want)
		}
	}
}
