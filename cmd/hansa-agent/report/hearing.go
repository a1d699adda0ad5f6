package report

import (
	"fmt"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// State is whether a cluster can be heard.
type State string

// The states of a cluster.
const (
	Alive       State = "alive"
	Unreachable State = "unreachable"
	Gone        State = "gone" // it has left
)

// hearing is how a cluster is heard, and what follows for endpoints of it for which there is so much patience.
type hearing struct {
	self, left bool
	streams    bool // it would be heard on a stream, and there is none
	alive      bool
	unsteady   bool
	heard      time.Time // zero for never since the start
	before     time.Time // when it was heard before the start, zero if that is not known
	now        time.Time

	patience federation.Patience
	fate     federation.Fate
	until    time.Time // when the fate may change by the time alone, zero for never
}

// hear returns how a cluster is heard.
func (s *Scene) hear(cluster federation.ClusterID, left bool, patience federation.Patience) hearing {
	if cluster == s.self() {
		return hearing{self: true, alive: true, heard: s.Now, now: s.Now}
	}
	pulse, now := s.Store.Pulse(cluster), s.Store.HearingUntil(s.Now)
	h := hearing{
		left: left, now: s.Now, heard: pulse.Heard(), before: s.Remembered[cluster].Heard, patience: patience,
		streams: s.Agent.Leads && s.stream(cluster) == nil,
		alive:   pulse.Alive(now), unsteady: pulse.Unsteady(now),
	}
	if pulse != (federation.Pulse{}) { // else only others know it, and nothing of it could be served
		h.fate, h.until = federation.Overdue(pulse, now, patience)
	}
	return h
}

// state follows the metric hansa_cluster_alive.
func (h hearing) state() State {
	switch {
	case h.left:
		return Gone
	case h.alive && !h.streams:
		return Alive
	}
	return Unreachable
}

// silent says for how long nothing was heard, as what goes on after "the cluster".
func (h hearing) silent() string {
	switch {
	case h.alive && h.streams:
		return fmt.Sprintf("was heard %s ago, and there is no stream with it", span(h.now.Sub(h.heard)))
	case h.alive:
		return "fell silent again and again of late"
	case !h.heard.IsZero():
		return "was not heard for " + span(h.now.Sub(h.heard))
	case !h.before.IsZero():
		return "was not heard since this agent started, and last before at about " + moment(h.before)
	}
	return "was not heard since this agent started"
}

// after says when something happens to endpoints of a cluster that is silent.
func after(d time.Duration) string { return "after " + span(max(d, federation.Silence)) }

// outlook says what becomes of the endpoints of a cluster as a whole, and what next; "" of one that is well.
func (h hearing) outlook() string {
	switch {
	case h.self || h.left:
		return ""
	case h.fate == federation.Withdrawn:
		return h.withdrawn()
	case h.fate == federation.Demoted && !h.alive && h.patience.Withdraw > 0:
		return join(h.demoted(), "they are withdrawn "+after(h.patience.Withdraw))
	case h.fate == federation.Demoted:
		return h.demoted()
	case h.state() == Unreachable && h.patience.Withdraw > 0:
		return fmt.Sprintf("its endpoints are served as last known; they are demoted %s and withdrawn %s", after(h.patience.Demote), after(h.patience.Withdraw))
	case h.state() == Unreachable:
		return fmt.Sprintf("its endpoints are served as last known; they are demoted %s", after(h.patience.Demote))
	}
	return ""
}

func (h hearing) withdrawn() string {
	return fmt.Sprintf("its endpoints are not served (withdrawn %s)", after(h.patience.Withdraw))
}

func (h hearing) demoted() string {
	const behind = "its endpoints come behind those of other clusters"
	if h.unsteady && (h.alive || h.now.Sub(h.heard) < max(h.patience.Demote, federation.Silence)) {
		return behind + " until it was heard for a while without a break"
	}
	return fmt.Sprintf("%s (demoted %s)", behind, after(h.patience.Demote))
}

// served says what becomes of its endpoints in one service, where settled is what the View has concluded; "" where there
// is nothing to say.
func (h hearing) served(settled federation.Fate) string {
	cluster := "the cluster " + h.silent()
	switch {
	case h.self:
		return ""
	case h.fate < settled:
		return "the cluster is heard again just now"
	case settled == federation.Withdrawn:
		return join(cluster, h.withdrawn())
	case settled == federation.Demoted:
		return join(cluster, h.demoted())
	case h.fate == federation.Demoted:
		return join(cluster, "its endpoints are served, as no other cluster that is heard has a ready one")
	case h.state() == Unreachable:
		return join(cluster, "its endpoints are served as last known")
	}
	return ""
}
