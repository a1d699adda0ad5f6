package federation

import "time"

const (
	// Silence is how long a cluster may say nothing and still counts as alive: a member beats each second.
	Silence = 3 * time.Second

	// A cluster that changed its state flaps times within flapping stays demoted until it was heard for steady.
	flaps    = 3
	flapping = 5 * time.Minute
	steady   = time.Minute
)

// Fate is what becomes of the endpoints of a cluster that is not heard.
type Fate int

const (
	// Served means: as the cluster last said.
	Served Fate = iota
	// Demoted means: after those of other clusters.
	Demoted
	// Withdrawn means: not at all, until the cluster is heard.
	Withdrawn
)

// String returns the word for a fate, as in metrics and messages.
func (f Fate) String() string { return [...]string{"served", "demoted", "withdrawn"}[f] }

// Patience is how long a cluster may be silent before its endpoints are demoted, and withdrawn; Withdraw is 0 for
// never.
type Patience struct{ Demote, Withdraw time.Duration }

// DefaultPatience is that of an agent that is told nothing: a restart, or a leader that is killed, goes unnoticed.
var DefaultPatience = Patience{Demote: 30 * time.Second, Withdraw: 10 * time.Minute}

// With returns the patience for a service of which its owners say q.
func (p Patience) With(q Quiet) Patience {
	if q.Demote.Given {
		p.Demote = q.Demote.After
	}
	switch {
	case q.Withdraw.Given:
		p.Withdraw = q.Withdraw.After
	case p.Withdraw > 0: // whoever wants it in use for that long does not want it to go before
		p.Withdraw = max(p.Withdraw, p.Demote)
	}
	return p
}

// Pulse is when a cluster was heard, and how often it fell silent. It is a value; time comes in.
type Pulse struct {
	met    time.Time // when it became known here: from then on it might have been heard
	heard  time.Time // last; zero for never
	deaf   [2]span   // in which nobody could be heard, the newest last
	since  time.Time // from when on it was heard without falling silent
	turns  [flaps]time.Time
	damped bool // it changes too often: what is heard counts only once it was steady
}

// span is a time from one moment to another; empty if that is zero.
type span struct{ from, to time.Time }

// after returns how much of the span comes after t.
func (s span) after(t time.Time) time.Duration {
	if s.from.After(t) {
		t = s.from
	}
	return max(0, s.to.Sub(t))
}

// Overdue returns what becomes of the endpoints of a cluster that was heard like that, and when that may change by
// the time alone; zero for never.
func Overdue(pulse Pulse, now time.Time, patience Patience) (fate Fate, until time.Time) {
	demote, withdraw := pulse.silentFor(patience.Demote), time.Time{}
	if patience.Withdraw > 0 {
		withdraw = pulse.silentFor(patience.Withdraw)
	}
	switch {
	case !withdraw.IsZero() && !now.Before(withdraw):
		return Withdrawn, time.Time{}
	case !now.Before(demote) || pulse.Unsteady(now):
		fate = Demoted
	}
	may := []time.Time{demote, withdraw}
	if pulse.damped {
		may = append(may, pulse.since.Add(steady))
	}
	if !pulse.turns[1].IsZero() { // one more may be one too many
		may = append(may, pulse.silentFor(0))
	}
	return fate, firstAfter(now, may)
}

// firstAfter returns the first of the times after now, zero if there is none.
func firstAfter(now time.Time, list []time.Time) (first time.Time) {
	for _, t := range list {
		if t.After(now) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// Hear returns the pulse after the cluster was heard at t. What is not newer changes nothing.
func (p Pulse) Hear(t time.Time) Pulse {
	if !t.After(p.heard) {
		return p
	}
	switch {
	case p.heard.IsZero():
		p.since = t
	case !p.Alive(t):
		p = p.turn(p.silentFor(0)).turn(t)
		p.since = t
	case p.damped && t.Sub(p.since) >= steady:
		p.damped = false
	}
	p.heard = t
	return p
}

// Heard returns when the cluster was last heard, zero for never.
func (p Pulse) Heard() time.Time { return p.heard }

// Alive reports whether the cluster was heard lately, as far as anybody could be heard.
func (p Pulse) Alive(now time.Time) bool {
	return !p.heard.IsZero() && now.Sub(p.last())-p.excused() < Silence
}

// Excuse returns the pulse as if a time until now in which nobody could be heard had not been.
func (p Pulse) Excuse(deaf time.Duration, now time.Time) Pulse {
	if old := p.deaf[0].after(p.last()); old > 0 { // of three the older two are as one
		p.deaf[1].from = p.deaf[1].from.Add(-old)
	}
	p.deaf = [2]span{p.deaf[1], {now.Add(-deaf), now}}
	if p.since.Before(now) && !p.since.IsZero() {
		p.since = p.since.Add(min(deaf, now.Sub(p.since)))
	}
	return p
}

// last returns when the cluster was last heard, or might have begun to be.
func (p Pulse) last() time.Time {
	if p.heard.After(p.met) {
		return p.heard
	}
	return p.met
}

// excused returns how much of the silence does not count.
func (p Pulse) excused() time.Duration {
	return p.deaf[0].after(p.last()) + p.deaf[1].after(p.last())
}

// silentFor returns when the cluster will have been silent for d, or for Silence if that is longer.
func (p Pulse) silentFor(d time.Duration) time.Time {
	return p.last().Add(p.excused() + max(d, Silence))
}

// calm returns the pulse as if the cluster had never changed its state.
func (p Pulse) calm() Pulse {
	p.turns, p.damped = [flaps]time.Time{}, false
	return p
}

// turn notes a change between alive and unreachable.
func (p Pulse) turn(at time.Time) Pulse {
	oldest := p.turns[1] // of three, with the one that comes
	copy(p.turns[:], p.turns[1:])
	p.turns[flaps-1] = at
	if !oldest.IsZero() && at.Sub(oldest) <= flapping {
		p.damped = true
	}
	return p
}

// Unsteady reports whether the cluster fell silent or came back so often, three times within five minutes, that its
// endpoints are demoted until it was heard for a minute. A silence counts before it ends.
func (p Pulse) Unsteady(now time.Time) bool {
	if !p.heard.IsZero() && !p.Alive(now) {
		p = p.turn(p.silentFor(0))
	}
	return p.damped && (!p.Alive(now) || now.Sub(p.since) < steady)
}
