package integration

import (
	"maps"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/hansa-mcs/hansa/integration/rule"
)

const rolesFile = "../docs/roles.yaml"

const read = "get list watch"

// allowed is all that docs/roles.yaml gives, by role, a Role behind its namespace, and by group/resource with the
// names that it is limited to. Whoever changes the file says here why.
var allowed = map[string]map[string]string{
	"hansa-agent": {
		"/namespaces":                                 read, // where to import (I1)
		"/nodes":                                      read, // where endpoints are
		"/services":                                   "create delete get list patch watch",
		"discovery.k8s.io/endpointslices":             "create delete get list patch watch",
		"multicluster.x-k8s.io/serviceexports":        read, // written by people
		"multicluster.x-k8s.io/serviceimports":        "create delete get list patch watch",
		"multicluster.x-k8s.io/serviceexports/status": "patch",
		"multicluster.x-k8s.io/serviceimports/status": "patch",
		"events.k8s.io/events":                        "create patch",
		"apiextensions.k8s.io/customresourcedefinitions clusterproperties.about.k8s.io serviceexports.multicluster.x-k8s.io serviceimports.multicluster.x-k8s.io": read,
		"about.k8s.io/clusterproperties cluster.clusterset.k8s.io clusterset.k8s.io":                                                                              read, // must agree with the flags
		"networking.k8s.io/servicecidrs": read, // ranges that no peer may speak for
	},
	"hansa-system/hansa-agent": {
		"coordination.k8s.io/leases":             "create", // which cannot be limited to a name
		"coordination.k8s.io/leases hansa-agent": "get list update watch",
		"/configmaps":                            "create",
		"/configmaps hansa-state":                "get list patch watch", // what must outlive a restart, and whether to leave
		"/configmaps hansa-features":             read,                   // how people turn gates
		"/secrets hansa-identity":                "get update",           // it renews its own certificate
	},
	"hansa-system/hansa-agent-issuer": {
		"/secrets": "get update", // the CA's, and tokens, whose names are made; none can be listed
	},
	"hansa-agent-auto-export": {
		"multicluster.x-k8s.io/serviceexports": "create delete patch", // with MCSAutoExport alone; it takes its mark off what people applied
	},
	"hansa-agent-install-crds": {
		"apiextensions.k8s.io/customresourcedefinitions serviceexports.multicluster.x-k8s.io serviceimports.multicluster.x-k8s.io": "create patch",
	},
	"hansa-export": {
		"multicluster.x-k8s.io/serviceexports": "create delete deletecollection get list patch update watch",
		"multicluster.x-k8s.io/serviceimports": read, // the agent's alone (I3)
	},
	"hansa-view": {
		"multicluster.x-k8s.io/serviceexports": read,
		"multicluster.x-k8s.io/serviceimports": read,
	},
}

// aggregated are the roles of Kubernetes that a role becomes part of.
var aggregated = map[string]map[string]string{
	"hansa-export": {"rbac.authorization.k8s.io/aggregate-to-admin": "true", "rbac.authorization.k8s.io/aggregate-to-edit": "true"},
	"hansa-view":   {"rbac.authorization.k8s.io/aggregate-to-view": "true"},
}

// A role that is wider than the list above, or reaches others, fails.
func TestRolesGiveWhatIsWrittenDownAndNoMore(t *testing.T) {
	rule.Covers(t, "E9", "I3", "#39")
	roles := map[string]map[string]string{}
	agents := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "hansa-system", Name: "hansa-agent"}}
	for _, o := range readObjects(t, rolesFile) {
		switch o.GetKind() {
		case "ClusterRole":
			role := as[rbacv1.ClusterRole](t, o)
			roles[role.Name] = granted(t, role.Name, role.Rules)
			if role.AggregationRule != nil || !maps.Equal(role.Labels, aggregated[role.Name]) {
				t.Errorf("role %s: labels %v, aggregation %v, want labels %v alone", role.Name, role.Labels, role.AggregationRule, aggregated[role.Name])
			}
		case "ClusterRoleBinding":
			binding := as[rbacv1.ClusterRoleBinding](t, o)
			if binding.RoleRef.Name != "hansa-agent" || !slices.Equal(binding.Subjects, agents) {
				t.Errorf("role %s is bound to %v, want hansa-agent to its account alone", binding.RoleRef.Name, binding.Subjects)
			}
		case "Role":
			role := as[rbacv1.Role](t, o)
			name := role.Namespace + "/" + role.Name
			roles[name] = granted(t, name, role.Rules)
		case "RoleBinding":
			binding := as[rbacv1.RoleBinding](t, o)
			agent := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "hansa-agent"}
			if binding.Namespace != "hansa-system" || binding.RoleRef != agent || !slices.Equal(binding.Subjects, agents) {
				t.Errorf("%s %s is bound in %s to %v, want the Role hansa-agent to its account alone", binding.RoleRef.Kind, binding.RoleRef.Name, binding.Namespace, binding.Subjects)
			}
		case "Namespace", "ServiceAccount":
		default:
			t.Errorf("%s %s: want none of that kind", o.GetKind(), o.GetName())
		}
	}
	for name := range allowed {
		for what, verbs := range allowed[name] {
			if roles[name][what] != verbs {
				t.Errorf("role %s on %s: %q, want %q", name, what, roles[name][what], verbs)
			}
		}
	}
	for name := range roles {
		for what, verbs := range roles[name] {
			if allowed[name][what] == "" {
				t.Errorf("role %s may %s %s, which nobody wrote down", name, verbs, what)
			}
		}
	}
}

// granted returns the verbs of a role by group/resource, with the names that the rule is limited to.
func granted(t *testing.T, name string, rules []rbacv1.PolicyRule) map[string]string {
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
		all[what] = strings.Join(slices.Sorted(slices.Values(list)), " ")
	}
	return all
}
