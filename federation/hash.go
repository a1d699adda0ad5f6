package federation

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"maps"
	"slices"
	"sync"
)

// Hash identifies what an owner says of one service: equal content has equal hashes. The owner computes it;
// everybody else takes its word, so that members of different versions agree on it.
type Hash uint64

// Digest is the sum of the hashes of a set, modulo 2⁶⁴: sets that are equal have equal digests, in whatever
// order they came, and one change costs one addition.
type Digest uint64

// Record is an Export under the hash that its owner gave it.
type Record struct {
	*Export
	Hash Hash
}

// Sealed returns the record of an Export of this cluster, or of one that is remembered. It must be normalized.
func Sealed(e *Export) Record { return Record{e, e.hash()} }

func sealed(exports []*Export) []Record {
	records := make([]Record, len(exports))
	for i, e := range exports {
		records[i] = Sealed(e)
	}
	return records
}

// hash covers all that the wire carries, the name included, and no more. A field may be added at the end of
// what is written here, and only where it is given: else every record of a former version would differ.
func (e *Export) hash() Hash {
	w := hashers.Get().(*hasher)
	defer hashers.Put(w)
	w.sum.Reset()
	w.text(e.Name.Namespace, e.Name.Name)
	w.number(uint64(e.Created.Unix()))
	w.text(string(e.Type), e.SessionAffinity, e.InternalTrafficPolicy, e.TrafficDistribution, e.Network)
	w.number(uint64(e.SessionAffinitySeconds), uint64(len(e.Ports)))
	for _, p := range e.Ports {
		w.text(p.Name, string(p.Protocol), p.AppProtocol)
		w.number(uint64(p.Number))
	}
	w.number(uint64(len(e.IPFamilies)))
	for _, f := range e.IPFamilies {
		w.text(string(f))
	}
	w.pairs(e.Labels)
	w.pairs(e.Annotations)
	w.number(uint64(len(e.Subsets)))
	for i := range e.Subsets {
		w.subset(&e.Subsets[i])
	}
	w.text(string(e.Extra))
	if len(e.Consumers) > 0 {
		w.number(hashConsumers, uint64(len(e.Consumers)))
		w.text(e.Consumers...)
	}
	if q := e.Quiet; q.Demote.Given {
		w.number(hashDemote, uint64(q.Demote.After))
	}
	if q := e.Quiet; q.Withdraw.Given {
		w.number(hashWithdraw, uint64(q.Withdraw.After))
	}
	w.steering(&e.Steering)
	if d := e.Drain; d.Given() {
		w.number(hashDrain, uint64(d.Since.Unix()), uint64(d.Over))
	}
	w.flush()
	var out [sha256.Size]byte
	return Hash(binary.BigEndian.Uint64(w.sum.Sum(out[:0])))
}

// What tells apart the fields at the end of a hash, which are there only where they are given.
const (
	hashConsumers = iota + 1
	hashDemote
	hashWithdraw
	hashPrefer
	hashWeights
	hashMinHealthy
	hashDrain
)

// hashers are those that are not in use. What one has written is flushed.
var hashers = sync.Pool{New: func() any { return &hasher{sum: sha256.New(), buf: make([]byte, 0, 5<<10)} }}

// hasher writes values so that no two sequences of them look alike: each text under its length.
type hasher struct {
	sum hash.Hash
	buf []byte
}

func (w *hasher) text(list ...string) {
	for _, s := range list {
		w.buf = append(binary.AppendUvarint(w.buf, uint64(len(s))), s...)
	}
	if len(w.buf) > 4<<10 {
		w.flush()
	}
}

func (w *hasher) number(list ...uint64) {
	for _, n := range list {
		w.buf = binary.AppendUvarint(w.buf, n)
	}
}

func (w *hasher) flush() {
	w.sum.Write(w.buf)
	w.buf = w.buf[:0]
}

func (w *hasher) pairs(m map[string]string) {
	w.number(uint64(len(m)))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		w.text(k, m[k])
	}
}

func (w *hasher) steering(s *Steering) {
	if len(s.Prefer) > 0 {
		w.number(hashPrefer, uint64(len(s.Prefer)))
		w.text(s.Prefer...)
	}
	if len(s.Weights) > 0 {
		w.number(hashWeights, uint64(len(s.Weights)))
		for _, weight := range s.Weights {
			w.text(string(weight.Cluster))
			w.number(uint64(weight.Weight))
		}
	}
	if s.MinHealthy > 0 {
		w.number(hashMinHealthy, uint64(s.MinHealthy))
	}
}

func (w *hasher) subset(s *Subset) {
	w.number(uint64(len(s.Ports)))
	for _, p := range s.Ports {
		w.text(p.Name, string(p.Protocol))
		w.number(uint64(p.Number))
	}
	w.number(uint64(len(s.Endpoints)))
	for i := range s.Endpoints {
		ep := &s.Endpoints[i]
		address := ep.Address.As16()
		w.buf = append(w.buf, byte(ep.Address.BitLen()), byte(ep.Conditions))
		w.buf = append(w.buf, address[:]...)
		w.text(ep.Hostname, ep.Zone, ep.Region)
	}
}
