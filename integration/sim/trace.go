package sim

import (
	"fmt"
	"io"
	"time"

	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// kind is what a note tells.
type kind uint8

const (
	started kind = iota
	crashed
	leads
	announced
	follows
	froze
	resumed
	renewed
	changed
	withdrew
	dials
	connected
	closed
	frame
	took
	healed
	hung
	restored
	allocated
	released
	wrong
	calmed
	settled
	departed
	returned
	judged
	vanished
)

var kinds = [...]string{
	"starts", "ends", "takes the Lease", "announced", "follows", "freezes", "leads on", "begins another term", "says", "withdraws", "dials",
	"has a stream with", "closes the stream with", "is sent", "holds of", "a partition heals", "hangs", "is restored from a backup",
	"gets an address", "gives an address back", "fault", "nothing goes wrong any more", "all hold the same", "says that its cluster leaves", "joins again", "judges", "is gone for long",
}

// trace is the hash of all that happened, and tells it where somebody listens.
type trace struct {
	out io.Writer // nil for nobody
	sum uint64
}

// add mixes a number in, as FNV-1a does, but two bytes at a time.
func (t *trace) add(n uint64) {
	if t.sum == 0 {
		t.sum = 14695981039346656037
	}
	for range 4 {
		t.sum = (t.sum ^ n&0xffff) * 1099511628211
		n >>= 16
	}
}

func (t *trace) say(now time.Duration, format string, args ...any) {
	if t.out != nil {
		fmt.Fprintf(t.out, "%9.3fs  %s\n", now.Seconds(), fmt.Sprintf(format, args...))
	}
}

// note adds something that happened to the trace. Agents and numbers stand for what the kind needs.
func (w *world) note(k kind, a, b *agent, x, y uint64) {
	t := &w.trace
	t.add(uint64(w.now))
	t.add(uint64(k))
	t.add(x)
	t.add(y)
	for _, who := range []*agent{a, b} {
		if who != nil {
			t.add(uint64(who.cluster.i)<<8 | uint64(who.n))
		}
	}
	if t.out == nil {
		return
	}
	switch {
	case a == nil:
		t.say(w.now, "%s", kinds[k])
	case b == nil:
		t.say(w.now, "%s %s %s", a.name, kinds[k], numbers(x, y))
	default:
		t.say(w.now, "%s %s %s %s", a.name, kinds[k], b.name, numbers(x, y))
	}
}

func numbers(x, y uint64) string {
	switch {
	case x == 0 && y == 0:
		return ""
	case y == 0:
		return fmt.Sprint(x)
	}
	return fmt.Sprintf("%d.%d", x, y)
}

// noteFrame notes a frame that was handled. Heartbeats are hashed, and not told.
func (w *world) noteFrame(e *end, f *wire.Frame) {
	out, what := w.trace.out, ""
	switch f.GetKind().(type) {
	case *wire.Frame_Hello:
		what = "hello"
	case *wire.Frame_Ask:
		what = "ask"
	case *wire.Frame_Chunk:
		what = "chunk"
	default:
		w.trace.out = nil
	}
	w.note(frame, e.agent, e.peer.agent, uint64(len(what)), 0)
	w.trace.out = out
	if out != nil && what != "" {
		w.trace.say(w.now, "    %s", what)
	}
}
