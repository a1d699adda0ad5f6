package integration

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// The whole way, by every door, in one clusterset of three; each part builds on those before.
func TestTheWholeWay(t *testing.T) {
	s := tell(t, "east", "west", "north")
	t.Run("E1 a Service without a ServiceExport stays at home", s.in(stayAtHome))
	t.Run("E4 I1 I6 an export is imported everywhere, by every door, and goes with its ServiceExport", s.in(exportAndWithdraw))
	t.Run("C5 E3 two exports are one service, each only while it is exported", s.in(twoExports))
	t.Run("I9 D7 headless services have no address and resolve to endpoints", s.in(headlessService))
	t.Run("E5 E6 an export without a Service, or of an ExternalName, is refused and heals", s.in(refusedExports))
	t.Run("I1 a namespace that appears later brings the import", s.in(lateNamespace))
	t.Run("a derived Service keeps its address, and what is edited by hand is repaired", s.in(repairs))
	t.Run("I10 what has no mark of ours is left alone", s.in(foreignObjects))
	t.Run("an endpoint with a zone that is none costs nothing else", s.in(badEndpoints))
	t.Run("S7 edited labels of a slice are repaired", s.in(editedSlice))
	t.Run("a derived Service that lost its mark is let go, and comes back", s.in(lostMark))
	t.Run("an agent that starts again rewrites nothing and forgets nothing", s.in(restartOfAnAgent))
	t.Run("I12 imports come back when their CRD does", s.in(lostDefinition))
	t.Run("I12 a lost CRD of ServiceExports withdraws nothing", s.in(lostExports))
}

// in runs a part of the story as a subtest.
func (s *story) in(part func(*story)) func(*testing.T) {
	return func(t *testing.T) { part(&story{s.Clusterset, t}) }
}

func stayAtHome(s *story) {
	rule.Covers(s.t, "E1", "#1")
	for _, cluster := range []string{"east", "west", "north"} {
		s.create(cluster, namespace())
	}
	s.create("east", service("private"), slice("private", "private", "10.1.0.1"))
	// What is exported later is seen when what came before would have been.
	s.create("east", service("marker"), exportOf("marker"))
	for _, cluster := range []string{"west", "north"} {
		s.awaitImport(cluster, "marker", "east")
		s.awaitGone(cluster, "private")
		s.resolves(cluster, "private", "NXDOMAIN")
		s.unlisted(cluster, "private")
	}
}

func exportAndWithdraw(s *story) {
	rule.Covers(s.t, "E4", "I1", "I4", "I6", "#2", "#7", "#37")
	s.create("east", service("web"), slice("web", "web-1", "10.1.0.1", "10.1.0.2"), exportOf("web"))
	s.awaitCondition("east", "web", mcsv1beta1.ServiceExportConditionValid, metav1.ConditionTrue, mcsv1beta1.ServiceExportReasonValid)
	s.awaitCondition("east", "web", mcsv1beta1.ServiceExportConditionReady, metav1.ConditionTrue, mcsv1beta1.ServiceExportReasonExported)
	for _, m := range s.Members() {
		si := s.awaitImport(m.Name, "web", "east")
		if si.Spec.Type != mcsv1beta1.ClusterSetIP || len(si.Spec.Ports) != 1 || si.Status.EndpointSliceObjects != mcsv1beta1.EndpointSliceObjectsPresent {
			s.t.Errorf("%s: ServiceImport %+v", m.Name, si)
		}
		s.resolves(m.Name, "web", "NOERROR", si.Spec.IPs...)
		s.awaitAssigned(m.Name, "web", "10.1.0.1:8080", "10.1.0.2:8080")
		await(s, m.Name, "the slice of web", &discoveryv1.EndpointSliceList{}, func(e *discoveryv1.EndpointSlice) bool {
			return e.Labels[mcsv1beta1.LabelServiceName] == "web" && e.Labels[mcsv1beta1.LabelSourceCluster] == "east" && len(e.Endpoints) == 2
		})
	}
	s.create("east", slice("web", "web-2", "10.1.0.3"))
	s.awaitAssigned("west", "web", "10.1.0.1:8080", "10.1.0.2:8080", "10.1.0.3:8080")
	s.delete("east", exportOf("web"))
	for _, m := range s.Members() {
		s.awaitGone(m.Name, "web")
		s.resolves(m.Name, "web", "NXDOMAIN")
		s.unlisted(m.Name, "web")
	}
}

func twoExports(s *story) {
	rule.Covers(s.t, "C5", "E3", "#5", "#6", "#37")
	s.create("east", exportOf("web"))
	s.awaitImport("north", "web", "east")
	// The same name in west stays private until it is exported there too.
	s.create("west", service("web"), slice("web", "web-1", "10.2.0.1"))
	s.create("west", service("marker-2"), exportOf("marker-2"))
	s.awaitImport("north", "marker-2", "west")
	s.awaitAssigned("north", "web", "10.1.0.1:8080", "10.1.0.2:8080", "10.1.0.3:8080")
	s.create("west", exportOf("web"))
	s.awaitImport("north", "web", "east", "west")
	s.awaitAssigned("north", "web", "10.1.0.1:8080", "10.1.0.2:8080", "10.1.0.3:8080", "10.2.0.1:8080")
	s.delete("east", exportOf("web"))
	s.awaitImport("north", "web", "west")
	s.awaitAssigned("north", "web", "10.2.0.1:8080")
}

func headlessService(s *story) {
	rule.Covers(s.t, "I9", "D7", "#12")
	s.create("east", service("db", headless), slice("db", "db-1", "10.1.0.8", "10.1.0.9"), exportOf("db"))
	si := s.awaitImport("west", "db", "east")
	if si.Spec.Type != mcsv1beta1.Headless || len(si.Spec.IPs) != 0 || len(si.Spec.IPFamilies) == 0 || si.Spec.Ports == nil {
		s.t.Errorf("ServiceImport of a headless service: %+v", si.Spec)
	}
	s.awaitAssigned("west", "db", "10.1.0.8:8080", "10.1.0.9:8080")
	s.resolves("west", "db", "NOERROR", "10.1.0.8", "10.1.0.9")
}

func refusedExports(s *story) {
	rule.Covers(s.t, "E5", "E6", "#8", "#9", "#10")
	s.create("east", exportOf("late"))
	s.awaitCondition("east", "late", mcsv1beta1.ServiceExportConditionValid, metav1.ConditionFalse, mcsv1beta1.ServiceExportReasonNoService)
	s.create("east", service("late"))
	s.awaitCondition("east", "late", mcsv1beta1.ServiceExportConditionValid, metav1.ConditionTrue, mcsv1beta1.ServiceExportReasonValid)
	s.awaitImport("west", "late", "east")
	s.delete("east", service("late"))
	s.awaitCondition("east", "late", mcsv1beta1.ServiceExportConditionValid, metav1.ConditionFalse, mcsv1beta1.ServiceExportReasonNoService)
	s.awaitGone("west", "late")
	s.create("east", service("outside", func(v *corev1.Service) {
		v.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "example.org"}
	}), exportOf("outside"))
	s.awaitCondition("east", "outside", mcsv1beta1.ServiceExportConditionValid, metav1.ConditionFalse, mcsv1beta1.ServiceExportReasonInvalidServiceType)
}

func lateNamespace(s *story) {
	rule.Covers(s.t, "I1", "#3")
	other := func(o client.Object) client.Object { o.SetNamespace("later"); return o }
	later := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "later"}}
	s.create("east", later, other(service("web")), other(exportOf("web")))
	s.create("east", service("marker-3"), exportOf("marker-3"))
	s.awaitImport("west", "marker-3", "east")
	var list mcsv1beta1.ServiceImportList
	if err := s.Member("west").Client.List(s.t.Context(), &list, client.InNamespace("later")); err != nil || len(list.Items) > 0 {
		s.t.Fatalf("%d imports where the namespace is not (%v)", len(list.Items), err)
	}
	s.create("west", &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "later"}})
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	_, err := clusterset.Await(ctx, s.Member("west").Client, &mcsv1beta1.ServiceImportList{}, func(si *mcsv1beta1.ServiceImport) bool {
		return si.Name == "web" && len(si.Spec.IPs) > 0
	}, client.InNamespace("later"))
	if err != nil {
		s.t.Fatalf("after the namespace came: %v", err)
	}
}

func repairs(s *story) {
	rule.Covers(s.t, "I7", "#38")
	before := s.awaitImport("north", "marker", "east")
	edited := before.DeepCopy()
	edited.Spec.IPs = []string{"10.99.99.99"}
	if err := s.Member("north").Client.Update(s.t.Context(), edited); err != nil {
		s.t.Fatal(err)
	}
	await(s, "north", "the repaired import", &mcsv1beta1.ServiceImportList{}, func(si *mcsv1beta1.ServiceImport) bool {
		return si.Name == "marker" && si.Spec.IPs[0] == before.Spec.IPs[0]
	})
	s.delete("north", before)
	after := await(s, "north", "the import anew", &mcsv1beta1.ServiceImportList{}, func(si *mcsv1beta1.ServiceImport) bool {
		return si.Name == "marker" && si.UID != before.UID && len(si.Spec.IPs) > 0
	})
	if after.Spec.IPs[0] != before.Spec.IPs[0] {
		s.t.Errorf("the address was %s, is %s", before.Spec.IPs[0], after.Spec.IPs[0])
	}
}

func foreignObjects(s *story) {
	rule.Covers(s.t, "I10", "#38")
	foreign := &mcsv1beta1.ServiceImport{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "taken"},
		Spec:       mcsv1beta1.ServiceImportSpec{Type: mcsv1beta1.Headless, Ports: []mcsv1beta1.ServicePort{}},
	}
	s.create("west", foreign)
	s.create("east", service("taken"), exportOf("taken"))
	s.awaitImport("north", "taken", "east")
	s.create("east", service("marker-4"), exportOf("marker-4"))
	s.awaitImport("west", "marker-4", "east")
	var now mcsv1beta1.ServiceImport
	if err := s.Member("west").Client.Get(s.t.Context(), client.ObjectKeyFromObject(foreign), &now); err != nil || now.ResourceVersion != foreign.ResourceVersion {
		s.t.Errorf("the foreign ServiceImport was written to: %+v (%v)", now, err)
	}
}

func restartOfAnAgent(s *story) {
	rule.Covers(s.t, "#43")
	west := s.Member("west")
	before := s.awaitImport("west", "web", "west")
	versions := s.versions("west")
	if err := west.StopAgent(); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := west.StartAgent(ctx); err != nil {
		s.t.Fatal(err)
	}
	s.resolves("west", "web", "NOERROR", before.Spec.IPs...)
	s.awaitAssigned("west", "db", "10.1.0.8:8080", "10.1.0.9:8080")
	// The federation works again when what is new arrives.
	s.create("east", service("marker-5"), exportOf("marker-5"))
	s.awaitImport("west", "marker-5", "east")
	for name, version := range s.versions("west") {
		if old, ok := versions[name]; ok && old != version {
			s.t.Errorf("%s was rewritten: %s, was %s", name, version, old)
		}
		delete(versions, name)
	}
	if len(versions) > 0 {
		s.t.Errorf("gone after the restart: %v", versions)
	}
}

// versions returns UID and resourceVersion of all that the agent of a cluster made.
func (s *story) versions(cluster string) map[string]string {
	s.t.Helper()
	all, err := s.Member(cluster).Versions(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}
