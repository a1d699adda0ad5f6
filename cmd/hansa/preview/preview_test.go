package preview

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/federation"
)

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// exportedBy is an export that is there.
type exportedBy struct {
	cluster federation.ClusterID
	since   time.Time
	port    uint16
}

// sceneOf is cluster east about to export shop/web with a port, where others export it already.
func sceneOf(port int32, annotations map[string]string, created ...exportedBy) Scene {
	s := Scene{
		Export: &mcsv1beta1.ServiceExport{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", CreationTimestamp: metav1.NewTime(began), Annotations: annotations}},
		Service: &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
			Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, ClusterIP: "10.0.0.1", Ports: []corev1.ServicePort{{Name: "http", Port: port, Protocol: corev1.ProtocolTCP}}},
		},
		Status: &report.Status{Cluster: "east", Peers: []report.Peer{{Cluster: "north", State: report.Alive}, {Cluster: "west", State: report.Alive}}},
		Explanation: &report.Explanation{
			Service: report.Service{Namespace: "shop", Name: "web"},
		},
	}
	for _, by := range created {
		s.Explanation.Exports = append(s.Explanation.Exports, report.Export{
			Cluster: by.cluster, Admitted: true, Created: by.since, Type: federation.ClusterSetIP, Settings: &report.Settings{SessionAffinity: "None"},
			Ports: []report.Port{{Name: "http", Protocol: "TCP", Port: by.port}},
		})
	}
	return s
}

func previewed(t *testing.T, s Scene) *Preview {
	t.Helper()
	p, err := s.Preview()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheOldestExportDecides(t *testing.T) {
	for created, says := range map[time.Time]string{began.Add(-time.Hour): "west", began.Add(time.Hour): "east"} {
		p := previewed(t, sceneOf(81, nil, exportedBy{"west", created, 80}))
		if len(p.Conflicts) != 1 || !p.Conflicts[0].New || p.Conflicts[0].Opinions[0].Cluster != federation.ClusterID(says) {
			t.Errorf("west exports since %v: conflicts %+v, want one that is new and in which %s decides", created, p.Conflicts, says)
		}
	}
}

func TestWhatEastSaysNowIsReplaced(t *testing.T) {
	s := sceneOf(80, nil, exportedBy{"east", began, 81}, exportedBy{"west", began.Add(-time.Hour), 80})
	if p := previewed(t, s); len(p.Conflicts) > 0 {
		t.Errorf("conflicts %+v, want none: what east says would agree with west", p.Conflicts)
	}
}

func TestWhoSeesAnExport(t *testing.T) {
	sees := func(s Scene) (list []string) {
		for _, c := range previewed(t, s).Clusters {
			if c.Sees == (c.Why != "") {
				t.Errorf("cluster %s: sees %v, because %q: want a reason of those alone that do not", c.Cluster, c.Sees, c.Why)
			}
			if c.Sees {
				list = append(list, string(c.Cluster))
			}
		}
		return list
	}
	named := sceneOf(80, map[string]string{"hansa.dev/consumers": "we*"})
	barred := sceneOf(80, nil)
	barred.Status.Policy.Export.Deny = []string{"west=shop"}
	closed := sceneOf(80, nil)
	closed.Status.Policy.Export.Deny = []string{"shop"}
	for want, s := range map[string]Scene{"north west": sceneOf(80, nil), "west": named, "north": barred, "": closed} {
		if got := strings.Join(sees(s), " "); got != want {
			t.Errorf("%q sees it, want %q", got, want)
		}
	}
}

func TestWhatCannotBeExported(t *testing.T) {
	missing, external := sceneOf(80, nil), sceneOf(80, nil)
	missing.Service = nil
	external.Service.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "example.com"}
	mistyped := sceneOf(80, map[string]string{"hansa.dev/consumers": "WEST"})
	for want, s := range map[string]Scene{"NoService": missing, "InvalidServiceType": external, "Failed": mistyped} {
		if p := previewed(t, s); p.Exported || p.Reason != want || p.Message == "" || p.ServiceImport != nil {
			t.Errorf("got %+v, want that nothing is exported, by reason %s", p, want)
		}
	}
}

// While the agents announce nothing nobody sees an export, and it is said by whose word that is so.
func TestNothingIsExportedWithoutServiceDiscovery(t *testing.T) {
	off := func(g report.Gate) *Preview {
		g.Name = "MCSServiceDiscovery"
		s := sceneOf(81, nil, exportedBy{"west", began, 80})
		s.Status.Gates = []report.Gate{{Name: "MCSHost"}, g}
		return previewed(t, s)
	}
	for want, g := range map[string]report.Gate{
		"gate MCSServiceDiscovery is off, by ConfigMap a/b: nothing is announced": {Origin: "configmap", Where: "ConfigMap a/b"},
		"gate MCSServiceDiscovery is off, by default: nothing is announced":       {Origin: "default"},
	} {
		p := off(g)
		if p.Exported || p.Reason != "Pending" || p.Message != want || p.ServiceImport != nil || len(p.Conflicts) > 0 || slices.ContainsFunc(p.Clusters, func(v Viewer) bool { return v.Sees }) {
			t.Errorf("got %+v\nwant that nothing is exported, as %s", p, want)
		}
	}
	if p := off(report.Gate{On: true}); !p.Exported || p.ServiceImport == nil {
		t.Errorf("got %+v, want that it is exported while the gate is on", p)
	}
}

func TestAPolicyThatCannotBeRead(t *testing.T) {
	s := sceneOf(80, nil)
	s.Status.Policy.Export.Allow = []string{"a=b=c"}
	if p, err := s.Preview(); err == nil {
		t.Errorf("got %+v, want an error", p)
	}
}
