package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa/corefile"
	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/coredns"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// The agent and CoreDNS answer from the same objects, and are asked the same questions. They say the same, but
// for what the table of deviations explains.
func TestCoreDNSSaysTheSame(t *testing.T) {
	binary := buildCoreDNS(t)
	clusters := []string{"east", "west", "north"}
	set, err := clusterset.Start(t.Context(), clusterset.Config{Clusters: clusters, DualStack: clusters[:2], InProcess: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := &story{set, t}
	scene := append(readScene(t, exportsOfEveryKind), crowd(t))
	s.play(scene)
	explained, asked := map[string]int{}, 0
	for _, cluster := range []string{"east", "north"} { // of two IP families, and of one
		t.Run("#55 at "+cluster, func(t *testing.T) {
			rule.Covers(t, "#55")
			asked++
			differ(t, &story{set, t}, cluster, binary, scene, explained)
		})
	}
	for _, d := range deviations {
		if asked == 2 && explained[d.name] == 0 {
			t.Errorf("the deviation %q explains nothing any more: delete it", d.name)
		}
	}
}

// differ asks both in one cluster, and counts what the deviations explain.
func differ(t *testing.T, s *story, cluster, binary string, scene []exported, explained map[string]int) {
	// It is ready when it has listed all, and all is there: so nothing has to come to it later.
	server := startCoreDNS(t, coredns.Config{
		Binary: binary, Corefile: corefile.Multicluster(dnsZone, dnsTTL), Kubeconfig: s.ControlPlane(cluster).Kubeconfig,
	})
	us, them := dialAsker(t, s.Member(cluster).DNS), dialAsker(t, server.Address)
	all := questions(scene, clustersOf(scene), 8)
	if len(all) < 10000 {
		t.Errorf("%d questions, want every name in every way", len(all))
	}
	ours, theirs := make([]said, len(all)), make([]said, len(all))
	s.atRest(cluster, func() {
		for i, q := range all {
			ours[i], theirs[i] = us.ask(t, q), them.ask(t, q)
		}
	})
	d := difference{explained: map[string]int{}, same: map[string]int{}}
	for i, q := range all {
		d.count(t, newAbout(q, scene, cluster == "north"), ours[i], theirs[i])
	}
	t.Log(d.report(cluster))
	for _, kind := range []string{"A", "AAAA", "SRV"} {
		if d.same[kind] == 0 {
			t.Errorf("not one answer with %s records is the same: what was asked?", kind)
		}
	}
	for name, n := range d.explained {
		explained[name] += n
	}
	if d.unexplained > 0 {
		t.Errorf("%d answers differ and no deviation says why", d.unexplained)
	}
}

// atRest calls do, again if the objects of a cluster changed meanwhile: the two then had not the same to answer from.
func (s *story) atRest(cluster string, do func()) {
	s.t.Helper()
	for range 3 {
		before, err := s.Member(cluster).Versions(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		do()
		after, err := s.Member(cluster).Versions(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		if maps.Equal(before, after) {
			return
		}
	}
	s.t.Fatalf("the objects of %s are never at rest", cluster)
}

// difference counts what two servers say.
type difference struct {
	asked, unexplained int
	same               map[string]int // by what is said: the type of the records, or what kind of denial
	explained          map[string]int // by the name of the deviation
}

// count compares what the agent and CoreDNS said, and shows what is not explained, up to a point.
func (d *difference) count(t *testing.T, a about, ours, theirs said) {
	t.Helper()
	const shown = 40
	d.asked++
	if ours.equal(theirs) {
		d.same[ours.kind()]++
		return
	}
	for _, known := range deviations {
		if known.explains(a, ours, theirs) {
			d.explained[known.name]++
			return
		}
	}
	if d.unexplained++; d.unexplained <= shown {
		t.Errorf("%s\n  the agent: %s\n  CoreDNS:   %s", a.question, ours, theirs)
	}
}

// report is the summary for a person.
func (d *difference) report(cluster string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "the agent and CoreDNS at %s were asked %d questions\n", cluster, d.asked)
	for _, kind := range slices.Sorted(maps.Keys(d.same)) {
		fmt.Fprintf(&text, "%8d  the same: %s\n", d.same[kind], kind)
	}
	for _, known := range deviations {
		fmt.Fprintf(&text, "%8d  %s (%s)\n", d.explained[known.name], known.name, known.right)
	}
	return text.String()
}

func clustersOf(scene []exported) []string {
	all := map[string]bool{}
	for _, e := range scene {
		all[e.cluster] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// play makes the scene in all clusters, and returns when it is at rest.
func (s *story) play(scene []exported) {
	s.t.Helper()
	for _, m := range s.Members() {
		for _, name := range namespacesOf(scene) {
			if name != farNamespace || m.Name == scene[slices.IndexFunc(scene, func(e exported) bool { return e.namespace == farNamespace })].cluster {
				s.create(m.Name, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
			}
		}
	}
	for _, e := range scene {
		s.create(e.cluster, e.objects()...)
	}
	for round := range 2 { // as in a script's barrier
		for _, m := range s.Members() {
			s.mark(m.Name, fmt.Sprintf("marker-%d-%s", round, m.Name))
		}
	}
}

func namespacesOf(scene []exported) []string {
	all := map[string]bool{}
	for _, e := range scene {
		all[e.namespace] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// mark exports a service from a cluster, and waits until all clusters have it and its endpoint.
func (s *story) mark(cluster, name string) {
	s.t.Helper()
	s.create(cluster, service(name), slice(name, name, "10.100.0.1"), exportOf(name))
	for _, m := range s.Members() {
		s.awaitImport(m.Name, name, cluster)
		await(s, m.Name, "the slice of "+name, &discoveryv1.EndpointSliceList{}, func(e *discoveryv1.EndpointSlice) bool {
			return e.Labels[mcsv1beta1.LabelServiceName] == name && len(e.Endpoints) == 1
		})
	}
}
