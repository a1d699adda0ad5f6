package charts_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/hansa-mcs/hansa/integration/rule"
)

// byFeature are the roles that only a value brings.
var byFeature = map[string]map[string]any{
	"hansa-agent-install-crds":        {"installCrds": true},
	"hansa-system/hansa-agent-issuer": {"issuer": true},
	"hansa-agent-auto-export":         {"autoExportRole": true},
	"hansa-export":                    {"userRoles": true},
	"hansa-view":                      {"userRoles": true},
}

// The chart gives what docs/roles.yaml gives, of which a test says that it is what is written down; whatever the identity's
// Secret is called, as the agents renew no other than hansa's own.
func TestRolesAreThoseThatAreWrittenDown(t *testing.T) {
	rule.Covers(t, "E9", "I3", "#39")
	var documented []runtime.Object
	for text := range strings.SplitSeq(read(t, "../docs/roles.yaml"), "\n---\n") {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
			t.Fatal(err)
		}
		documented = append(documented, typed(t, u))
	}
	want := roles(t, documented)
	values := map[string]any{"cluster": "east", "identitySecret": "of-cert-manager"}
	for _, turned := range byFeature {
		maps.Copy(values, turned)
	}
	got := roles(t, rendered(t, values))
	if len(got) != len(want) {
		t.Errorf("roles %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	for name := range want {
		if !maps.Equal(got[name], want[name]) {
			t.Errorf("role %s may\n%v\nwant\n%v", name, got[name], want[name])
		}
	}
}

// A role is there with what needs it, and only then.
func TestRolesComeWithTheirFeature(t *testing.T) {
	for name, turned := range byFeature {
		values := map[string]any{"cluster": "east", "installCrds": false, "issuer": false, "userRoles": false}
		if roles(t, rendered(t, values))[name] != nil {
			t.Errorf("role %s is there without %v", name, turned)
		}
		maps.Copy(values, turned)
		if roles(t, rendered(t, values))[name] == nil {
			t.Errorf("role %s is not there with %v", name, turned)
		}
	}
}

// Auto-export's role is there while the gate is named too, on or off: what it made has to be deleted.
func TestTheRoleOfAutoExportComesWithItsGate(t *testing.T) {
	for gate, want := range map[string]bool{"MCSAutoExport=true": true, "MCSAutoExport=false": true, "MCSHost=false": false} {
		values := map[string]any{"cluster": "east", "featureGates": []any{"MCSClusterLocal=true", gate}}
		if got := roles(t, rendered(t, values))["hansa-agent-auto-export"] != nil; got != want {
			t.Errorf("%s: the role is there: %t, want %t", gate, got, want)
		}
	}
}

// The agents' roles are bound to the agents' account alone, and those of people to nobody.
func TestRolesAreBoundToTheAgents(t *testing.T) {
	agents := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "hansa-system", Name: "hansa-agent"}}
	objects := rendered(t, all())
	bound := map[string]bool{}
	check := func(name string, ref rbacv1.RoleRef, subjects []rbacv1.Subject) {
		bound[name] = true
		if ref.Name != name[strings.Index(name, "/")+1:] || !slices.Equal(subjects, agents) {
			t.Errorf("%s binds %s to %v", name, ref.Name, subjects)
		}
	}
	for _, b := range of[*rbacv1.ClusterRoleBinding](objects) {
		check(b.Name, b.RoleRef, b.Subjects)
	}
	for _, b := range of[*rbacv1.RoleBinding](objects) {
		check(b.Namespace+"/"+b.Name, b.RoleRef, b.Subjects)
	}
	want := map[string]bool{"hansa-agent": true, "hansa-system/hansa-agent": true, "hansa-agent-auto-export": true, "hansa-agent-install-crds": true, "hansa-system/hansa-agent-issuer": true}
	if !maps.Equal(bound, want) {
		t.Errorf("bound are %v, want %v", bound, want)
	}
}

// roles returns what roles give, a Role behind its namespace, by group/resource with the names that it is limited to. What
// they become part of counts as well.
func roles(t *testing.T, objects []runtime.Object) map[string]map[string]string {
	t.Helper()
	all := map[string]map[string]string{}
	for _, r := range of[*rbacv1.ClusterRole](objects) {
		all[r.Name] = granted(t, r.Name, r.Rules)
		for label, value := range r.Labels {
			if strings.HasPrefix(label, rbacv1.GroupName) {
				all[r.Name][label] = value
			}
		}
		if r.AggregationRule != nil {
			t.Errorf("role %s is made of others", r.Name)
		}
	}
	for _, r := range of[*rbacv1.Role](objects) {
		all[r.Namespace+"/"+r.Name] = granted(t, r.Name, r.Rules)
	}
	return all
}

func granted(t *testing.T, name string, rules []rbacv1.PolicyRule) map[string]string {
	t.Helper()
	verbs := map[string][]string{}
	for _, r := range rules {
		if len(r.NonResourceURLs) > 0 {
			t.Errorf("role %s may reach %v", name, r.NonResourceURLs)
		}
		for _, group := range r.APIGroups {
			for _, resource := range r.Resources {
				what := strings.Join(append([]string{group + "/" + resource}, slices.Sorted(slices.Values(r.ResourceNames))...), " ")
				verbs[what] = append(verbs[what], r.Verbs...)
			}
		}
	}
	all := map[string]string{}
	for what, list := range verbs {
		if slices.Sort(list); strings.Contains(what+strings.Join(list, ""), "*") {
			t.Errorf("role %s has a wildcard: %v on %s", name, list, what)
		}
		all[what] = strings.Join(list, " ")
	}
	return all
}
