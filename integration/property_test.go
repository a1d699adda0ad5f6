package integration

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/rule"
)

const (
	clusterProperty    = "cluster.clusterset.k8s.io"
	clustersetProperty = "clusterset.k8s.io"
)

// ClusterProperties of about.k8s.io and the agent's flags must agree: at the start that is a mistake, and
// later nothing that takes services down. Each part builds on those before.
func TestClusterProperties(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	set, err := clusterset.Start(ctx, clusterset.Config{Clusters: []string{"east"}, InProcess: true, Roles: rolesFile})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := &story{set, t}
	s.create("east", namespace())
	t.Run("without the CRD the flags are right", s.in(noProperties))
	t.Run("#44 C4 a contradiction that comes later is shown, and services go on", s.in(lateContradiction))
	t.Run("#44 #46 C3 C4 a contradiction at the start ends the agent", s.in(earlyContradiction))
	t.Run("what cannot be read is no contradiction", s.in(unreadableProperties))
}

func noProperties(s *story) {
	s.showsConflict(clusterProperty, "0")
	s.showsConflict(clustersetProperty, "0")
}

func lateContradiction(s *story) {
	rule.Covers(s.t, "C4", "#44")
	definition := definedProperties(s)
	s.create("east", property("v1beta1", clusterProperty, "west"))
	awaitLog(s.t, s.Member("east"), `ClusterProperty \"cluster.clusterset.k8s.io\" says \"west\", --cluster says \"east\": start the agent with --cluster west`)
	s.showsConflict(clusterProperty, "1")
	s.showsConflict(clustersetProperty, "0")
	if _, err := s.Member("east").Get(s.t.Context(), "/readyz"); err != nil {
		s.t.Errorf("not ready: %v", err)
	}
	s.create("east", service("web"), exportOf("web"))
	web := s.awaitImport("east", "web", "east")
	s.resolves("east", "web", "NOERROR", web.Spec.IPs...)

	s.delete("east", definition)
	s.showsConflict(clusterProperty, "0")
	if err := clusterset.AwaitGone(s.t.Context(), s.Member("east").Client, &apiextensionsv1.CustomResourceDefinitionList{}, clusterset.Named(definition.Name)); err != nil {
		s.t.Fatal(err)
	}
	definedProperties(s)
	s.create("east", property("v1beta1", clusterProperty, "north"))
	s.showsConflict(clusterProperty, "1")
	s.says(clusterProperty, "east")
	s.showsConflict(clusterProperty, "0")
	awaitLog(s.t, s.Member("east"), "agrees with its flag again")
}

// definedProperties defines ClusterProperty.
func definedProperties(s *story) *apiextensionsv1.CustomResourceDefinition {
	s.t.Helper()
	text, err := os.ReadFile("testdata/clusterproperties.yaml")
	if err != nil {
		s.t.Fatal(err)
	}
	definition := definitionOf(s.t, text)
	s.define("east", definition)
	// The API server serves a kind a moment after it called its CRD established, and tells nobody when.
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for _, version := range []string{"v1alpha1", "v1beta1"} {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion("about.k8s.io/" + version)
		list.SetKind("ClusterPropertyList")
		for err := s.Member("east").Client.List(ctx, list); err != nil; err = s.Member("east").Client.List(ctx, list) {
			if ctx.Err() != nil {
				s.t.Fatalf("ClusterProperties are not served at %s: %v", version, err)
			}
		}
	}
	return definition
}

func earlyContradiction(s *story) {
	rule.Covers(s.t, "C3", "C4", "#44", "#46")
	east := s.Member("east")
	s.create("east", property("v1alpha1", clustersetProperty, clusterset.Name))
	if err := east.RestartAgent(s.t.Context()); err != nil {
		s.t.Fatalf("although all agree: %v", err)
	}
	for _, test := range []struct{ property, says, right, want string }{
		{clusterProperty, "west", "east", `ClusterProperty "cluster.clusterset.k8s.io" says "west", --cluster says "east": start the agent with --cluster west, or, if this cluster is to be "east", edit the ClusterProperty (a new ID is leaving and joining anew)`},
		{clusterProperty, "east.eu", "east", `ClusterProperty "cluster.clusterset.k8s.io" says "east.eu", --cluster says "east": edit the ClusterProperty, as Hansa cannot use its value`},
		{clustersetProperty, "acme", clusterset.Name, `ClusterProperty "clusterset.k8s.io" says "acme", --clusterset says "lab": start the agent with --clusterset acme, or, if this cluster is to be a member of "lab", edit the ClusterProperty`},
	} {
		if err := east.StopAgent(); err != nil {
			s.t.Fatal(err)
		}
		s.says(test.property, test.says)
		if err := east.StartAgent(s.t.Context()); err == nil {
			s.t.Fatalf("started, although %s says %s", test.property, test.says)
		}
		err := east.StopAgent()
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			s.t.Errorf("ended with %v, want one line: %s", err, test.want)
		}
		s.says(test.property, test.right)
		if err := east.StartAgent(s.t.Context()); err != nil {
			s.t.Fatalf("although all agree again: %v", err)
		}
	}
	s.awaitImport("east", "web", "east")
}

// unreadableProperties: an account that may not read the properties is a warning.
func unreadableProperties(s *story) {
	east := s.Member("east")
	if err := east.StopAgent(); err != nil {
		s.t.Fatal(err)
	}
	s.says(clusterProperty, "west")
	access := newAccess(s.t, east)
	access.await(clusterset.Account, "get about.k8s.io/clusterproperties cluster.clusterset.k8s.io", true)
	roles := access.clients.RbacV1().ClusterRoles()
	role, err := roles.Get(s.t.Context(), "hansa-agent", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	role.Rules = slices.DeleteFunc(role.Rules, func(r rbacv1.PolicyRule) bool { return slices.Contains(r.APIGroups, "about.k8s.io") })
	if _, err := roles.Update(s.t.Context(), role, metav1.UpdateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	access.await(clusterset.Account, "get about.k8s.io/clusterproperties cluster.clusterset.k8s.io", false)
	if err := east.StartAgent(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	awaitLog(s.t, east, "cannot read what must agree with --cluster and --clusterset")
	s.showsConflict(clusterProperty, "0")
}

// showsConflict waits until the metric of a property is as wanted: it is read again whenever the agent
// answered.
func (s *story) showsConflict(property, want string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	line := `hansa_cluster_property_conflict{property="` + property + `"} ` + want + "\n"
	for {
		metrics, err := s.Member("east").Get(ctx, "/metrics")
		if strings.Contains(metrics, line) {
			return
		}
		if ctx.Err() != nil {
			s.t.Fatalf("the metrics never say %q (%v)", line, err)
		}
	}
}

// says gives a property another value.
func (s *story) says(name, value string) {
	s.t.Helper()
	o := property("v1beta1", name, value)
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"value":"`+value+`"}}`))
	if err := s.Member("east").Client.Patch(s.t.Context(), o, patch); err != nil {
		s.t.Fatal(err)
	}
}

func property(version, name, value string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "about.k8s.io/" + version, "kind": "ClusterProperty",
		"metadata": map[string]any{"name": name}, "spec": map[string]any{"value": value},
	}}
}
