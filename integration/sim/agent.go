package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream"
)

// agent is one process of a cluster.
type agent struct {
	w       *world
	cluster *cluster
	n       int
	name    string

	life    int // counts starts and crashes: what an earlier life planned does not happen
	up      bool
	hangs   bool     // what is to happen waits in backlog
	backlog []func() // of this life
	skew    time.Duration

	store  *federation.Store
	ends   []*end
	active []*end   // of each other cluster, the stream that stands
	dials  []dialer // of each cluster; its own is the way to its leader
	waking bool

	leads     bool
	hears     bool // the other clusters itself: it has announced, and leads
	speaks    bool // was announced, and may change what it says
	said      set
	renewing  bool
	announced int // by which hold of the Lease

	left bool // it said that its cluster left

	heads    []federation.Head // of each cluster, as last seen
	view     map[federation.ServiceName]seen
	revision uint64
	resync   bool // a first complete set came

	ears  hearing
	fates fates
}

// clock returns what the agent's clock says.
func (a *agent) clock() time.Time { return epoch.Add(a.w.now + a.skew) }

// do does something now, or once the agent does not hang any more.
func (a *agent) do(what func()) {
	switch {
	case !a.up:
	case a.hangs:
		a.backlog = append(a.backlog, what)
	default:
		what()
	}
}

// later does something after d, unless this life ended by then.
func (a *agent) later(d time.Duration, what func()) {
	life := a.life
	a.w.after(d, func() {
		if a.life == life {
			a.do(what)
		}
	})
}

// startIn starts the agent after d, unless it was started before.
func (a *agent) startIn(d time.Duration) {
	life := a.life
	a.w.after(d, func() {
		if a.life == life && !a.up {
			a.start(true)
		}
	})
}

// start begins a life with what the slices remember.
func (a *agent) start(again bool) {
	if a.up || a.cluster.gone {
		return
	}
	w := a.w
	a.begins()
	if again {
		w.stats["restarts"]++
	}
	w.note(started, a, nil, 0, 0)
	a.recall()
	if a.cluster.lease == nil {
		a.later(w.upTo(time.Second), a.cluster.elect)
	} else {
		a.standBy()
	}
}

// begins makes an agent one that knows nothing but what hansa-state remembers.
func (a *agent) begins() {
	w := a.w
	n := len(w.clusters)
	*a = agent{
		w: w, cluster: a.cluster, n: a.n, name: a.name, life: a.life + 1, up: true, store: federation.NewStore(a.cluster.id), said: set{},
		active: make([]*end, n+1), dials: make([]dialer, n+1), heads: make([]federation.Head, n), view: map[federation.ServiceName]seen{},
		ears: newHearing(n, w.now), fates: newFates(),
	}
	if w.scene.Skew > 0 {
		a.skew = time.Duration(w.r.Int64N(int64(2*w.scene.Skew))) - w.scene.Skew
	}
	a.store.KeepTime(a.clock)
	a.store.Withhold(a.cluster.policy)
	a.expect()
	a.later(w.upTo(time.Second), a.tick)
}

// recall rebuilds the Store from the slices.
func (a *agent) recall() {
	exports := map[federation.ClusterID][]*federation.Export{}
	for _, name := range names(a.cluster.kept) {
		for id, e := range a.cluster.kept[name].slices {
			exports[id] = append(exports[id], e)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(exports)) {
		a.w.stats["restored exports"] += uint64(len(exports[id]))
		a.store.Restore(id, exports[id])
		a.checkHead(a.w.clusters[a.w.index[id]])
	}
	a.look()
}

// crash ends a life. A loud one lets the other sides know: the process died and its machine did not.
func (a *agent) crash(loud bool) {
	if !a.up {
		return
	}
	a.w.note(crashed, a, nil, 0, 0)
	for _, e := range slices.Clone(a.ends) {
		e.conn.broken = e.conn.broken || !loud
		e.closed = true
		if loud {
			e.post(parcel{})
		}
	}
	a.up, a.hangs, a.leads, a.hears, a.speaks, a.ends, a.backlog = false, false, false, false, false, nil, nil
	a.life++
}

// tick is each second of the agent's life.
func (a *agent) tick() {
	for _, e := range slices.Clone(a.ends) {
		if !e.closed {
			e.tick()
		}
	}
	a.awake()
	a.later(time.Second, a.tick)
}

// changed wakes the sessions, a moment after what this cluster says became another.
func (a *agent) changed() {
	a.look()
	if a.waking {
		return
	}
	a.waking = true
	a.later(a.w.upTo(5*time.Millisecond), func() {
		a.waking = false
		for _, e := range slices.Clone(a.ends) {
			if !e.closed {
				e.woken()
			}
		}
	})
}

// hang stops the agent for a while; all that comes meanwhile waits.
func (a *agent) hang(d time.Duration) {
	if !a.up || a.hangs {
		return
	}
	w, life := a.w, a.life
	w.note(hung, a, nil, 0, 0)
	a.hangs = true
	if a.cluster.lease == a && d > leaseTime {
		a.cluster.expire()
	}
	w.after(d, func() {
		if a.life == life {
			a.goOn()
		}
	})
}

// goOn takes up what waited, and finds a little later that another may lead.
func (a *agent) goOn() {
	a.hangs = false
	waited := a.backlog
	a.backlog = nil
	for _, what := range waited {
		a.do(what)
	}
	a.later(a.w.upTo(time.Second), a.checkLease)
}

// checkLease is what an agent does that could not look at the Lease for a while.
func (a *agent) checkLease() {
	switch c := a.cluster; {
	case c.out:
	case c.lease == a && a.leads:
		a.leadOn()
	case c.lease == nil:
		a.stepDown()
		c.elect()
	case c.lease != a:
		a.stepDown()
		a.standBy()
	}
}

// lost forgets a stream that ended.
func (a *agent) lost(e *end) {
	if i := slices.Index(a.ends, e); i >= 0 {
		a.ends = slices.Delete(a.ends, i, i+1)
	}
	to := e.peer.agent.cluster.i
	own := e.conn.dialer == a
	if own {
		a.dials[to].ended(a, to, a.w.now-e.up)
	}
	if e.role == stream.Peer && a.active[to] == e {
		a.active[to] = nil
		if !own && !a.dials[to].busy {
			a.dials[to].wait = 0
			a.later(0, func() { a.dial(to) })
		}
	}
}
