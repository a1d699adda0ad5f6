package xds

import (
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// doors are where streams come in.
type doors struct{ *Server }

// StreamAggregatedResources serves one client of the state-of-the-world variant until it goes or the server ends.
func (s *doors) StreamAggregatedResources(g discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesServer) error {
	return s.serve(g, false)
}

// DeltaAggregatedResources serves one client of the incremental variant until it goes or the server ends.
func (s *doors) DeltaAggregatedResources(g discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	return s.serve(g, true)
}

// stream is one client: it moves messages between gRPC and its session. A goroutine takes requests; what is sent is sent in
// its turn, by a worker or by a goroutine that is there for one response.
type stream struct {
	server  *Server
	grpc    grpc.ServerStream
	mailbox *mailbox
	turn    turn
	log     *slog.Logger
	hold    *time.Timer   // runs while holding
	silent  *time.Timer   // runs until the first request
	stuck   chan struct{} // is closed when the client did not read for too long
	done    chan error    // what the stream ended with, nil where the client went

	mu      sync.Mutex // is held while the fields below change, never while anything is sent
	session *session
	who     Client // but for its Types
	heard   bool   // it asked for something
	known   bool   // who it is: the first request with a node says
	gone    bool   // what is received from now on is not taken
	over    error  // what the stream is to end with, io.EOF where the client went; nil while it goes on
	holding bool   // routes wait for what the client has not asked for yet
	refused [kinds]refusal
}

// refusal is what a client refused of one type.
type refusal struct {
	count   int
	version string
	words   string
	at      time.Time
}

// newNonce returns a nonce that nobody guesses, so who answers a response has read it: what is unread is known by that. The
// generator is the runtime's own, seeded by the system.
func newNonce() string { return strconv.FormatUint(rand.Uint64(), 36) }

// serve serves one client. The stream ends with it: also when the client does not read, for which nobody else waits.
func (s *doors) serve(g grpc.ServerStream, delta bool) error {
	c := newStream(s.Server, g, delta)
	if err := s.clients.join(c); err != nil {
		s.config.Log.Warn("xDS client turned away", "peer", c.who.Address, "error", err)
		return err
	}
	c.hold = time.AfterFunc(time.Hour, c.release)
	c.hold.Stop()
	c.silent = time.AfterFunc(s.patience, func() {
		c.end(status.Errorf(codes.DeadlineExceeded, "nothing was asked for %s", s.patience))
	})
	s.streams.Go(c.receive)
	select {
	case err := <-c.done:
		return err
	case <-c.stuck:
		s.cuts.Add(1)
		c.log.Warn("xDS client cut: it does not read", "for", s.patience.String())
		return status.Errorf(codes.DeadlineExceeded, "nothing was read for %s", s.patience)
	}
}

// receive takes requests until the stream ends: at the latest after its handler returned.
func (c *stream) receive() {
	var m message // one for all, as it is of the heap
	for {
		m = message{delta: c.session.delta}
		err := c.grpc.RecvMsg(&m)
		if err == nil {
			err = c.request(m)
		}
		if err != nil {
			c.end(err)
			return
		}
	}
}

// end makes the stream end with an error, io.EOF where the client went; the first one counts.
func (c *stream) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over == nil {
		c.over = err
	}
	c.mailbox.ring()
}

// work is what a stream does in its turn: it sends the next response, or ends. Others wait for the worker, so what may
// have to wait for the client is sent by a goroutine of its own.
func (c *stream) work() {
	resp, unread, more, err := c.next()
	switch {
	case err != nil:
		c.finish(err)
	case resp == nil:
		c.server.turns.rest(&c.turn, more)
	case unread < ahead:
		c.push(resp, more)
	default:
		c.server.streams.Go(func() {
			stuck := time.AfterFunc(c.server.patience, func() { close(c.stuck) })
			defer stuck.Stop()
			c.push(resp, more)
		})
	}
}

// ahead is how much a client may have left unread while what comes next is sent to it by a worker: gRPC takes a message at
// once, whatever its size, while it holds less than 64 KiB of those before it.
const ahead = 32 << 10

// push sends a response, and ends the turn.
func (c *stream) push(r *response, more bool) {
	if err := c.grpc.SendMsg(r); err != nil {
		c.finish(err)
		return
	}
	c.server.pushes.Add(1)
	c.server.turns.rest(&c.turn, more)
}

// finish ends the stream, once: there is no turn after it.
func (c *stream) finish(err error) {
	c.leave()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	c.done <- err
}

// request takes one request. Of types that are not served there is nothing to say, but who asks may say who it is.
func (c *stream) request(m message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return io.EOF
	}
	if !c.heard {
		c.heard = true
		c.silent.Stop()
	}
	if m.node != nil && !c.known {
		c.introduce(m.node)
	}
	k, ok := kindOf(m.typeURL)
	if !ok {
		return nil
	}
	m.kind = k
	if c.session.acknowledge(m.request) {
		c.refuse(m)
	}
	in, err := c.session.subscribe(m.request)
	if err == nil && !in.empty() {
		err = c.server.store.subscribe(c.mailbox, in)
	}
	if err != nil {
		c.log.Warn("xDS client asks for too much", "error", err)
		return err
	}
	if c.session.some() || !in.empty() {
		c.mailbox.ring()
	}
	return nil
}

// refuse notes a refusal (NACK).
func (c *stream) refuse(m message) {
	c.server.refusals.Add(1)
	r := &c.refused[m.kind]
	r.count++
	r.version, r.words, r.at = c.session.types[m.kind].version, clip(m.detail), time.Now()
	c.log.Warn("xDS client refused a response", "type", typeURLs[m.kind], "version", r.version, "error", r.words)
}

// next returns the next response, nil for none, how many bytes of those before it the client may not have read yet, and
// whether there is another one behind it. It waits while the server has pushed as much as it may: all others wait then too, and
// what changes meanwhile conflates.
func (c *stream) next() (resp *response, unread int, more bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.watch()
	if c.update(); c.over != nil || !c.session.some() {
		return nil, 0, false, c.over
	}
	if !c.server.budget.allow() {
		c.mu.Unlock()
		err := c.server.budget.wait(c.grpc.Context())
		c.mu.Lock()
		if err != nil {
			return nil, 0, false, err
		}
		c.update()
	}
	unread = c.session.unread()
	if resp = c.session.next(); resp != nil {
		c.server.budget.spend(resp.size)
	}
	return resp, unread, c.session.some(), nil
}

// watch makes the timer run while routes wait.
func (c *stream) watch() {
	held := c.session.held()
	if held == c.holding {
		return
	}
	if c.holding = held; held {
		c.hold.Reset(c.server.warming)
	} else {
		c.hold.Stop()
	}
}

// release lets the routes go that wait for assignments, after the time in which a client asks for them if it ever does.
func (c *stream) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session.release()
	c.holding = false
	c.mailbox.ring()
}

// update gives the session what changed. That is done right before anything is sent: what the session was asked for and
// has not yet is not there. Of a resource that is faulty the client keeps what it has.
func (c *stream) update() {
	for _, change := range c.server.store.take(c.mailbox) {
		k, r := change.key, change.now
		if r == nil {
			c.session.update(k, nil)
			continue
		}
		b, err := r.encode(c.who.Audience)
		if err != nil {
			c.server.blame(k, r, err)
		}
		if err != nil && b == nil {
			c.session.keep(k)
		} else {
			c.session.update(k, b)
		}
	}
}

// leave ends all that the stream subscribes to.
func (c *stream) leave() {
	c.hold.Stop()
	c.silent.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	c.server.turns.leave(&c.turn)
	c.server.store.leave(c.mailbox, c.session.end())
	c.server.clients.leave(c)
	if c.known {
		c.server.audiences.leave(c.who.Audience)
	}
}

// clip keeps what a stranger sent from filling the log.
func clip(s string) string {
	if len(s) > maxWords {
		return s[:maxWords] + "…"
	}
	return s
}

// maxWords is how many bytes of what a client says are kept.
const maxWords = 256
