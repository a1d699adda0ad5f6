package stream

import (
	"context"
	"errors"
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
	dialer federation.ClusterID
	log    *slog.Logger
	cancel context.CancelCauseFunc // ends the stream

	heard atomic.Int64 // when the last frame came, in Unix nanoseconds

	mu      sync.Mutex
	session *Session
	reply   *wire.Frame   // to send next, if any; a newer one says all that an older one did
	wake    chan struct{} // holds one token while the writer has something to look at
}

func newLink(stream frames, store *federation.Store, peer, dialer federation.ClusterID, log *slog.Logger, cancel context.CancelCauseFunc) *link {
	now := time.Now()
	l := &link{
		stream:  stream,
		store:   store,
		peer:    peer,
		dialer:  dialer,
		log:     log,
		cancel:  cancel,
		session: NewSession(store, peer, now),
		wake:    make(chan struct{}, 1),
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
	moving.Go(func() { l.cancel(l.write(ctx)) })
	select {
	case <-greeted:
		if err := accept(); err != nil {
			l.cancel(err)
		}
		<-ctx.Done()
	case <-ctx.Done():
	}
	return context.Cause(ctx)
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
	l.heard.Store(time.Now().UnixNano())
	l.mu.Lock()
	reply, refused, err := l.session.Handle(f, time.Now())
	if reply != nil {
		l.reply = reply
	}
	l.mu.Unlock()
	for _, r := range refused {
		l.log.Warn("record refused", "peer", l.peer, "error", r)
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return err
}

// write says hello, then sends what the peer lacks. In each turn one of four things happens: our records
// advanced, the reader changed the session, a heartbeat is due, or we are stopping.
func (l *link) write(ctx context.Context) error {
	if err := l.stream.Send(l.session.Hello()); err != nil {
		return err
	}
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		advanced := l.store.Advanced(l.store.Self())
		if err := l.flush(tick.C); err != nil {
			return err
		}
		select {
		case <-advanced:
		case <-l.wake:
		case now := <-tick.C:
			if err := l.beat(now); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// flush sends until the peer lacks nothing, with heartbeats between the frames.
func (l *link) flush(tick <-chan time.Time) error {
	for {
		f, err := l.next()
		if err != nil || f == nil {
			return err
		}
		if err := l.stream.Send(f); err != nil {
			return err
		}
		select {
		case now := <-tick:
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
	if f := l.reply; f != nil {
		l.reply = nil
		return f, nil
	}
	return l.session.Next()
}

func (l *link) beat(now time.Time) error {
	l.mu.Lock()
	f, err := l.session.Tick(now)
	l.mu.Unlock()
	if err != nil {
		return err
	}
	return l.stream.Send(f)
}

// healthy reports whether the peer was heard lately enough for the link to be kept. It waits for nothing.
func (l *link) healthy(now time.Time) bool {
	return now.Sub(time.Unix(0, l.heard.Load())) < 3*heartbeat
}
