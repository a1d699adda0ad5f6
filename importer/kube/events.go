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
	Reason, Text string
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
		list = append(list, note{Reason: c.Reason, Text: c.Message()})
	}
	if want.Unsupported {
		c := readyCondition(want)
		list = append(list, note{Reason: c.Reason, Text: c.Message, Here: true})
	}
	if s := want.TrafficDistribution; s != "" && usableDistribution(s, scene) == nil {
		list = append(list, note{Reason: reasonUnknownValue, Here: true,
			Text: fmt.Sprintf("this cluster's API server does not know the traffic distribution %.100q; the derived Service is without", s)})
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
func (t *teller) know(view *importer.View) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for s := range view.All() {
		if list := notes(s, Scene{Refused: func(string) bool { return false }}); len(list) > 0 {
			t.told[s.Name] = list
		}
	}
	close(t.ready)
}

// tell makes Events about the ServiceImport, and about this cluster's own ServiceExport, of what is new in
// list. Until there is a ServiceImport it waits for the next call.
func (t *teller) tell(name federation.ServiceName, list []note, now Current) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.told[name]
	if slices.Equal(before, list) || len(list) > 0 && now.Import == nil {
		return
	}
	if t.told[name] = list; len(list) == 0 {
		delete(t.told, name)
	}
	for _, n := range list {
		if slices.Contains(before, n) {
			continue
		}
		if ours(now.Import) {
			t.warn(now.Import, n.Reason, n.Text)
		}
		if now.Export != nil && !n.Here {
			t.warn(now.Export, n.Reason, n.Text)
		}
	}
	shared := func(n note) bool { return !n.Here }
	if now.Export != nil && now.Import != nil && slices.ContainsFunc(before, shared) && !slices.ContainsFunc(list, shared) {
		t.recorder.Eventf(now.Export, nil, corev1.EventTypeNormal, reasonResolved, "Import", "%s", "all exports of the service agree")
	}
}

// warn makes one Event; text has at most 1,024 bytes.
func (t *teller) warn(about client.Object, reason, text string) {
	t.recorder.Eventf(about, nil, corev1.EventTypeWarning, reason, "Import", "%s", text)
}
