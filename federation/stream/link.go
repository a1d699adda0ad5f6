package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// frames is a stream as both ends of gRPC have it.
type frames interface {
	Send(*wire.Frame) error
	Recv() (*wire.Frame, error)
}

// link moves the frames of one Session. One goroutine reads and one writes, so two members that both
// send much never wait for each other; the lock is held for the session's work alone, never for I/O.
type link struct {
	stream frames
	store  *federation.Store
	peer   federation.ClusterID
	role   Role
	dialer federation.ClusterID
	log    *slog.Logger
	cancel context.CancelCauseFunc // ends the stream

	up       time.Time
	counters *counters    // of the peer
	failures *failures    // of all peers
	heard    atomic.Int64 // when the last frame came, in Unix nanoseconds

	mu      sync.Mutex
	session *Session
	wake    chan struct{} // holds one token while the writer has something to look at
}

func (x *Exchange) newLink(stream frames, peer federation.ClusterID, role Role, dialer federation.ClusterID, cancel context.CancelCauseFunc) *link {
	now := time.Now()
	l := &link{
		stream:   stream,
		store:    x.config.Store,
		peer:     peer,
		role:     role,
		dialer:   dialer,
		log:      x.config.Log,
		cancel:   cancel,
		session:  NewSession(x.config.Store, peer, role, now),
		up:       now,
		counters: x.totals.peer(peer),
		failures: &x.failures,
		wake:     make(chan struct{}, 1),
	}
	l.session.packer = &x.packer
	if role == Peer {
		l.session.drop = x.config.Drop
	}
	l.session.counted = l.counters.count
	if x.config.Observe != nil {
		l.session.changed = x.config.Observe
	}
	l.heard.Store(now.UnixNano())
	return l
}

// errReplaced is why a link ends for which a better one to the same peer stands in.
var errReplaced = errors.New("another stream to the same peer took its place")

// run moves frames until ctx ends, whose cause it returns; it calls accept once the peer's hello came.
// The stream must be ended by whoever called; only then do the two goroutines, counted in moving, come
// back from I/O.
func (l *link) run(ctx context.Context, moving *sync.WaitGroup, accept func() error) error {
	greeted := make(chan struct{})
	moving.Go(func() { l.cancel(l.read(greeted)) })
	moving.Go(func() {
		if err := l.write(ctx); !errors.Is(err, io.EOF) { // of which gRPC tells the reader why
			l.cancel(err)
		}
	})
	select {
	case <-greeted:
		if err := accept(); err != nil {
			l.cancel(err)
		}
		l.watch(ctx)
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}

// watch ends a link whose other side is silent, also while a writer waits for it to read.
func (l *link) watch(ctx context.Context) {
	for ctx.Err() == nil {
		left := silence + heartbeat - time.Since(time.Unix(0, l.heard.Load()))
		if left < 0 {
			l.cancel(fmt.Errorf("not heard for %s", silence+heartbeat))
			return
		}
		select {
		case <-time.After(left + heartbeat):
		case <-ctx.Done():
		}
	}
}

// read handles frames until the stream ends. The first one is the hello, and closes greeted.
func (l *link) read(greeted chan<- struct{}) error {
	for greet := sync.OnceFunc(func() { close(greeted) }); ; greet() {
		f, err := l.stream.Recv()
		if err != nil {
			return err
		}
		if err := l.handle(f); err != nil {
			return err
		}
	}
}

func (l *link) handle(f *wire.Frame) error {
	l.counters.received.frame(f)
	l.heard.Store(time.Now().UnixNano())
	l.mu.Lock()
	refused, err := l.session.Handle(f, time.Now())
	l.mu.Unlock()
	for _, r := range refused {
		l.failures.record(l.peer, r, time.Now())
		l.log.Warn("record refused", "peer", l.peer, "error", r)
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return err
}

// write says hello, then sends what the peer lacks. In each turn one of four things happens: the Store
// advanced, the reader changed the session, a heartbeat is due, or we are stopping.
func (l *link) write(ctx context.Context) error {
	if err := l.send(l.session.Hello()); err != nil {
		return err
	}
	tick := time.NewTimer(nextBeat(time.Now()))
	defer tick.Stop()
	for {
		advanced := l.session.Wake()
		if err := l.flush(tick); err != nil {
			return err
		}
		select {
		case <-advanced:
		case <-l.wake:
		case now := <-tick.C:
			tick.Reset(nextBeat(now))
			if err := l.beat(now); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// nextBeat returns how long it is until the next whole second. All streams of all members beat then: a member with a
// hundred of them is woken once each second and not two hundred times.
func nextBeat(now time.Time) time.Duration {
	return now.Truncate(heartbeat).Add(heartbeat).Sub(now)
}

// flush sends until the peer lacks nothing, with heartbeats between the frames.
func (l *link) flush(tick *time.Timer) error {
	for {
		f, err := l.next()
		if err != nil || f == nil {
			return err
		}
		if err := l.send(f); err != nil {
			return err
		}
		select {
		case now := <-tick.C:
			tick.Reset(nextBeat(now))
			if err := l.beat(now); err != nil {
				return err
			}
		default:
		}
	}
}

func (l *link) next() (*wire.Frame, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.session.Next()
}

func (l *link) beat(now time.Time) error {
	l.mu.Lock()
	f, err := l.session.Tick(now)
	l.mu.Unlock()
	if err != nil {
		return err
	}
	return l.send(f)
}

func (l *link) send(f *wire.Frame) error {
	l.counters.sent.frame(f)
	return l.stream.Send(f)
}

// speaks returns the term in which the other side speaks for its own cluster.
func (l *link) speaks() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.session.Speaks().Term
}

// healthy reports whether the peer was heard lately enough for the link to be kept. It waits for nothing.
func (l *link) healthy(now time.Time) bool {
	return now.Sub(time.Unix(0, l.heard.Load())) < federation.Silence
}
