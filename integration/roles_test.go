package integration

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// The agent works with the account that docs/roles.yaml gives it, and people get theirs with Kubernetes' own
// roles. Each part builds on those before.
func TestRoles(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	ours := newHolder(t)
	set, err := clusterset.Start(ctx, clusterset.Config{
		Clusters: []string{"east"}, InProcess: true, WithoutAPI: true, ControllerManager: true, Roles: rolesFile,
		Options: func(_ string, o *agent.Options) {
			o.InstallCRDs = true
			o.CertFile, o.KeyFile, o.CAFile = ours.files.Cert, ours.files.Key, ours.files.CA
		},
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
	t.Run("with the CA and its role the agent lets clusters in and renews", s.in(ours.lettingIn))
	t.Run("the role of the CA gives no more", s.in(issuerIsLimited))
	t.Run("E9 I3 #39 who may edit a namespace may export there, and writes no import", s.in(peopleAreLimited))
	t.Run("with a role of before regions the agent exports without them", s.in(workWithOlderRole))
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

// workWithOlderRole is an upgrade of the agents before that of their role.
func workWithOlderRole(s *story) {
	access := newAccess(s.t, s.Member("east"))
	roles := access.clients.RbacV1().ClusterRoles()
	role, err := roles.Get(s.t.Context(), "hansa-agent", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	all := len(role.Rules)
	role.Rules = slices.DeleteFunc(role.Rules, func(r rbacv1.PolicyRule) bool { return slices.Contains(r.Resources, "nodes") })
	if _, err := roles.Update(s.t.Context(), role, metav1.UpdateOptions{}); err != nil || len(role.Rules) != all-1 {
		s.t.Fatalf("%d of %d rules are left, error %v", len(role.Rules), all, err)
	}
	access.await(clusterset.Account, "list /nodes", false)
	s.restart()
	s.create("east", service("older"), slice("older", "older-1", "10.1.0.9"), exportOf("older"))
	s.awaitImport("east", "older", "east")
	s.awaitAssigned("east", "older", "10.1.0.9:8080")
	awaitLog(s.t, s.Member("east"), "cannot read this cluster's Nodes")
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
		"get /secrets", "list /secrets", "get /secrets hansa-ca in hansa-system", "list /secrets in kube-system",
		"create /secrets in hansa-system", "patch /secrets hansa-identity in hansa-system", "delete /secrets hansa-identity in hansa-system",
		"get /configmaps in kube-system", "get /configmaps other in hansa-system", "list /configmaps in hansa-system",
		"get coordination.k8s.io/leases hansa-agent in kube-system", "create networking.k8s.io/servicecidrs",
		"create /pods in hansa-system", "create /serviceaccounts/token in hansa-system",
		"create multicluster.x-k8s.io/serviceexports in shop", "delete multicluster.x-k8s.io/serviceexports in shop",
		"delete apiextensions.k8s.io/customresourcedefinitions " + importsCRD,
		"get apiextensions.k8s.io/customresourcedefinitions gateways.gateway.networking.k8s.io",
		"get about.k8s.io/clusterproperties other.example.org", "patch about.k8s.io/clusterproperties " + clusterProperty,
		"create rbac.authorization.k8s.io/clusterrolebindings", "impersonate /users", "deletecollection /services in shop",
		"patch /nodes", "update /nodes/status", "get /nodes/proxy", "delete /nodes",
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
