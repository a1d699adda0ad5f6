package kube

import (
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// Reasons of Events that are no conflict's and no condition's.
const (
	reasonNotImported  = "NotImported"
	reasonNotWritten   = "NotWritten"
	reasonUnknownValue = "TrafficDistributionNotSupported"
	reasonResolved     = "NoConflicts"
)

// note is one thing that people are told of a service by an Event.
type note struct {
	topic
	Text string
	Told bool // by the agent before this one
}

// topic is what a note is about: while it stands, another count in the text is nothing new.
type topic struct {
	Reason string
	Winner federation.ClusterID // of a conflict
	Value  string
	// Here means that it concerns this cluster's ServiceImport alone, not the exports.
	Here bool
}

// notes returns what there is to tell of a service: each conflict, and what this cluster cannot do.
func notes(want *importer.Service, scene Scene) []note {
	if want == nil {
		return nil
	}
	var list []note
	for _, c := range want.Conflicts {
		list = append(list, note{topic: topic{Reason: c.Reason, Winner: c.Cluster, Value: c.Value}, Text: c.Message()})
	}
	if want.Unsupported {
		c := readyCondition(want, "")
		list = append(list, note{topic: topic{Reason: c.Reason, Here: true}, Text: c.Message})
	}
	if s := want.TrafficDistribution; s != "" && usableDistribution(s, scene) == nil {
		list = append(list, note{topic: topic{Reason: reasonUnknownValue, Value: s, Here: true},
			Text: fmt.Sprintf("this cluster's API server does not take the traffic distribution %.100q; the derived Service is without", s)})
	}
	return list
}

// teller makes Events of notes, each once while it stands. Safe for use by several goroutines.
type teller struct {
	recorder events.EventRecorder
	stint    uint64 // of leading, in which begin was called last

	mu   sync.Mutex
	told map[federation.ServiceName]told // of the services with something to tell
}

// told is what was told of one service, on its ServiceImport and on this cluster's ServiceExport.
type told struct{ onImport, onExport []topic }

func newTeller(recorder events.EventRecorder) *teller {
	return &teller{recorder: recorder, told: map[federation.ServiceName]told{}}
}

// begin takes what stands in the first View of a stint of leading for told: an agent that starts again, or takes
// over, repeats nothing.
func (t *teller) begin(stint uint64, view *importer.View, scene Scene) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stint == stint {
		return
	}
	t.stint = stint
	for s := range view.All() {
		list := notes(s, scene)
		t.remember(s.Name, told{topics(list), topics(shared(list, ownExport(s, scene.Self) != nil))})
	}
}

// tell makes Events of what is new in list, about the ServiceImport, and about this cluster's ServiceExport
// if the service is exported by it. What has no object yet is told by a later call.
func (t *teller) tell(name federation.ServiceName, list []note, now Current, exported bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, after := t.told[name], t.told[name]
	if now.Import != nil && ours(now.Import) || len(list) == 0 {
		t.each(now.Import, list, before.onImport)
		after.onImport = topics(list)
	}
	if list = shared(list, exported); now.Export != nil || len(list) == 0 {
		t.each(now.Export, list, before.onExport)
		after.onExport = topics(list)
		if exported && now.Export != nil && disagree(before.onExport) && !disagree(after.onExport) {
			t.recorder.Eventf(now.Export, nil, corev1.EventTypeNormal, reasonResolved, "Import", "%s", "all exports of the service agree")
		}
	}
	t.remember(name, after)
}

func (t *teller) remember(name federation.ServiceName, what told) {
	if t.told[name] = what; len(what.onImport) == 0 && len(what.onExport) == 0 {
		delete(t.told, name)
	}
}

// each warns of what is not known yet.
func (t *teller) each(about client.Object, list []note, known []topic) {
	for _, n := range list {
		if !n.Told && !slices.Contains(known, n.topic) {
			t.warn(about, n.Reason, n.Text)
		}
	}
}

// warn makes one Event; text has at most 1,024 bytes.
func (t *teller) warn(about client.Object, reason, text string) {
	t.recorder.Eventf(about, nil, corev1.EventTypeWarning, reason, "Import", "%s", text)
}

// shared returns what concerns this cluster's ServiceExport: of one that is no export, what is not written alone.
func shared(list []note, exported bool) []note {
	return slices.DeleteFunc(slices.Clone(list), func(n note) bool { return n.Here || !exported && n.Reason != reasonNotWritten })
}

// disagree reports whether there is a conflict among the topics of an export.
func disagree(list []topic) bool {
	return slices.ContainsFunc(list, func(t topic) bool { return t.Reason != reasonNotWritten })
}

func topics(list []note) []topic {
	var out []topic
	for _, n := range list {
		out = append(out, n.topic)
	}
	return out
}
