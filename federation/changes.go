package federation

import (
	"slices"
	"time"
)

const (
	// changesLength bounds how many changes of one owner are remembered for those who lag; who lags further
	// catches up by hashes.
	changesLength = 8192
	// changesKeys bounds how many endpoints they name between them.
	changesKeys = 16384
)

// cause is how a change came to be.
type cause struct {
	at    time.Time // when the owner made it, by its clock; zero if not known
	meant bool      // the owner means it, however much it takes away
}

// change is one change of one record.
type change struct {
	seq uint64
	cause
	name    ServiceName
	base    Hash          // of the record before, 0 if there was none
	existed bool          // there was a record before
	seers   *Audience     // of the record before
	touched []endpointKey // the endpoints that differ
	whole   bool          // no base, or too many differ: only the whole record will do
}

// changes remembers what an owner changed at which seq of its term, the newest last. It answers "what changed
// since" without a queue per reader.
type changes struct {
	list  []change
	keys  int    // in list
	start uint64 // changes up to and including this seq are forgotten
}

// add records a change, whose seq must not be lower than any before.
func (c *changes) add(one change) {
	if len(one.touched) > changesKeys {
		one.touched, one.whole = nil, true
	}
	for len(c.list) == changesLength || c.keys+len(one.touched) > changesKeys {
		c.forget((len(c.list) + 1) / 2)
	}
	c.list = append(c.list, one)
	c.keys += len(one.touched)
}

// forget drops the oldest n.
func (c *changes) forget(n int) {
	for _, old := range c.list[:n] {
		c.keys -= len(old.touched)
	}
	c.start = c.list[n-1].seq
	c.list = slices.Delete(c.list, 0, n)
}

// after returns what is remembered of the changes after seq. Nobody may write to it.
func (c *changes) after(seq uint64) []change {
	first, _ := slices.BinarySearchFunc(c.list, seq+1, func(one change, seq uint64) int {
		if one.seq < seq {
			return -1
		}
		return 1
	})
	return c.list[first:]
}

// reset forgets everything up to and including seq.
func (c *changes) reset(seq uint64) { *c = changes{start: seq} }

// since returns what changed after seq, each name once, as one change from what it was at seq; false when that
// is forgotten.
func (c *changes) since(seq uint64) ([]change, bool) {
	if seq < c.start {
		return nil, false
	}
	var out []change
	at := map[ServiceName]int{}
	for _, one := range c.after(seq) {
		i, known := at[one.name]
		if !known {
			at[one.name] = len(out)
			one.touched = slices.Clip(one.touched)
			out = append(out, one)
			continue
		}
		out[i].touched = append(out[i].touched, one.touched...)
		out[i].whole = out[i].whole || one.whole
	}
	return out, true
}
