package xds

import (
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// streams moves messages between gRPC and sessions.
type streams struct{ *Server }

// StreamAggregatedResources serves one client of the state-of-the-world variant until it goes or the server ends.
func (s *streams) StreamAggregatedResources(g discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesServer) error {
	return s.serve(g, false)
}

// DeltaAggregatedResources serves one client of the incremental variant until it goes or the server ends.
func (s *streams) DeltaAggregatedResources(g discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	return s.serve(g, true)
}

// stream is one client. Two goroutines share it: one takes requests, the other one is the only one that sends.
type stream struct {
	server  *Server
	grpc    grpc.ServerStream
	mailbox *mailbox
	log     *slog.Logger
	stuck   *time.Timer // runs while something is being sent
	hold    *time.Timer // runs while holding
	silent  *time.Timer // runs until the first request

	mu      sync.Mutex // is held while the fields below change, never while anything is sent
	session *session
	who     Client // but for its Types
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

// serve serves one client. The stream ends with it: also when the client does not read, for which nobody else waits.
func (s *streams) serve(g grpc.ServerStream, delta bool) error {
	c := newStream(s.Server, g, delta)
	if err := s.clients.join(c); err != nil {
		s.config.Log.Warn("xDS client turned away", "peer", c.who.Address, "error", err)
		return err
	}
	stuck := make(chan struct{})
	c.stuck = time.AfterFunc(time.Hour, sync.OnceFunc(func() { close(stuck) }))
	c.stuck.Stop()
	c.hold = time.AfterFunc(time.Hour, c.release)
	c.hold.Stop()
	c.silent = time.AfterFunc(s.patience, func() {
		c.end(status.Errorf(codes.DeadlineExceeded, "nothing was asked for %s", s.patience))
	})
	done := make(chan error, 1)
	s.workers.Go(c.receive)
	s.workers.Go(func() {
		err := c.run()
		c.leave()
		done <- err
	})
	select {
	case err := <-done:
		return err
	case <-stuck:
		s.cuts.Add(1)
		c.log.Warn("xDS client cut: it does not read", "for", s.patience.String())
		return status.Errorf(codes.DeadlineExceeded, "nothing was read for %s", s.patience)
	}
}

// receive takes requests until the stream ends: at the latest after its handler returned.
func (c *stream) receive() {
	for {
		m := message{delta: c.session.delta}
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

// run is the loop of a stream. It gets a turn when there is something to send, because the client asked or because what it
// subscribes to changed, and when the stream is over.
func (c *stream) run() error {
	for range c.mailbox.wake {
		resp, more, err := c.next()
		if err == nil && resp != nil {
			c.server.turns.yield(c.mailbox)
			err = c.push(resp)
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		c.server.turns.rest(c.mailbox, more)
	}
	return nil
}

// push sends a response. It blocks while the client does not read, but no longer than it may.
func (c *stream) push(r *response) error {
	c.stuck.Reset(c.server.patience)
	defer c.stuck.Stop()
	if err := c.grpc.SendMsg(r); err != nil {
		return err
	}
	c.server.pushes.Add(1)
	return nil
}

// request takes one request. Of types that are not served there is nothing to say, but who asks may say who it is.
func (c *stream) request(m message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return io.EOF
	}
	c.silent.Stop()
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
	if c.session.some() {
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

// next returns the next response, nil for none, and whether there is another one behind it. It waits while the server has
// pushed as much as it may: what changes meanwhile conflates.
func (c *stream) next() (resp *response, more bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.watch()
	if c.update(); c.over != nil || !c.session.some() {
		return nil, false, c.over
	}
	if !c.server.budget.allow() {
		c.mu.Unlock()
		c.server.turns.yield(c.mailbox) // as few go on as the budget lets
		err := c.server.budget.wait(c.grpc.Context())
		c.mu.Lock()
		if err != nil {
			return nil, false, err
		}
		c.update()
	}
	if resp = c.session.next(); resp != nil {
		c.server.budget.spend(resp)
	}
	return resp, c.session.some(), nil
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
	c.stuck.Stop()
	c.hold.Stop()
	c.silent.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	c.server.turns.leave(c.mailbox)
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
