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
	reasonUnknownValue = "TrafficDistributionNotSupported"
	reasonResolved     = "NoConflicts"
)

// note is one thing that people are told of a service by an Event.
type note struct {
	topic
	Text string
}

// topic is what a note is about: while it stands, another count in the text is nothing new.
type topic struct {
	Reason string
	Winner federation.ClusterID // of a conflict
	Value  string
	// Here means that it concerns this cluster's ServiceImport alone, not the exports.
	Here bool
}

func sameTopics(a, b []note) bool {
	return slices.EqualFunc(a, b, func(a, b note) bool { return a.topic == b.topic })
}

// notes returns what there is to tell of a service: each conflict, and what this cluster cannot do.
func notes(want *importer.Service, scene Scene) []note {
	if want == nil {
		return nil
	}
	var list []note
	for _, c := range want.Conflicts {
		list = append(list, note{topic{Reason: c.Reason, Winner: c.Cluster, Value: c.Value}, c.Message()})
	}
	if want.Unsupported {
		c := readyCondition(want)
		list = append(list, note{topic{Reason: c.Reason, Here: true}, c.Message})
	}
	if s := want.TrafficDistribution; s != "" && usableDistribution(s, scene) == nil {
		list = append(list, note{topic{Reason: reasonUnknownValue, Value: s, Here: true},
			fmt.Sprintf("this cluster's API server does not take the traffic distribution %.100q; the derived Service is without", s)})
	}
	return list
}

// teller makes Events of notes, each once while it stands. Safe for use by several goroutines.
type teller struct {
	recorder events.EventRecorder
	ready    chan struct{} // closes when know was called

	mu   sync.Mutex
	told map[federation.ServiceName][]note // of the services with something to tell
}

func newTeller(recorder events.EventRecorder) *teller {
	return &teller{recorder: recorder, ready: make(chan struct{}), told: map[federation.ServiceName][]note{}}
}

// know takes what stands in the first View for told: an agent that starts again repeats nothing.
func (t *teller) know(view *importer.View, scene Scene) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for s := range view.All() {
		if list := notes(s, scene); len(list) > 0 {
			t.told[s.Name] = list
		}
	}
	close(t.ready)
}

// tell makes Events about the ServiceImport, and about this cluster's own ServiceExport, of what is new in
// list. Until there is a ServiceImport it waits for the next call. exported means that this cluster exports the
// service.
func (t *teller) tell(name federation.ServiceName, list []note, now Current, exported bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.told[name]
	if sameTopics(before, list) || len(list) > 0 && now.Import == nil {
		return
	}
	if t.told[name] = list; len(list) == 0 {
		delete(t.told, name)
	}
	for _, n := range list {
		if slices.ContainsFunc(before, func(o note) bool { return o.topic == n.topic }) {
			continue
		}
		if ours(now.Import) {
			t.warn(now.Import, n.Reason, n.Text)
		}
		if now.Export != nil && exported && !n.Here {
			t.warn(now.Export, n.Reason, n.Text)
		}
	}
	shared := func(n note) bool { return !n.Here }
	if now.Export != nil && exported && slices.ContainsFunc(before, shared) && !slices.ContainsFunc(list, shared) {
		t.recorder.Eventf(now.Export, nil, corev1.EventTypeNormal, reasonResolved, "Import", "%s", "all exports of the service agree")
	}
}

// warn makes one Event; text has at most 1,024 bytes.
func (t *teller) warn(about client.Object, reason, text string) {
	t.recorder.Eventf(about, nil, corev1.EventTypeWarning, reason, "Import", "%s", text)
}
