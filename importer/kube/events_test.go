package kube

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/events"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/importer"
)

const (
	one   = "- cluster: a\n  ports: [http 80/TCP]\n"
	two   = one + "- cluster: b\n  created: 2026-01-02T00:00:00Z\n  ports: [http 81/TCP]\n"
	three = two + "- cluster: c\n  created: 2026-01-03T00:00:00Z\n  type: Headless\n  ports: [http 80/TCP]\n"
)

// TestEventsAreMadeOncePerConflict: on the ServiceImport and on the own ServiceExport, when a conflict is new
// or reads otherwise, and once when the last is gone; never again for one that stands.
func TestEventsAreMadeOncePerConflict(t *testing.T) {
	recorder := events.NewFakeRecorder(100)
	teller := newTeller(recorder)
	teller.begin(1, importer.Empty(), newWorld(t).scene())
	both := Current{Import: &mcsv1beta1.ServiceImport{}, Export: &mcsv1beta1.ServiceExport{}}
	both.Import.Labels = marks(web)
	foreign := Current{Import: &mcsv1beta1.ServiceImport{}, Export: both.Export}
	for _, step := range []struct {
		what    string
		exports string
		now     Current
		want    []string
	}{
		{"alone", one, both, nil},
		{"before there is an import", two, Current{Export: both.Export}, []string{"Warning PortConflict"}},
		{"two disagree", two, both, []string{"Warning PortConflict"}},
		{"still", two, both, nil},
		{"a third, by its type", three, both, []string{"Warning TypeConflict", "Warning TypeConflict"}},
		{"as before", two, both, nil},
		{"resolved", one, both, []string{"Normal NoConflicts"}},
		{"still resolved", one, both, nil},
		{"the import is not ours", two, foreign, []string{"Warning PortConflict"}},
		{"it is by now", two, both, []string{"Warning PortConflict"}},
	} {
		teller.tell(web, notes(merged(t, step.exports), newWorld(t).scene()), step.now, true)
		var got []string
		for len(recorder.Events) > 0 {
			words := strings.Fields(<-recorder.Events)
			got = append(got, words[0]+" "+words[1])
		}
		if !slices.Equal(got, step.want) {
			t.Errorf("%s: events %q, want %q", step.what, got, step.want)
		}
	}
}

// TestNotesOfWhatThisClusterCannotDo concern its own ServiceImport alone.
func TestNotesOfWhatThisClusterCannotDo(t *testing.T) {
	scene := newWorld(t).scene()
	scene.Refused = func(string) bool { return true }
	service := merged(t, "- cluster: a\n  families: [IPv6]\n  ports: [http 80/TCP]\n  trafficDistribution: PreferSameZone\n")
	service.Unsupported = true
	var got []string
	for _, n := range notes(service, scene) {
		if !n.Here {
			t.Errorf("%+v is told on exports", n)
		}
		got = append(got, n.Reason)
	}
	if want := []string{"IPFamilyNotSupported", reasonUnknownValue}; !slices.Equal(got, want) {
		t.Errorf("notes %v, want %v", got, want)
	}
}

// TestARefusalIsNoConflict: when it ends, nobody agrees who did not before; and a conflict may end while it stands.
func TestARefusalIsNoConflict(t *testing.T) {
	recorder := events.NewFakeRecorder(100)
	teller := newTeller(recorder)
	now := Current{Export: &mcsv1beta1.ServiceExport{}}
	refused := note{topic: topic{Reason: reasonNotWritten}, Text: "refused"}
	conflict := note{topic: topic{Reason: "PortConflict"}, Text: "ports"}
	for _, step := range []struct {
		list []note
		want string
	}{
		{[]note{refused}, "Warning NotWritten refused"},
		{nil, ""},
		{[]note{refused, conflict}, "Warning NotWritten refused, Warning PortConflict ports"},
		{[]note{refused}, "Normal NoConflicts all exports of the service agree"},
		{nil, ""},
	} {
		teller.tell(web, step.list, now, true)
		var got []string
		for len(recorder.Events) > 0 {
			got = append(got, <-recorder.Events)
		}
		if strings.Join(got, ", ") != step.want {
			t.Errorf("Events %q, want %q", got, step.want)
		}
	}
}
