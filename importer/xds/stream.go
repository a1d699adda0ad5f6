package xds

import (
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
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
	address netip.Addr
	origin  *origin
	hold    *time.Timer   // runs while holding
	silent  *time.Timer   // runs until the first request
	stuck   chan struct{} // is closed when the client did not read for too long
	done    chan error    // what the stream ended with, nil where the client went

	mu      sync.Mutex   // is held while the fields below change, never while anything is sent
	log     *slog.Logger // says who the client is, once it has said so
	session *session
	who     Client // but for its Types
	heard   bool   // it asked for something
	known   bool   // who it is
	gone    bool   // what is received from now on is not taken
	over    error  // what the stream is to end with, io.EOF where the client went; nil while it goes on
	holding bool   // routes wait for what the client has not asked for yet
	refused [kinds]refusal
	changes []change // room for what update takes

	unserved []string // types that it asked for and that are not served
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
	if err := c.join(); err != nil {
		if status.Code(err) == codes.ResourceExhausted {
			s.turned.Add(1)
		}
		c.log.Warn("xDS client turned away", "error", err)
		return err
	}
	c.silent.Reset(s.patience)
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

// join makes the stream one of those there are, or returns a gRPC status when there are too many.
func (c *stream) join() error {
	origin, streams := c.server.origins.join(c.address)
	c.origin, c.mailbox.origin = origin, origin
	c.server.streams.Add(1) // until it leaves, whichever goroutine that is in
	var err error
	if most := fair(c.server.config.MaxClients); streams > most {
		err = status.Errorf(codes.ResourceExhausted, "%d xDS clients are connected from this address, more may not be", most)
	} else {
		err = c.server.clients.join(c) // who is there may be ended from now on
	}
	if err != nil {
		c.server.origins.leave(c.address)
		c.server.streams.Done()
	}
	return err
}

// receive takes requests until the stream ends: at the latest after its handler returned. Who asks for much is read slowly.
func (c *stream) receive() {
	var m message // one for all, as it is of the heap
	for {
		m = message{delta: c.session.delta}
		names, err := 0, c.grpc.RecvMsg(&m)
		if err == nil {
			names, err = c.request(m)
		}
		if err != nil {
			c.end(err)
			return
		}
		c.origin.wait(c.grpc.Context(), names)
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
		c.server.streams.Go(func() { c.finish(err) }) // it may have subscribed to much
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
		c.server.streams.Go(func() { c.finish(err) })
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

// request takes one request, and returns how many names it costs. Of types that are not served there is nothing to say. Who
// the client is its first request says.
func (c *stream) request(m message) (names int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return 0, io.EOF
	}
	if m.fault != nil {
		c.log.Warn("xDS client asks for too much", "error", m.fault)
		return 0, m.fault
	}
	if !c.heard {
		c.heard = true
		c.silent.Stop()
		if m.node != nil {
			c.introduce(m.node)
		}
	}
	names = (len(m.names) + len(m.subscribe) + len(m.unsubscribe) + len(m.has)) / lookedAt
	k, ok := kindOf(m.typeURL)
	if !ok {
		c.wonder(m.typeURL)
		return names, nil
	}
	m.kind = k
	if c.session.acknowledge(m.request) {
		c.refuse(m)
	}
	in, err := c.session.subscribe(m.request)
	if err == nil && !in.empty() {
		var covered int
		covered, err = c.server.store.subscribe(c.mailbox, in)
		names += len(in.add) + len(in.drop) + covered
	}
	if err != nil {
		c.log.Warn("xDS client asks for too much", "error", err)
		return names, err
	}
	if c.session.some() || !in.empty() {
		c.mailbox.ring()
	}
	return names, nil
}

// lookedAt is how many names that are only looked at cost as much as one that changes.
const lookedAt = 16

// wonder notes a type that is not served: the client waits for it in vain.
func (c *stream) wonder(typeURL string) {
	if typeURL = clip(typeURL); typeURL == "" {
		return
	}
	if len(c.unserved) < maxUnserved && !slices.Contains(c.unserved, typeURL) {
		c.unserved = append(c.unserved, typeURL)
		c.log.Warn("xDS client asks for a type that is not served", "type", typeURL)
	}
}

// maxUnserved is how many types that are not served are noted of a client.
const maxUnserved = 4

// refuse notes a refusal (NACK).
func (c *stream) refuse(m message) {
	c.server.refusals.Add(1)
	r := &c.refused[m.kind]
	r.count++
	r.version, r.words, r.at = c.session.types[m.kind].state.version(), clip(m.detail), time.Now()
	c.log.Warn("xDS client refused a response", "type", typeURLs[m.kind], "version", r.version, "error", r.words)
}

// next returns the next response, nil for none, how many bytes of those before it the client may not have read yet, and
// whether there is another one behind it. It waits while the server has pushed as much as it may: all others wait then too,
// and what changes meanwhile conflates.
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
	c.changes = c.server.store.take(c.changes, c.mailbox)
	for _, change := range c.changes {
		k, r := change.key, change.now
		if r == nil {
			c.tell(change, nil)
			continue
		}
		b, err := r.encode(c.who.Audience)
		if err != nil {
			c.server.blame(k, r, err)
		}
		if err != nil && b == nil {
			c.session.keep(k)
		} else {
			c.tell(change, b)
		}
	}
	c.changes = reuse(c.changes)
}

func (c *stream) tell(change change, b *body) {
	if change.item != nil {
		c.session.renew(change.key.kind, change.item, b)
		return
	}
	c.session.update(change.key, b)
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
		c.server.audiences.leave(c.who.Audience, c.origin)
	}
	c.server.origins.leave(c.address)
	c.server.streams.Done()
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
