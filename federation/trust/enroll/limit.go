package enroll

import (
	"sync"
	"time"
)

// pace is how many asks fit into a bucket, and how fast it empties.
type pace struct {
	most   float64
	second float64 // how many drain each second
}

// The limits that strangers meet. A secret has 128 bits, so they do not keep it from being guessed, which
// takes for ever; they keep who tries from costing much. A join is one ask, so a hundred clusters may join
// at once from behind one balancer.
var (
	eachPace = pace{most: 100, second: 1}
	allPace  = pace{most: 400, second: 20}
)

const (
	// guessCost is what a wrong secret costs besides, in asks.
	guessCost = 9
	// maxSources bounds the sources that are remembered.
	maxSources = 1024
)

// bucket fills with each ask and drains with time.
type bucket struct {
	level float64
	at    time.Time
}

// drained returns the bucket at now.
func (b bucket) drained(now time.Time, p pace) bucket {
	if gone := now.Sub(b.at).Seconds(); gone > 0 {
		b.level = max(0, b.level-gone*p.second)
		b.at = now
	}
	return b
}

// limits counts asks, each source's and those of all strangers. Its memory is bounded: while more strangers
// ask than it remembers sources, those that come last share one bucket.
type limits struct {
	mu        sync.Mutex
	each, all pace
	strangers bucket
	sources   map[string]bucket
	forgot    time.Time // when it last looked for sources to forget
}

func newLimits() *limits {
	return &limits{each: eachPace, all: allPace, sources: map[string]bucket{}}
}

// others is the source that those share who are too many to be remembered.
const others = ""

// admit reports whether an ask of a source fits, and counts it if so. A member's does not count among the
// strangers': these cannot keep it from renewing.
func (l *limits) admit(source string, member bool, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	source, one := l.find(source, member, now)
	if one.level+1 > l.each.most {
		return false
	}
	if !member {
		l.strangers = l.strangers.drained(now, l.all)
		if l.strangers.level+1 > l.all.most {
			return false
		}
		l.strangers.level++
	}
	one.level++
	l.sources[source] = one
	return true
}

// guessed counts a wrong secret. It may fill a bucket to more than it holds, which then takes longer to drain.
func (l *limits) guessed(source string, member bool, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	source, one := l.find(source, member, now)
	one.level += guessCost
	l.sources[source] = one
	if !member {
		l.strangers = l.strangers.drained(now, l.all)
		l.strangers.level += guessCost
	}
}

// find returns a source's bucket, and under which name it is remembered. A member's is always remembered:
// there are as many as the CA certified.
func (l *limits) find(source string, member bool, now time.Time) (string, bucket) {
	one, ok := l.sources[source]
	if !ok && !member && len(l.sources) >= maxSources {
		l.forget(now)
		if len(l.sources) >= maxSources {
			source = others
			one = l.sources[source]
		}
	}
	if one.at.IsZero() {
		one.at = now
	}
	return source, one.drained(now, l.each)
}

// forget lets go of the sources whose buckets are empty. It looks at all, and so once a second at most.
func (l *limits) forget(now time.Time) {
	if gone := now.Sub(l.forgot); gone >= 0 && gone < time.Second {
		return
	}
	l.forgot = now
	for source, one := range l.sources {
		if one.drained(now, l.each).level == 0 {
			delete(l.sources, source)
		}
	}
}
