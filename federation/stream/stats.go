package stream

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// Stats is what went over all streams with one cluster since the start; with this agent's own, over those to its
// leader and its standbys.
type Stats struct {
	Streams        uint64 // that came up where there was none
	Sent, Received Traffic
	Refused        Refused
}

// Traffic counts what went one way.
type Traffic struct {
	Frames, Bytes uint64
	Records       uint64 // whole ones
	Patches       uint64
	Withdrawals   uint64
	Hashes        uint64
}

// Refused counts records that were refused while others were taken, by reason. Term counts terms that nobody can
// have yet, Foreign what was said of a cluster that the other side may not speak for.
type Refused struct{ Limit, Invalid, Term, Foreign uint64 }

// Up is a stream that is up.
type Up struct {
	Peer  federation.ClusterID // this agent's own cluster for its leader or a standby
	Role  Role
	Since time.Time
	Heard time.Time // when the last frame came
	// Dialer is the cluster whose agent opened the stream.
	Dialer federation.ClusterID
	// Theirs is how much the other side has of those that it speaks for, as it last said; Acked how much of ours.
	Theirs map[federation.ClusterID]federation.Head
	Acked  federation.Head
}

// totals are the Stats of each cluster while they count.
type totals struct {
	mu sync.Mutex
	of map[federation.ClusterID]*counters
}

func (t *totals) peer(id federation.ClusterID) *counters {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[federation.ClusterID]*counters{}
	}
	if t.of[id] == nil {
		t.of[id] = &counters{}
	}
	return t.of[id]
}

// Totals returns what was counted, by cluster.
func (x *Exchange) Totals() map[federation.ClusterID]Stats {
	x.totals.mu.Lock()
	all := maps.Clone(x.totals.of)
	x.totals.mu.Unlock()
	stats := make(map[federation.ClusterID]Stats, len(all))
	for id, c := range all {
		stats[id] = c.stats()
	}
	return stats
}

// counters may be added to by many goroutines.
type counters struct {
	streams                       atomic.Uint64
	sent, received                traffic
	limit, invalid, term, foreign atomic.Uint64
}

type traffic struct{ frames, bytes, records, patches, withdrawals, hashes atomic.Uint64 }

func (c *counters) stats() Stats {
	return Stats{
		Streams: c.streams.Load(), Sent: c.sent.load(), Received: c.received.load(),
		Refused: Refused{Limit: c.limit.Load(), Invalid: c.invalid.Load(), Term: c.term.Load(), Foreign: c.foreign.Load()},
	}
}

func (t *traffic) load() Traffic {
	return Traffic{t.frames.Load(), t.bytes.Load(), t.records.Load(), t.patches.Load(), t.withdrawals.Load(), t.hashes.Load()}
}

func (t *traffic) frame(f *wire.Frame) {
	t.frames.Add(1)
	t.bytes.Add(uint64(proto.Size(f)))
}

// count adds what one message was about.
func (c *counters) count(sent bool, what tally) {
	t := &c.received
	if sent {
		t = &c.sent
	}
	t.records.Add(uint64(what.records))
	t.patches.Add(uint64(what.patches))
	t.withdrawals.Add(uint64(what.withdrawals))
	t.hashes.Add(uint64(what.hashes))
	c.limit.Add(uint64(what.limit))
	c.invalid.Add(uint64(what.invalid))
	c.term.Add(uint64(what.term))
	c.foreign.Add(uint64(what.foreign))
}

// tally is what one message is about, and what became of it.
type tally struct {
	records, patches, withdrawals, hashes int
	limit, invalid, term, foreign         int // refused
}

func tallyOf(u *federation.Update) tally {
	return tally{records: len(u.Put), patches: len(u.Patched), withdrawals: len(u.Withdrawn)}
}

// refuse adds so many records that could not be read, and those that the Store did not take.
func (t *tally) refuse(unread int, errs []error) {
	t.invalid += unread
	for _, err := range errs {
		if errors.Is(err, federation.ErrLimit) {
			t.limit++
		} else {
			t.invalid++
		}
	}
}

// Streams returns the streams that are up, by peer.
func (x *Exchange) Streams() []Up {
	x.links.mu.Lock()
	all := slices.Collect(maps.Keys(x.links.all))
	x.links.mu.Unlock()
	var list []Up
	for _, l := range all {
		if s, up := l.stats(); up {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b Up) int { return cmp.Or(cmp.Compare(a.Peer, b.Peer), a.Since.Compare(b.Since)) })
	return list
}

func (l *link) stats() (Up, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Up{Peer: l.peer, Role: l.role, Since: l.up, Heard: time.Unix(0, l.heard.Load()), Dialer: l.dialer, Acked: l.session.acked, Theirs: map[federation.ClusterID]federation.Head{}}
	for owner, t := range l.session.receiver.takes {
		s.Theirs[owner] = t.head
	}
	return s, l.session.greeted
}
