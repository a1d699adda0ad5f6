package dns

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"
)

// limit bounds how often one client asks. It is of a fixed size, whatever addresses come: of very many clients some share
// what is allowed to one; which do is chance, and different after each start, so that nobody can aim at another. It may be
// used by any goroutine.
type limit struct {
	began    time.Time
	interval int64 // nanoseconds for each question
	burst    int64 // nanoseconds that a client may be ahead
	seed     maphash.Seed
	due      [1 << 16]atomic.Int64 // nanoseconds since began until which what was asked is paid for
}

// newLimit returns a limit of questions per second, as many of which may come at once; nil for none.
func newLimit(perSecond int, now time.Time) *limit {
	if perSecond == 0 {
		return nil
	}
	interval := max(1, int64(time.Second)/int64(perSecond))
	return &limit{began: now, interval: interval, burst: int64(time.Second), seed: maphash.MakeSeed()}
}

// exceeded counts a question of a client, see whose, and reports whether it is one too many. (The generic cell rate
// algorithm, ITU-T I.371.)
func (l *limit) exceeded(client netip.Addr, now time.Time) bool {
	if l == nil {
		return false
	}
	due := &l.due[l.slot(client)]
	at := int64(now.Sub(l.began))
	for {
		paid := due.Load()
		next := max(paid, at) + l.interval
		if next-at > l.burst {
			return true
		}
		if due.CompareAndSwap(paid, next) {
			return false
		}
	}
}

func (l *limit) slot(client netip.Addr) uint64 {
	bytes := whose(client).As16()
	return maphash.Bytes(l.seed, bytes[:]) % uint64(len(l.due))
}

// whose returns what a client is told apart by: an address of IPv4, or the first 64 bits of one of IPv6, which are a
// network's, so that nobody is many clients by himself.
func whose(client netip.Addr) netip.Addr {
	client = client.Unmap().WithZone("")
	if !client.Is6() {
		return client
	}
	bytes := client.As16()
	clear(bytes[8:])
	return netip.AddrFrom16(bytes)
}
