package xds

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// namesRate is how many names the clients at one address may subscribe to, or drop, in a second, in the long run. Who
	// does more is read more slowly.
	namesRate = 50_000
	// namesBurst is how many of them may come at once: what the largest proxy there is asks for when it begins.
	namesBurst = 200_000
	// maxPlaces is in how many localities the clients at one address may be. A pod is in one, a proxy of others in few.
	maxPlaces = 8
	// leastShare of connections and streams an address may have however few there may be in all.
	leastShare = 64
)

// fair is how much of what there may be in all one address may have, so that it does not keep the others out.
func fair(most int) int { return max(leastShare, most/2) }

// origins are the addresses at which clients are: of a pod, or of a node that stands before some. Any goroutine may use it.
type origins struct {
	mu   sync.Mutex
	open map[netip.Addr]*origin
	left []departure // of addresses, in their order
}

// departure is the end of the last stream of an address, which is remembered until its pace is as at the beginning: nobody
// gets around it by a new connection.
type departure struct {
	address netip.Addr
	at      time.Time
}

// rested is how long after its last stream an address is as one that never was.
const rested = namesBurst * time.Second / namesRate

// origin is one of them.
type origin struct {
	streams int                 // the lock of origins guards it
	names   int                 // to which its streams subscribe; the store's lock guards it
	gone    time.Time           // when the last of its streams ended; the lock of origins guards it
	places  map[whereabouts]int // the lock of audiences guards it
	pace    *rate.Limiter       // of names
}

func newOrigin() *origin {
	return &origin{places: map[whereabouts]int{}, pace: rate.NewLimiter(namesRate, namesBurst)}
}

// join returns who is at an address, with a stream more. It leaves in the end.
func (s *origins) join(address netip.Addr) (o *origin, streams int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(time.Now())
	if s.open == nil {
		s.open = map[netip.Addr]*origin{}
	}
	if o = s.open[address]; o == nil {
		o = newOrigin()
		s.open[address] = o
	}
	o.streams++
	return o, o.streams
}

// leave is the end of join.
func (s *origins) leave(address netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.forget(now)
	o := s.open[address]
	if o.streams--; o.streams == 0 {
		o.gone = now
		s.left = append(s.left, departure{address, now})
	}
}

// forget drops the addresses that rested since their last stream.
func (s *origins) forget(now time.Time) {
	for len(s.left) > 0 && now.Sub(s.left[0].at) >= rested {
		d := s.left[0]
		s.left = s.left[1:]
		if o := s.open[d.address]; o != nil && o.streams == 0 && o.gone.Equal(d.at) {
			delete(s.open, d.address)
		}
	}
}

// wait returns when the clients at it may go on after it did something with so many names, or when ctx ends.
func (o *origin) wait(ctx context.Context, names int) {
	if names == 0 {
		return
	}
	delay := o.pace.ReserveN(time.Now(), min(names, namesBurst)).Delay()
	if delay == 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// addressOf returns where a connection comes from, the zero value where that has no IP.
func addressOf(a net.Addr) netip.Addr {
	if a == nil {
		return netip.Addr{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
