package agent

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	eventsv1client "k8s.io/client-go/kubernetes/typed/events/v1"
	"k8s.io/client-go/rest"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/election"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
	"github.com/hansa-mcs/hansa/federation"
)

const (
	eventWithin = 5 * time.Second  // how long one Event may take to be written
	eventPause  = 10 * time.Second // how long to wait after one could not be
	maxEvents   = 1024             // that wait to be written; then the oldest are given up
)

// newEvents returns a client of the Events of this agent's own namespace. They are written straight, as client-go's
// recorder takes Events that differ in their note alone for one.
func newEvents(c *rest.Config, namespace string) (eventsv1client.EventInterface, error) {
	config := rest.CopyConfig(c)
	config.QPS = -1
	client, err := eventsv1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client of Events: %w", err)
	}
	return client.Events(namespace), nil
}

// tellClusters writes Events about the other clusters, about what a person switches, and about who leads this one while this agent leads, until ctx
// ends. They are about the ConfigMap that remembers the clusters, so the first waits until it is there.
func (m *member) tellClusters(ctx context.Context) error {
	var told tale
	var waiting []event
	for ctx.Err() == nil {
		joined, revived, made := m.store.Joined(), m.store.Revived(), m.keeper.Made()
		_, held := m.holding.now()
		_, doomed := m.dooming.now()
		_, turned := m.departure.now()
		_, _, switched := m.switches.now()
		standing := m.election.Now()
		var due time.Time
		switch {
		case standing.Leading:
			var events []event
			told, events, due = told.next(m.scene(standing), time.Now())
			if waiting = append(waiting, events...); !closed(made) || len(waiting) == 0 {
				break
			}
			if waiting = m.writeEvents(ctx, waiting); len(waiting) > 0 {
				due = time.Now().Add(eventPause)
			}
		case !m.leads(standing):
			told, waiting = told.follow(m.scene(standing)), nil
		} // a leader that may not write goes on where it is once it may
		if closed(made) {
			made = nil
		}
		awaitAny(ctx, due, joined, revived, held, doomed, turned, switched, standing.Changed, made)
	}
	return nil
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// awaitAny returns at a time, never if that is zero, when one of the channels closes, or when ctx ends.
func awaitAny(ctx context.Context, due time.Time, channels ...<-chan struct{}) {
	var wake <-chan time.Time
	if !due.IsZero() {
		timer := time.NewTimer(time.Until(due))
		defer timer.Stop()
		wake = timer.C
	}
	cases := []reflect.SelectCase{{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(wake)}, {Dir: reflect.SelectRecv, Chan: reflect.ValueOf(ctx.Done())}}
	for _, c := range channels {
		cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c)})
	}
	reflect.Select(cases)
}

// scene returns what this agent sees.
func (m *member) scene(s election.Standing) scene {
	text := fmt.Sprintf("agent %s leads this cluster", m.name)
	if s.Former != (election.Identity{}) {
		text += fmt.Sprintf(", after %s", s.Former)
	}
	all := scene{stint: s.Stint, leader: text, board: m.board(), served: servedFor(m.options), demote: m.options.DemoteAfter, totals: m.exchange.Totals(), unsteady: map[federation.ClusterID]bool{}}
	all.held, _ = m.holding.now()
	all.fated, _ = m.dooming.now()
	if former := m.former.Load(); former != nil {
		all.former = *former
	}
	all.peers = slices.DeleteFunc(m.store.Owners(), func(o federation.Owner) bool { return o.Cluster == m.store.Self() })
	if m.departure.outside() { // asked after the owners, which seem to have left then
		all.peers, all.left = nil, leftText(m.departure.missed())
	}
	for _, o := range all.peers {
		all.unsteady[o.Cluster] = m.store.Pulse(o.Cluster).Unsteady(time.Now())
	}
	return all
}

// writeEvents writes Events as the leader, and returns those that could not be written and may be later.
func (m *member) writeEvents(ctx context.Context, list []event) []event {
	list = list[max(0, len(list)-maxEvents):]
	lead, done, _, err := m.election.Lead(ctx)
	if err != nil {
		return list // ctx has ended
	}
	defer done()
	for i, e := range list {
		err := m.writeEvent(lead, e)
		switch {
		case err == nil:
		case refusal(err):
			m.log.WarnContext(ctx, "the API server refuses an Event (docs/roles.yaml has the role that is needed)", "reason", e.reason, "note", e.note, "error", err)
		default:
			return list[i:]
		}
	}
	return nil
}

func (m *member) writeEvent(ctx context.Context, e event) error {
	ctx, cancel := context.WithTimeout(ctx, eventWithin)
	defer cancel()
	_, err := m.events.Create(ctx, &eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{GenerateName: state.DefaultName + "-"},
		EventTime:           metav1.NewMicroTime(e.at),
		ReportingController: "hansa-agent",
		ReportingInstance:   m.name.Name[:min(len(m.name.Name), 128)], // as long as it may be
		Action:              "Federate",
		Type:                e.kind,
		Reason:              e.reason,
		Note:                e.note,
		Regarding: corev1.ObjectReference{
			APIVersion: "v1", Kind: "ConfigMap", Namespace: m.options.Namespace, Name: state.DefaultName, UID: m.keeper.UID(),
		},
	}, metav1.CreateOptions{})
	return err
}
