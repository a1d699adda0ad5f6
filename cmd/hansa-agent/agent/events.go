package agent

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream"
	"github.com/hansa-mcs/hansa/importer"
)

// The reasons of the Events that are about clusters and not about services.
const (
	reasonLeader      = "LeaderChanged"
	reasonJoined      = "PeerJoined"
	reasonRejoined    = "PeerRejoined"
	reasonUnreachable = "PeerUnreachable"
	reasonReachable   = "PeerReachable"
	reasonDemoted     = "PeerDemoted"
	reasonWithdrawn   = "PeerWithdrawn"
	reasonUnsteady    = "PeerUnsteady"
	reasonSteady      = "PeerSteady"
	reasonRefused     = "RecordsRefused"
	reasonPeerLeft    = "PeerLeft"
	reasonHeld        = "WithdrawalHeld"
	reasonBelieved    = "WithdrawalBelieved"
	reasonLeft        = "Left"
)

const (
	// eventRest is the least time between two Events of a kind about a cluster, so that one that comes and goes is
	// no storm.
	eventRest = time.Minute
	// introduction is how long a new leader waits for the other clusters before it calls one unreachable: their
	// streams were its predecessor's.
	introduction = 10 * time.Second
)

// event is one Event to write.
type event struct {
	kind, reason, note string
	at                 time.Time
}

// scene is what an agent sees at one time.
type scene struct {
	stint  uint64
	leader string        // who leads, and whom it follows
	served string        // how long what a silent cluster exported stays served
	left   string        // that this cluster has left, and who was not told; "" for not
	demote time.Duration // how long a cluster may be silent before others go before it
	board  board
	peers  []federation.Owner
	held   []importer.Held
	fated  []importer.Fated
	totals map[federation.ClusterID]stream.Stats
	// unsteady are the clusters that come and go too often.
	unsteady map[federation.ClusterID]bool
	// former are the clusters that were known before this agent started, with when that was noted last, if it was.
	former map[federation.ClusterID]time.Time
}

// tale is what people were told by Events. It never changes.
type tale struct {
	stint   uint64
	began   time.Time // when the stint did
	leader  lull
	changes int // of the leader that were not told yet
	left    bool
	board   board
	peers   map[federation.ClusterID]chapter
}

// chapter is the tale of one other cluster.
type chapter struct {
	joined bool
	left   bool
	former former
	heard  time.Time     // last, as far as this agent saw
	held   importer.Held // with a zero time for nothing
	rest   int           // endpoints that it had when it began to be held
	silent bool
	last   time.Time     // when it was heard before it fell silent
	gap    time.Duration // for how long it was silent last
	untold bool          // whether silent changed since the last Event
	falls  int           // how often it fell silent since

	fates    [federation.Withdrawn + 1]bool // that were told and are not over
	worst    federation.Fate                // that was told since it was last told to be heard
	unsteady bool

	lulls
	refused [len(refusals)]tally
}

// lulls are those of the Events that may come again and again.
type lulls struct{ unreachable, reachable, withheld, demoted, withdrawn, erratic, steady lull }

// former is what was known of a cluster before it joined.
type former struct {
	known bool
	at    time.Time // since when it was away, zero if that is not known
	was   string    // what it did then, in words
}

// tally is how many records were told to be refused for one reason.
type tally struct {
	told uint64
	lull lull
}

// lull is when the last Event of a kind was written, zero if none was.
type lull struct{ last time.Time }

// over returns when the next one may be.
func (l lull) over() time.Time {
	if l.last.IsZero() {
		return time.Time{}
	}
	return l.last.Add(eventRest)
}

// refusals are why records are refused, and what that means.
var refusals = [...]struct {
	reason, means string
	count         func(stream.Refused) uint64
}{
	{"limit", "beyond --max-services, --max-endpoints or --max-bytes", func(r stream.Refused) uint64 { return r.Limit }},
	{"invalid", "against a rule, as of names, sizes or addresses", func(r stream.Refused) uint64 { return r.Invalid }},
	{"term", "of a term that nobody can have yet, as the clock of that cluster or of this one is wrong", func(r stream.Refused) uint64 { return r.Term }},
	{"foreign", "of a cluster that it may not speak for, or as a second cluster of that ID, which ended the stream", func(r stream.Refused) uint64 { return r.Foreign }},
}

// next returns the tale once the Events are written that a scene at now asks for, and when there may be more to
// tell even if nothing is heard; zero for never.
func (t tale) next(s scene, now time.Time) (after tale, events []event, due time.Time) {
	after = tale{stint: s.stint, began: t.began, leader: t.leader, changes: t.changes, left: s.left != "", board: s.board, peers: make(map[federation.ClusterID]chapter, len(s.peers))}
	if s.stint != t.stint {
		after.began = now
		after.changes++
	}
	p := page{now: now}
	if after.changes > 0 && p.may(after.leader) {
		p.tell(&after.leader, corev1.EventTypeNormal, reasonLeader, "%s%s", s.leader, since("; this agent took the lead %s since the last Event of that", after.changes, 1))
		after.changes = 0
	}
	if after.left && !t.left {
		p.write(corev1.EventTypeNormal, reasonLeft, "%s", s.left)
	}
	s.board.turn(&p, t.board)
	for _, o := range s.peers {
		c, counts := t.peers[o.Cluster], s.totals[o.Cluster].Refused
		if s.stint != t.stint {
			c.silent, c.untold, c.falls = false, false, 0
		}
		c.meet(o, s.former)
		if c.leave(&p, o); !c.left {
			c.join(&p, o)
			c.hear(&p, o, s, after.began)
			c.judge(&p, o, fatedOf(s.fated, o.Cluster), s.unsteady[o.Cluster])
			c.withhold(&p, o, heldOf(s.held, o.Cluster))
			c.refuse(&p, o.Cluster, counts)
		}
		after.peers[o.Cluster] = c
	}
	t.keep(after.peers)
	return after, p.events, p.due
}

// keep adds the clusters that are out of sight, as they are for a cluster that has left itself.
func (t tale) keep(peers map[federation.ClusterID]chapter) {
	for id, c := range t.peers {
		if _, seen := peers[id]; seen {
			continue
		}
		if !c.heard.IsZero() {
			c = c.end(c.heard, "it was last heard")
		}
		peers[id] = c
	}
}

// follow returns the tale of an agent while another one leads: what it sees then, that one tells.
func (t tale) follow(s scene) tale {
	before := t
	t.peers = make(map[federation.ClusterID]chapter, len(s.peers))
	t.left, t.board = s.left != "", s.board
	for _, o := range s.peers {
		c := before.peers[o.Cluster]
		c.meet(o, s.former)
		if o.Left && !c.left {
			c = c.end(o.Heard, "it left")
		}
		c.left, c.joined = o.Left, !o.Left && (c.joined || !o.Version.IsZero())
		c.follow(fatedOf(s.fated, o.Cluster), s.unsteady[o.Cluster])
		c.held = importer.Held{}
		if h := heldOf(s.held, o.Cluster); h != nil {
			c.held, c.rest = *h, o.Endpoints
		}
		for i, r := range refusals {
			c.refused[i].told = r.count(s.totals[o.Cluster].Refused)
		}
		t.peers[o.Cluster] = c
	}
	before.keep(t.peers)
	return t
}

// meet notes when the cluster was heard, and what was known of it before it is first seen.
func (c *chapter) meet(o federation.Owner, remembered map[federation.ClusterID]time.Time) {
	if at, known := remembered[o.Cluster]; !c.joined && !c.former.known && (known || o.Restored) {
		c.former = former{true, at, "hansa-state last noted it as heard"}
	}
	if !o.Heard.IsZero() {
		c.heard = o.Heard
	}
}

// end returns the chapter of a cluster that may join again, after it was something at a time.
func (c chapter) end(at time.Time, was string) chapter {
	return chapter{former: former{true, at, was}, refused: c.refused, lulls: c.lulls}
}

// join tells of the first complete set. That the cluster is heard goes without saying.
func (c *chapter) join(p *page, o federation.Owner) {
	if c.joined || o.Version.IsZero() {
		return
	}
	c.joined, c.silent, c.untold, c.falls = true, false, false, 0
	if !c.former.known {
		p.write(corev1.EventTypeNormal, reasonJoined, "cluster %s joined, of which nothing was known here before: it exports %s", o.Cluster, exported(o))
		return
	}
	p.write(corev1.EventTypeNormal, reasonRejoined, "cluster %s is heard again%s: it exports %s%s", o.Cluster, c.former.ago(p.now), exported(o), c.again())
}

// leave tells that the cluster has left the clusterset. Whether it is heard is of no concern then.
func (c *chapter) leave(p *page, o federation.Owner) {
	if o.Left && !c.left {
		*c = c.end(o.Heard, "it left")
		p.write(corev1.EventTypeNormal, reasonPeerLeft, "cluster %s has left the clusterset: nothing that it exported is served any more, and nobody waits for it", o.Cluster)
	}
	c.left = o.Left
}

// withhold tells when a mass withdrawal is not believed, and when it is after all: unless as much came back as may
// have gone.
func (c *chapter) withhold(p *page, o federation.Owner, held *importer.Held) {
	switch before := c.held; {
	case held == nil && !before.Until.IsZero():
		if c.held = (importer.Held{}); o.Endpoints <= 2*c.rest {
			p.write(corev1.EventTypeNormal, reasonBelieved, "what cluster %s lost is not served any more; it exports %s", o.Cluster, exported(o))
		}
	case held != nil && before.Until.IsZero() && p.may(c.withheld):
		c.held, c.rest = *held, o.Endpoints
		p.tell(&c.withheld, corev1.EventTypeWarning, reasonHeld,
			"cluster %s lost more than half of what it had within seconds, without a word that it means to, and has %s left; %s that lost endpoints stay served as they were until %s; a cluster that leaves, or says that it means it, is not held",
			o.Cluster, exported(o), amount(uint64(held.Services), "service"), held.Until.UTC().Format(time.RFC3339))
	}
}

// hear tells whether the cluster is heard.
func (c *chapter) hear(p *page, o federation.Owner, s scene, began time.Time) {
	falls := later(o.Heard.Add(federation.Silence), began.Add(introduction))
	if o.Heard.IsZero() { // it may be away, or not have come yet
		falls = began.Add(max(introduction, s.demote))
	}
	silent := !p.now.Before(falls)
	switch {
	case silent && !c.silent:
		c.last = o.Heard
		c.falls++
	case c.silent && !silent:
		c.gap = o.Heard.Sub(c.last)
	}
	c.untold = (c.untold || c.silent != silent) && (c.joined || silent) // PeerJoined is to come
	c.silent = silent
	if !silent {
		p.again(falls)
	}
	switch {
	case c.untold && silent && p.may(c.unreachable):
		p.tell(&c.unreachable, corev1.EventTypeWarning, reasonUnreachable, "cluster %s %s; %s%s",
			o.Cluster, unheard(o.Heard), staysServed(o, s.served), since("; it fell silent %s since the last Event of that", c.falls, 1))
	case c.untold && !silent && p.may(c.reachable):
		p.tell(&c.reachable, corev1.EventTypeNormal, reasonReachable, "cluster %s is heard again after %s%s%s",
			o.Cluster, c.gap.Round(time.Second/10), c.again(), since("; it fell silent %s since the last Event of that", c.falls, 0))
	default:
		return
	}
	c.untold, c.falls = false, 0
}

// refuse tells of records that were refused.
func (c *chapter) refuse(p *page, id federation.ClusterID, counts stream.Refused) {
	for i, r := range refusals {
		told, n := &c.refused[i], r.count(counts)
		if n <= told.told || !p.may(told.lull) {
			continue
		}
		p.tell(&told.lull, corev1.EventTypeWarning, reasonRefused, "refused %s of cluster %s (%s): %s; what was held before stays, and the log says which",
			amount(n-told.told, "record"), id, r.reason, r.means)
		told.told = n
	}
}

// page is where Events are written that are due now.
type page struct {
	now    time.Time
	events []event
	due    time.Time
}

// may reports whether a kind of Event may be written now, and else notes when it may.
func (p *page) may(l lull) bool {
	if p.now.Before(l.over()) {
		p.again(l.over())
		return false
	}
	return true
}

// again notes when there may be more to tell.
func (p *page) again(at time.Time) {
	if p.due.IsZero() || at.Before(p.due) {
		p.due = at
	}
}

func (p *page) tell(l *lull, kind, reason, format string, args ...any) {
	l.last = p.now
	p.write(kind, reason, format, args...)
}

func (p *page) write(kind, reason, format string, args ...any) {
	p.events = append(p.events, event{kind, reason, fmt.Sprintf(format, args...), p.now})
}
