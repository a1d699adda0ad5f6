package sim

import (
	"errors"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// conn is one stream.
type conn struct {
	ends   [2]*end
	dialer *agent
	broken bool // nothing that is on the way arrives
}

// end is one side of a stream: what a link is in federation/stream.
type end struct {
	agent   *agent
	conn    *conn
	peer    *end
	role    stream.Role // of the other side
	session *stream.Session
	wake    <-chan struct{}
	up      time.Duration // since when
	heard   time.Duration

	onWay   int // frames that were sent and did not arrive
	waits   bool
	arrives time.Duration // when the last frame that was sent does
	held    []parcel      // by a partition, in order
	mute    bool          // what is sent is lost without a word
	closed  bool
}

// parcel is what goes over a stream: a frame, as it is or as bytes, or the end of the stream.
type parcel struct {
	frame *wire.Frame
	data  []byte
	// silent is for how long a leader has not heard each cluster, where it tells a standby.
	silent []time.Duration
}

// connect makes the stream that from dialed, and both sides say hello.
func (w *world) connect(from, to *agent, theirs, ours stream.Role) {
	c := &conn{dialer: from}
	for i, x := range []struct {
		agent, other *agent
		role         stream.Role
	}{{from, to, theirs}, {to, from, ours}} {
		c.ends[i] = &end{
			agent: x.agent, conn: c, role: x.role, up: w.now, heard: w.now,
			session: stream.NewSession(x.agent.store, x.other.cluster.id, x.role, x.agent.clock()),
		}
		x.agent.ends = append(x.agent.ends, c.ends[i])
	}
	c.ends[0].peer, c.ends[1].peer = c.ends[1], c.ends[0]
	w.net.conns = append(w.net.conns, c)
	w.note(connected, from, to, uint64(theirs), 0)
	for _, e := range c.ends {
		e.send(e.session.Hello())
	}
}

// pump sends while there is something to say and room on the way.
func (e *end) pump() {
	e.wake = e.session.Wake()
	for !e.closed {
		if e.onWay >= e.agent.w.scene.Window {
			e.waits = true
			return
		}
		f, err := e.session.Next()
		if err != nil {
			e.agent.w.fail("a session can say what it has to say", "%s to %s: %v", e.agent.name, e.peer.agent.name, err)
			return
		}
		if f == nil {
			return
		}
		e.send(f)
	}
}

// woken pumps if the session has something new to say, as its channel tells.
func (e *end) woken() {
	select {
	case <-e.wake:
		e.pump()
	default:
	}
}

// tick is what the writer of a link does once each second.
func (e *end) tick() {
	f, err := e.session.Tick(e.agent.clock())
	switch {
	case err != nil:
		e.agent.w.stats["streams given up as silent"]++
		e.close()
	case e.onWay < e.agent.w.scene.Window:
		e.checkAges(f)
		e.send(f)
	}
}

func (e *end) send(f *wire.Frame) {
	w := e.agent.w
	p := parcel{frame: f}
	if e.role == stream.Standby && f.GetHeartbeat() != nil {
		p.silent = e.agent.ears.silences(w.now)
	}
	w.stats["frames"]++
	if w.scene.Encoded {
		var err error
		if p.data, err = proto.Marshal(f); err != nil {
			w.fail("a frame has a wire form", "%v", err)
			return
		}
		p.frame = nil
		w.stats["bytes of frames that were encoded"] += uint64(len(p.data))
	}
	e.onWay++
	e.post(p)
}

// post puts a parcel on the way, where partitions hold it.
func (e *end) post(p parcel) {
	w := e.agent.w
	switch {
	case e.mute:
		w.stats["parcels lost on half-open streams"]++
	case len(e.held) > 0 || !w.net.open(e.agent.cluster.i, e.peer.agent.cluster.i):
		w.stats["parcels held by partitions"]++
		e.held = append(e.held, p)
	case p.isEnd() || !e.mangle(p):
		e.arrives = max(e.arrives, w.now+w.delay())
		w.queue.add(e.arrives, func() { e.peer.arrive(p) })
	}
}

func (p parcel) isEnd() bool { return p.frame == nil && p.data == nil }

// mangle repeats a frame, or lets others overtake it, in the seeds that do so; it reports whether it did.
func (e *end) mangle(p parcel) bool {
	w := e.agent.w
	if w.calm || w.r.IntN(1000) >= w.scene.Mangled {
		return false
	}
	if w.chance(50) {
		w.stats["frames repeated"]++
		e.onWay++
		w.after(w.delay(), func() { e.peer.arrive(p) })
	} else {
		w.stats["frames overtaken"]++
	}
	w.after(w.delay()+w.upTo(3*time.Second), func() { e.peer.arrive(p) })
	return true
}

// flush lets go what a partition held, once it healed.
func (e *end) flush() {
	if len(e.held) == 0 || !e.agent.w.net.open(e.agent.cluster.i, e.peer.agent.cluster.i) {
		return
	}
	held := e.held
	e.held = nil
	for _, p := range held {
		e.post(p)
	}
}

// arrive takes a parcel, when the agent does not hang.
func (e *end) arrive(p parcel) {
	if e.closed || e.conn.broken {
		return
	}
	e.agent.do(func() {
		if e.closed {
			return
		}
		if p.isEnd() {
			e.close()
			return
		}
		e.handle(p)
		sender := e.peer
		if sender.onWay--; sender.waits && !sender.closed {
			sender.waits = false
			sender.agent.do(func() { sender.pump() })
		}
	})
}

func (e *end) handle(p parcel) {
	w := e.agent.w
	f := p.frame
	if f == nil {
		f = &wire.Frame{}
		if err := proto.Unmarshal(p.data, f); err != nil {
			w.fail("a frame comes back from its wire form", "%v", err)
			return
		}
	}
	e.heard = w.now
	greeted := e.session.Greeted()
	refused, err := e.session.Handle(f, e.agent.clock())
	e.hear(f, greeted, p.silent)
	w.noteFrame(e, f)
	e.agent.took(e, f)
	e.agent.contested()
	e.agent.revive()
	switch {
	case len(refused) > 0:
		w.fail("no record of a member that means well is refused", "%s of %s: %v", e.agent.name, e.peer.agent.name, refused[0])
	case err != nil:
		e.ended(err)
	case !greeted && e.session.Greeted():
		e.agent.greeted(e)
	}
	if !e.closed {
		e.pump()
	}
}

// ended closes a stream that the session gave up.
func (e *end) ended(err error) {
	w := e.agent.w
	if errors.Is(err, stream.ErrNotItsOwn) {
		w.fail("nobody speaks for others", "%s of %s: %v", e.agent.name, e.peer.agent.name, err)
	}
	if errors.Is(err, federation.ErrTaken) {
		w.stats["namesakes refused"]++
	}
	w.stats["streams ended by a session"]++
	if w.trace.out != nil {
		w.trace.say(w.now, "%s ends the stream with %s: %v", e.agent.name, e.peer.agent.name, err)
	}
	e.close()
}

// close ends this side and tells the other one.
func (e *end) close() {
	if e.closed {
		return
	}
	e.shut()
	e.post(parcel{})
}

// shut ends this side without a word.
func (e *end) shut() {
	if !e.closed {
		e.closed = true
		e.agent.w.note(closed, e.agent, e.peer.agent, 0, 0)
		e.agent.lost(e)
	}
}
