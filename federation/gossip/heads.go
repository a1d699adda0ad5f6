package gossip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

const (
	headsFormat = 1
	maxHeads    = 1024
)

// Heads are versions of clusters.
type Heads = map[federation.ClusterID]federation.Version

// encodeHeads returns heads in bytes: a format, the number of clusters, and of each, in order, the
// length of its ID, the ID, term and seq. All numbers but the format are varints. More than maxHeads
// are cut.
func encodeHeads(heads Heads) []byte {
	ids := slices.Sorted(maps.Keys(heads))
	ids = ids[:min(len(ids), maxHeads)]
	b := binary.AppendUvarint([]byte{headsFormat}, uint64(len(ids)))
	for _, id := range ids {
		b = binary.AppendUvarint(b, uint64(len(id)))
		b = append(b, id...)
		b = binary.AppendUvarint(b, heads[id].Term)
		b = binary.AppendUvarint(b, heads[id].Seq)
	}
	return b
}

var errHeads = errors.New("the heads are cut short or damaged")

// decodeHeads reverses encodeHeads. What it takes it would also write: order, no repeats, nothing after.
func decodeHeads(b []byte) (Heads, error) {
	if len(b) == 0 || b[0] != headsFormat {
		return nil, errors.New("the heads are of an unknown format")
	}
	r := reader{b: b[1:]}
	n := r.uvarint()
	if n > maxHeads {
		return nil, fmt.Errorf("heads of %d clusters, want at most %d", n, maxHeads)
	}
	heads := Heads{}
	var last federation.ClusterID
	for range n {
		id, err := federation.ParseClusterID(string(r.bytes(r.uvarint())))
		v := federation.Version{Term: r.uvarint(), Seq: r.uvarint()}
		if r.failed || err != nil || id <= last {
			return nil, errHeads
		}
		heads[id], last = v, id
	}
	if r.failed || len(r.b) > 0 {
		return nil, errHeads
	}
	return heads, nil
}

// reader takes values off the front of b until one cannot be read.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 1 && r.b[n-1] == 0 { // a number has one encoding, the shortest
		r.failed = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes(n uint64) []byte {
	if r.failed || n > uint64(len(r.b)) {
		r.failed = true
		return nil
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

// board holds the greatest head that was reported of each cluster, at most maxHeads.
type board struct {
	mu   sync.Mutex
	seen Heads
}

// note takes a report at now and returns what was new in it. A term too far ahead of the clock is
// ignored: nothing could ever follow it.
func (b *board) note(report Heads, now time.Time) Heads {
	b.mu.Lock()
	defer b.mu.Unlock()
	news := Heads{}
	latest := federation.MaxTerm(now)
	for id, v := range report {
		old, known := b.seen[id]
		if v.Compare(old) > 0 && v.Term <= latest && (known || len(b.seen) < maxHeads) {
			b.seen[id], news[id] = v, v
		}
	}
	return news
}

// all returns a copy.
func (b *board) all() Heads {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.seen)
}
