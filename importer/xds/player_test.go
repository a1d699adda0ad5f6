package xds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// player is a client that does whatever it is told to, beside a model of what it must have in the end. It is all of a stream
// but the wire.
type player struct {
	t      *testing.T
	server *Server
	delta  bool
	pick   func(n int) int // makes the choices
	steps  int

	stream *stream
	subs   [kinds]wish
	has    [kinds]map[string]string // name to version
	unread []*response
	acks   []message
	onWay  [kinds]string // nonce of the response that is not answered
}

// wish is what the client wants of a type.
type wish struct {
	asked, named, all bool
	names             map[string]bool
}

func (w wish) covers(name string) bool { return w.all || w.names[name] }

func newPlayer(t *testing.T, delta bool, pick func(n int) int) *player {
	p := &player{t: t, server: newBareServer(), delta: delta, pick: pick}
	p.server.config.Log = slog.New(slog.DiscardHandler)
	p.server.budget = budget{rate.NewLimiter(rate.Inf, 0)}
	p.server.warming = time.Hour
	p.server.clients.most, p.server.said = 1, p.server.config.Log
	p.server.clients.open = map[*stream]struct{}{}
	p.connect()
	return p
}

func (p *player) connect() {
	p.stream = newStream(p.server, &wireless{ctx: context.Background()}, p.delta)
	if err := p.stream.join(); err != nil {
		p.t.Fatal(err)
	}
	p.unread, p.acks, p.onWay = nil, nil, [kinds]string{}
	for k := range p.subs {
		p.subs[k] = wish{names: map[string]bool{}}
		if !p.delta || p.has[k] == nil {
			p.has[k] = map[string]string{}
		}
	}
}

// play makes one step.
func (p *player) play() {
	p.steps++
	k := kind(p.pick(int(kinds)))
	switch p.pick(9) {
	case 0:
		p.server.store.apply(service(p.name(), p.version()))
	case 1, 2:
		p.server.store.apply(p.change(k))
	case 3:
		p.ask(k, "no such nonce", p.names())
	case 4:
		p.ask(k, p.onWay[k], p.names())
		p.onWay[k] = ""
	case 5, 6:
		p.read()
	case 7:
		p.answer()
	case 8:
		switch p.pick(8) {
		case 0:
			p.reconnect()
		case 1, 2:
			p.stream.release()
		}
	}
	if p.pick(3) > 0 { // else what comes next meets what was not looked at
		p.wake()
	}
}

func (p *player) name() string { return fmt.Sprintf("w%d", p.pick(5)) }

func (p *player) version() string {
	if p.pick(3) == 0 {
		return ""
	}
	return fmt.Sprint(p.steps)
}

// names is a choice of them, "*" sometimes.
func (p *player) names() (names []string) {
	for range p.pick(4) {
		if p.pick(6) == 0 {
			names = append(names, wildcard)
		} else {
			names = append(names, p.name())
		}
	}
	return names
}

// change is a change of one resource; it may become one that clients would refuse.
func (p *player) change(k kind) map[key]*resource {
	name := p.name()
	if p.pick(6) == 0 {
		return map[key]*resource{{k, name}: newResource(bad{name, p.steps})}
	}
	return at(k, name, p.version())
}

// bad is a content that clients would refuse.
type bad struct {
	name string
	step int
}

func (c bad) equal(o content) bool { return o == c }

func (c bad) narrow(Audience) Audience { return Audience{} }

func (c bad) encode(Audience) (*body, error) { return nil, errors.New("clients would refuse it") }

// ask changes what the client wants.
func (p *player) ask(k kind, nonce string, names []string) {
	req := request{kind: k, nonce: nonce}
	w := &p.subs[k]
	first := !w.asked
	w.asked = true
	if !p.delta {
		req.names = names
		w.named = w.named || len(names) > 0
		w.all = k.whole() && (!w.named || slices.Contains(names, wildcard))
		clear(w.names)
		for _, name := range names {
			w.names[name] = true
		}
	} else {
		req.unsubscribe = p.names()
		if slices.ContainsFunc(p.unread, func(r *response) bool { return r.kind == k }) {
			// Who wants all again, and reads only then what was sent before, may keep what went meanwhile.
			req.unsubscribe = without(req.unsubscribe, []string{wildcard})
			names = without(names, []string{wildcard})
		}
		p.differ(w, &req, names, first)
	}
	maps.DeleteFunc(p.has[k], func(name, _ string) bool { return !w.covers(name) })
	p.say(req)
}

// differ adds names of the incremental variant.
func (p *player) differ(w *wish, req *request, names []string, first bool) {
	k := req.kind
	req.subscribe = names
	if first {
		req.has = maps.Clone(p.has[k])
		if p.pick(4) == 0 {
			req.has[p.name()] = "of long ago"
		}
	}
	w.all = w.all || first && k.whole() && len(names) == 0 || k != assignmentKind && slices.Contains(names, wildcard)
	for _, name := range req.unsubscribe {
		delete(w.names, name)
		w.all = w.all && name != wildcard
	}
	for _, name := range names {
		if name != wildcard {
			w.names[name] = true
		}
	}
}

func (p *player) say(req request) {
	p.t.Helper()
	node := software("gRPC Go", "1.85.0")
	if _, err := p.stream.request(message{request: req, typeURL: typeURLs[req.kind], node: node, detail: "no"}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *player) wake() {
	p.t.Helper()
	for {
		r, _, _, err := p.stream.next()
		if err != nil {
			p.t.Fatal(err)
		}
		if r == nil {
			return
		}
		if p.onWay[r.kind] != "" {
			p.t.Fatalf("a second response of %s, while %s is on its way", typeURLs[r.kind], p.onWay[r.kind])
		}
		p.onWay[r.kind] = r.nonce
		p.unread = append(p.unread, r)
	}
}

// read takes the oldest response.
func (p *player) read() {
	if len(p.unread) == 0 {
		return
	}
	r := p.unread[0]
	p.unread = p.unread[1:]
	if !r.delta && r.kind.whole() {
		clear(p.has[r.kind])
	}
	for _, name := range r.removed {
		delete(p.has[r.kind], name)
	}
	for _, b := range r.bodies {
		delete(p.has[r.kind], b.name)
		if p.subs[r.kind].covers(b.name) && !b.gone {
			p.has[r.kind][b.name] = b.version
		}
	}
	p.acks = append(p.acks, message{request: request{kind: r.kind, nonce: r.nonce, refused: p.pick(4) == 0}})
}

// answer sends the oldest acknowledgement, with the names that are wanted now.
func (p *player) answer() {
	if len(p.acks) == 0 {
		return
	}
	req := p.acks[0].request
	p.acks = p.acks[1:]
	if w := p.subs[req.kind]; !p.delta {
		if req.names = slices.Sorted(maps.Keys(w.names)); w.all && w.named {
			req.names = append(req.names, wildcard)
		}
	}
	if p.onWay[req.kind] == req.nonce {
		p.onWay[req.kind] = ""
	}
	p.say(req)
}

// reconnect is to the same replica; what the client wants it asks for again.
func (p *player) reconnect() {
	p.stream.leave()
	before := p.subs
	p.connect()
	for k, w := range before {
		names := slices.Sorted(maps.Keys(w.names))
		if w.asked && w.all {
			names = append(names, wildcard)
		}
		if w.asked {
			p.ask(kind(k), "of the stream before", names)
		}
	}
}

// settle reads and acknowledges until nothing is left to say.
func (p *player) settle() {
	p.t.Helper()
	p.wake()
	for n := 0; len(p.unread)+len(p.acks) > 0 || p.stream.session.held(); n++ {
		if n == 1000 {
			p.t.Fatal("the client and the server do not come to rest")
		}
		if len(p.unread)+len(p.acks) == 0 {
			p.stream.release()
		}
		p.read()
		p.answer()
		p.wake()
	}
}

// check compares the client with the store, and looks for what is left over.
func (p *player) check() {
	p.t.Helper()
	s := p.server.store
	for k := range kinds {
		w, want := p.subs[k], map[string]string{}
		for name, r := range s.named(k) {
			b, err := r.encode(Audience{Kind: GRPC})
			if err != nil {
				delete(p.has[k], name) // it has it, or not
			} else if w.asked && w.covers(name) && !b.gone {
				want[name] = b.version
			}
		}
		if !p.delta && !k.whole() { // what is not there the state of the world says nothing of
			maps.DeleteFunc(p.has[k], func(name, _ string) bool { return s.current(key{k, name}) == nil })
		}
		if !maps.Equal(p.has[k], want) {
			p.t.Fatalf("%s: client has %v, want %v of %+v", typeURLs[k], p.has[k], want, w)
		}
		p.checkSession(k)
	}
	p.stream.leave()
	for k, e := range s.every() {
		if len(e.subscribers) > 0 || e.current == nil || e.current.ended() {
			p.t.Fatalf("%v is left: %+v", k, e)
		}
	}
	if s.subscriptions+len(p.server.audiences.users)+len(p.server.clients.open) > 0 {
		p.t.Fatalf("%d subscriptions are left, audiences %v", s.subscriptions, p.server.audiences.users)
	}
}

// checkSession looks whether a session at rest holds just what is wanted.
func (p *player) checkSession(k kind) {
	p.t.Helper()
	t := &p.stream.session.types[k]
	if t.unacked || len(t.coming)+len(t.going) > 0 || t.asked != p.subs[k].asked || t.wildcard != p.subs[k].all {
		p.t.Fatalf("%s at rest: %+v", typeURLs[k], t)
	}
	named := 0
	var all state
	for name, it := range t.items {
		all.swap(nil, it.sent)
		if it.request != 0 {
			named++
		}
		if !p.subs[k].covers(name) {
			p.t.Fatalf("%s: %s is remembered, which nobody wants", typeURLs[k], name)
		}
	}
	if t.state != all {
		p.t.Fatalf("%s: version %s, want %s of all that was sent", typeURLs[k], t.state.version(), all.version())
	}
	if p.delta && (named != t.byName || named != len(p.subs[k].names)) {
		p.t.Fatalf("%s: %d names, counted %d, want %d", typeURLs[k], named, t.byName, len(p.subs[k].names))
	}
}

// TestAnyClientEndsWithWhatItWants plays any requests in any order, with changes, refusals and reconnects among them.
func TestAnyClientEndsWithWhatItWants(t *testing.T) {
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := newPlayer(t, seed%4 != 0, rnd.IntN)
			for range 150 {
				p.play()
			}
			p.settle()
			p.check()
		})
	}
}

// FuzzSession plays what the input chooses: its first byte the variant, each of the others one choice.
func FuzzSession(f *testing.F) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		choices := make([]byte, 600)
		for i := range choices {
			choices[i] = byte(rnd.IntN(256))
		}
		choices[0] = byte(seed)
		f.Add(choices)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		if len(choices) == 0 {
			return
		}
		delta := choices[0]%2 == 1
		p := newPlayer(t, delta, func(n int) int {
			if len(choices) == 0 {
				return 0
			}
			c := int(choices[0]) % n
			choices = choices[1:]
			return c
		})
		for len(choices) > 0 {
			p.play()
		}
		p.settle()
		p.check()
	})
}
