package federation

import (
	"cmp"
	"fmt"
	"time"
)

// Version orders what one cluster says. Term belongs to one leader of that cluster; Seq counts the
// changes of the cluster's set within the term. The zero Version means that nothing is known.
type Version struct {
	Term, Seq uint64
}

// Compare orders by term, then by seq.
func (v Version) Compare(o Version) int {
	return cmp.Or(cmp.Compare(v.Term, o.Term), cmp.Compare(v.Seq, o.Seq))
}

// IsZero reports whether v says that nothing is known.
func (v Version) IsZero() bool { return v == Version{} }

// String returns term.seq.
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Term, v.Seq) }

// NextTerm returns the term of a leader that starts at now, where last is the highest term known of its
// cluster: the clock in Unix milliseconds, but always beyond last.
func NextTerm(last uint64, now time.Time) uint64 {
	return max(last+1, uint64(max(0, now.UnixMilli())))
}

// maxAhead is how far ahead of the clock a term may be: terms are made from clocks.
const maxAhead = 24 * time.Hour

// MaxTerm returns the greatest term that any leader can have taken by now. Who reports more is wrong, or
// has a clock that is.
func MaxTerm(now time.Time) uint64 { return NextTerm(0, now.Add(maxAhead)) }
