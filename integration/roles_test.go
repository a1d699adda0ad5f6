package integration

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/rule"
)

const rolesFile = "../docs/roles.yaml"

const read = "get list watch"

// allowed is all that docs/roles.yaml gives, by role, a Role behind its namespace, and by group/resource with the
// names that it is limited to. Whoever changes the file says here why.
var allowed = map[string]map[string]string{
	"hansa-agent": {
		"/namespaces":                                 read, // where to import (I1)
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

// The agent works with the account that docs/roles.yaml gives it, and people get theirs with Kubernetes' own
// roles. Each part builds on those before.
func TestRoles(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	set, err := clusterset.Start(ctx, clusterset.Config{
		Clusters: []string{"east"}, InProcess: true, WithoutAPI: true, ControllerManager: true, Roles: rolesFile,
		Options: func(_ string, o *agent.Options) { o.InstallCRDs = true },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := &story{set, t}
	t.Run("--install-crds without its role says which", s.in(installWithoutRole))
	t.Run("--install-crds with its role installs", s.in(installWithRole))
	t.Run("the agent does its work with its account", s.in(workWithAccount))
	t.Run("the agent's account may do nothing else", s.in(accountIsLimited))
	t.Run("E9 I3 #39 who may edit a namespace may export there, and writes no import", s.in(peopleAreLimited))
}

func installWithoutRole(s *story) {
	awaitLog(s.t, s.Member("east"), "bind ClusterRole hansa-agent-install-crds of docs/roles.yaml")
	awaitLog(s.t, s.Member("east"), "waiting for the MCS API")
	_, err := s.Member("east").Get(s.t.Context(), "/readyz")
	if err == nil || !strings.Contains(err.Error(), "--install-crds failed") {
		s.t.Errorf("/readyz says %v, want why --install-crds failed", err)
	}
}

func installWithRole(s *story) {
	access := newAccess(s.t, s.Member("east"))
	_, err := access.clients.RbacV1().ClusterRoleBindings().Create(s.t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "hansa-agent-install-crds"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "hansa-agent-install-crds"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "hansa-system", Name: "hansa-agent"}},
	}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	access.await(clusterset.Account, "patch apiextensions.k8s.io/customresourcedefinitions "+importsCRD, true)
	s.restart()
	awaitLog(s.t, s.Member("east"), `msg="installed a CRD" cluster=east crd=`+importsCRD)
}

func workWithAccount(s *story) {
	east := s.Member("east")
	log, err := os.ReadFile(east.LogFile())
	if err != nil {
		s.t.Fatal(err)
	}
	s.create("east", namespace(), service("web"), slice("web", "web-1", "10.1.0.1"), exportOf("web"))
	s.awaitImport("east", "web", "east")
	s.awaitCondition("east", "web", mcsv1beta1.ServiceExportConditionReady, metav1.ConditionTrue, mcsv1beta1.ServiceExportReasonExported)
	s.awaitAssigned("east", "web", "10.1.0.1:8080")
	s.delete("east", exportOf("web"))
	s.awaitGone("east", "web")
	after, err := os.ReadFile(east.LogFile())
	if err != nil {
		s.t.Fatal(err)
	}
	if text := string(after[len(log):]); strings.Contains(text, "forbidden") {
		s.t.Errorf("something was refused:\n%s", text)
	}
}

func accountIsLimited(s *story) {
	access := newAccess(s.t, s.Member("east"))
	for role, where := range map[string]string{"hansa-agent": "", "hansa-system/hansa-agent": " in hansa-system"} {
		for what, verbs := range allowed[role] {
			resource, names, _ := strings.Cut(what, " ")
			for verb := range strings.FieldsSeq(verbs) {
				for name := range strings.SplitSeq(names, " ") {
					access.check(clusterset.Account, strings.TrimSpace(verb+" "+resource+" "+name)+where, true)
				}
			}
		}
	}
	for _, what := range []string{
		"get /secrets", "list /secrets", "get /secrets in hansa-system", "list /secrets in kube-system",
		"get /configmaps in kube-system", "get /configmaps other in hansa-system", "list /configmaps in hansa-system",
		"get coordination.k8s.io/leases hansa-agent in kube-system", "create networking.k8s.io/servicecidrs",
		"create /pods in hansa-system", "create /serviceaccounts/token in hansa-system",
		"create multicluster.x-k8s.io/serviceexports in shop", "delete multicluster.x-k8s.io/serviceexports in shop",
		"delete apiextensions.k8s.io/customresourcedefinitions " + importsCRD,
		"get apiextensions.k8s.io/customresourcedefinitions gateways.gateway.networking.k8s.io",
		"get about.k8s.io/clusterproperties other.example.org", "patch about.k8s.io/clusterproperties " + clusterProperty,
		"create rbac.authorization.k8s.io/clusterrolebindings", "impersonate /users", "deletecollection /services in shop",
	} {
		access.check(clusterset.Account, what, false)
	}
}

func peopleAreLimited(s *story) {
	rule.Covers(s.t, "E9", "I3", "#39")
	s.create("east", exportOf("web"))
	access := newAccess(s.t, s.Member("east"))
	const exports, imports = " multicluster.x-k8s.io/serviceexports", " multicluster.x-k8s.io/serviceimports"
	for _, role := range []string{"admin", "edit", "view"} {
		_, err := access.clients.RbacV1().RoleBindings("shop").Create(s.t.Context(), &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: role}},
		}, metav1.CreateOptions{})
		if err != nil {
			s.t.Fatal(err)
		}
		// The role became part of Kubernetes' own: all of its rules with it.
		access.await(role, "list"+imports+" in shop", true)
		for _, verb := range []string{"create", "update", "patch", "delete", "deletecollection"} {
			access.check(role, verb+exports+" in shop", role != "view")
			access.check(role, verb+exports+" in kube-system", false)
			access.check(role, verb+exports+" in default", false)
			access.check(role, verb+exports, false)
			access.check(role, verb+exports+"/status in shop", false)
			access.check(role, verb+imports+" in shop", false)
			access.check(role, verb+imports+"/status in shop", false)
		}
		for verb := range strings.FieldsSeq(read) {
			access.check(role, verb+exports+" in shop", true)
			access.check(role, verb+imports+" in shop", true)
			access.check(role, verb+imports+" in kube-system", false)
		}
	}
	s.editorIsRefused()
}

// editorIsRefused tries as a person what the roles say.
func (s *story) editorIsRefused() {
	s.t.Helper()
	config := rest.CopyConfig(s.Member("east").REST)
	config.Impersonate.UserName = "edit"
	editor, err := client.New(config, client.Options{Scheme: s.Member("east").Client.Scheme()})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx := s.t.Context()
	made := s.awaitImport("east", "web", "east")
	forged := &mcsv1beta1.ServiceImport{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "forged"},
		Spec:       mcsv1beta1.ServiceImportSpec{Type: mcsv1beta1.Headless, Ports: []mcsv1beta1.ServicePort{}},
	}
	elsewhere := exportOf("kube-dns")
	elsewhere.Namespace = "kube-system"
	for what, err := range map[string]error{
		"created a ServiceImport":                editor.Create(ctx, forged),
		"updated a ServiceImport":                editor.Update(ctx, made.DeepCopy()),
		"patched a ServiceImport":                editor.Patch(ctx, made.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"spec":{"ips":["192.0.2.1"]}}`))),
		"deleted a ServiceImport":                editor.Delete(ctx, made.DeepCopy()),
		"created a ServiceExport in kube-system": editor.Create(ctx, elsewhere),
	} {
		if !apierrors.IsForbidden(err) {
			s.t.Errorf("who may edit shop %s (%v)", what, err)
		}
	}
	if err := errors.Join(editor.Create(ctx, exportOf("api")), editor.Delete(ctx, exportOf("web"))); err != nil {
		s.t.Errorf("who may edit shop may not export there: %v", err)
	}
}

// readObjects reads the objects of a YAML file.
func readObjects(t *testing.T, path string) (objects []*unstructured.Unstructured) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), len(text)); ; {
		o := &unstructured.Unstructured{}
		if err := decoder.Decode(&o.Object); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			t.Fatal(err)
		}
		if o.Object != nil { // not comments alone
			objects = append(objects, o)
		}
	}
}

// as reads an object as its type, strictly.
func as[T any](t *testing.T, o *unstructured.Unstructured) (typed T) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &typed, true); err != nil {
		t.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
	}
	return typed
}

// access asks an API server who may do what.
type access struct {
	t       *testing.T
	clients kubernetes.Interface
}

func newAccess(t *testing.T, m *clusterset.Member) access {
	t.Helper()
	clients, err := kubernetes.NewForConfig(m.REST)
	if err != nil {
		t.Fatal(err)
	}
	return access{t, clients}
}

// may asks for one thing, such as "create multicluster.x-k8s.io/serviceexports in shop": a verb, a group and
// a resource, perhaps a name, and perhaps a namespace.
func (a access) may(ctx context.Context, user, what string) (bool, error) {
	what, namespace, _ := strings.Cut(what, " in ")
	words := append(strings.Fields(what), "")
	group, resource, _ := strings.Cut(words[1], "/")
	resource, sub, _ := strings.Cut(resource, "/")
	groups := []string{"system:authenticated"}
	if user == clusterset.Account {
		groups = append(groups, "system:serviceaccounts", "system:serviceaccounts:hansa-system")
	}
	review, err := a.clients.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{User: user, Groups: groups, ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: words[0], Group: group, Resource: resource, Subresource: sub, Name: words[2], Namespace: namespace,
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

func (a access) check(user, what string, want bool) {
	a.t.Helper()
	if got, err := a.may(a.t.Context(), user, what); err != nil || got != want {
		a.t.Errorf("may %s %s: %t (%v), want %t", user, what, got, err, want)
	}
}

// await asks until the answer is as wanted: roles take effect when the API server has seen them, of which
// it tells nobody.
func (a access) await(user, what string, want bool) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	for {
		got, err := a.may(ctx, user, what)
		if err != nil {
			a.t.Fatalf("may %s %s: still %t, want %t: %v", user, what, !want, want, err)
		}
		if got == want {
			return
		}
	}
}
