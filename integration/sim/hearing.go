package sim

import (
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// hearing is what the simulator knows of whom an agent heard and when it could hear, by the frames that it was
// delivered and the time that it ran. Who speaks for its cluster can hear while it runs; another one when it is told
// something.
type hearing struct {
	could bool          // it ever could hear
	last  time.Duration // when it last could
	deaf  []span        // of federation.Silence or more, in which it could not
	of    []heard       // of each cluster
}

type span struct{ from, to time.Duration }

// heard is what was heard of one cluster.
type heard struct {
	expected bool          // it was known when the agent started
	ever     bool          // it was heard
	met      time.Duration // from when on it might have been heard, at the earliest
	known    time.Duration // and at the latest: who was not expected is known when it is first heard
	at       time.Duration // when it was last heard
	extra    time.Duration // for how much longer its own leader could hear nothing of it
	since    time.Duration // from when on it was heard without falling silent
	revivals int           // how often it was heard after it fell silent
}

func newHearing(clusters int, now time.Duration) hearing {
	h := hearing{of: make([]heard, clusters)}
	for i := range h.of {
		h.of[i].met = now
	}
	return h
}

// listen notes that the agent can hear now.
func (h *hearing) listen(now time.Duration) {
	if h.could && now-h.last >= federation.Silence {
		h.deaf = append(h.deaf, span{h.last, now})
	}
	h.could, h.last = true, max(h.last, now)
}

// until returns up to when silence counts.
func (h *hearing) until(now time.Duration) time.Duration {
	if h.could && now-h.last >= federation.Silence {
		return h.last
	}
	return now
}

// between returns for how long the agent could hear in a time.
func (h *hearing) between(from, to time.Duration) time.Duration {
	could := max(0, to-from)
	for i := len(h.deaf) - 1; i >= 0 && h.deaf[i].to > from; i-- {
		could -= max(0, min(h.deaf[i].to, to)-max(h.deaf[i].from, from))
	}
	return could
}

// silence returns for how long a cluster was not heard while it could have been: by this agent at least, and at most by
// the leader that hears for it, if that is more.
func (h *hearing) silence(cluster int, now time.Duration) (least, most time.Duration) {
	x := &h.of[cluster]
	until := h.until(now)
	return h.between(max(x.known, x.at), until), h.between(max(x.met, x.at), until) + x.extra
}

// steady returns for how long a cluster was heard without falling silent; none while nobody is heard.
func (h *hearing) steady(cluster int, now time.Duration) time.Duration {
	if h.until(now) < now {
		return 0
	}
	return h.between(h.of[cluster].since, now)
}

// silences returns the silence of each cluster.
func (h *hearing) silences(now time.Duration) []time.Duration {
	list := make([]time.Duration, len(h.of))
	for i := range list {
		_, list[i] = h.silence(i, now)
	}
	return list
}

// hear notes that a cluster was heard at a time, as is known now.
func (h *hearing) hear(cluster int, at, now time.Duration) {
	x := &h.of[cluster]
	switch {
	case x.ever && at <= x.at:
		return
	case !x.ever:
		x.since = at
	case h.between(max(x.met, x.at), at)+x.extra >= federation.Silence:
		x.revivals++
		x.since = at
	}
	if !x.ever && !x.expected {
		x.known = now
	}
	x.ever, x.at, x.extra = true, at, 0
}

// hear notes what was heard with a frame. A leader tells when it heard others.
func (e *end) hear(f *wire.Frame, greeted bool, silent []time.Duration) {
	a, now := e.agent, e.agent.w.now
	switch {
	case !greeted || f.GetHello() != nil || e.peer.agent.isNamesake():
	case e.role == stream.Peer:
		a.ears.listen(now)
		a.ears.hear(e.peer.agent.cluster.i, now, now)
	case e.role == stream.Leader && f.GetHeartbeat() != nil:
		a.ears.told(a.w, f.GetHeartbeat(), silent)
	}
}

// told notes what a leader tells.
func (h *hearing) told(w *world, beat *wire.Heartbeat, silent []time.Duration) {
	newest := time.Duration(-1)
	for _, head := range beat.GetHeads() {
		if head.GetHeardAgo() > 0 {
			newest = max(newest, w.now-ago(head))
		}
	}
	if newest >= 0 {
		h.listen(newest)
	}
	for _, head := range beat.GetHeads() {
		if head.GetHeardAgo() == 0 {
			continue
		}
		i := w.index[federation.ClusterID(head.GetOwner())]
		h.hear(i, w.now-ago(head), w.now)
		own, _ := h.silence(i, w.now)
		h.of[i].extra = max(0, silent[i]-own)
	}
}

func ago(head *wire.Head) time.Duration {
	return time.Duration(head.GetHeardAgo()-1) * time.Millisecond
}

// checkAges checks that a leader tells its standbys when it heard each cluster, to the millisecond.
func (e *end) checkAges(f *wire.Frame) {
	a := e.agent
	if e.role != stream.Standby {
		return
	}
	for _, head := range f.GetHeartbeat().GetHeads() {
		c := a.w.clusters[a.w.index[federation.ClusterID(head.GetOwner())]]
		x := a.ears.of[c.i]
		if c == a.cluster || head.GetHeardAgo() == 0 && !x.ever {
			continue
		}
		if d := a.w.now - ago(head) - x.at; head.GetHeardAgo() == 0 || !x.ever || d < 0 || d > time.Millisecond {
			a.w.fail("a leader tells when it heard whom", "%s tells that it heard %s %dms ago, which was %s ago", a.name, c.id, int64(head.GetHeardAgo())-1, a.w.now-x.at)
		}
	}
}
