package xds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestWhoAsksForMuchIsReadMoreSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOrigin()
		took := func(names int) time.Duration {
			begin := time.Now()
			o.wait(t.Context(), names)
			return time.Since(begin).Round(time.Millisecond)
		}
		for _, step := range []struct {
			names int
			waits time.Duration
		}{
			{0, 0},
			{150_000, 0}, // what the largest proxies ask for
			{50_000, 0},
			{50_000, time.Second},
			{5_000, 100 * time.Millisecond},
			{0, 0}, // as acknowledgements
			{10_000_000, 4 * time.Second},
		} {
			if got := took(step.names); got != step.waits {
				t.Errorf("%d names: waits %s, want %s", step.names, got, step.waits)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin := time.Now()
		if o.wait(ctx, 50_000); time.Since(begin) != 0 {
			t.Errorf("who left waits for %s", time.Since(begin))
		}
	})
}

func TestOriginsAreThereWhileTheirStreamsAre(t *testing.T) {
	var s origins
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	first, _ := s.join(a)
	second, streams := s.join(a)
	other, one := s.join(b)
	if first != second || first == other || streams != 2 || one != 1 {
		t.Errorf("two streams of one address and one of another: %p with %d, %p with %d", second, streams, other, one)
	}
	s.leave(a)
	s.leave(b)
	if again, streams := s.join(a); again != first || streams != 2 {
		t.Errorf("one of two left: %d streams", streams)
	}
	s.leave(a)
	s.leave(a)
	for address, o := range s.open { // until they rested
		if o.streams != 0 {
			t.Errorf("%d streams of %s are left", o.streams, address)
		}
	}
}

// One address does not keep the others from what all may subscribe to.
func TestNobodyTakesAllSubscriptions(t *testing.T) {
	s := newStore()
	hoarder, honest := newDeltaTalk(t, s), newDeltaTalk(t, s)
	hoarder.mailbox.origin.names = 1_000_000 - 2
	hoarder.add(assignmentKind, "a", "b")
	if _, err := s.subscribe(hoarder.mailbox, wanting("c")); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "1000000") {
		t.Errorf("one more: %v", err)
	}
	honest.add(assignmentKind, "a", "b", "c")
	if _, err := s.subscribe(hoarder.mailbox, interest{kind: assignmentKind, drop: hoarder.named("a")}); err != nil {
		t.Fatal(err)
	}
	another := wanting("c")
	if _, err := s.subscribe(hoarder.mailbox, another); err != nil {
		t.Errorf("one for another: %v", err)
	}
	s.leave(hoarder.mailbox, []interest{{kind: assignmentKind, drop: append(another.add, hoarder.named("b")...)}})
	if n := hoarder.mailbox.origin.names; n != 1_000_000-2 {
		t.Errorf("%d names are left of it", n)
	}
}

// named returns what the client has of some assignments.
func (c *talk) named(names ...string) (items []*item) {
	for _, name := range names {
		items = append(items, c.session.types[assignmentKind].items[name])
	}
	return items
}

// knocks are connections that come to a listener.
type knocks struct {
	net.Listener
	from chan string
}

func (k knocks) Accept() (net.Conn, error) {
	from, ok := <-k.from
	if !ok {
		return nil, io.EOF
	}
	here, _ := net.Pipe()
	return knock{here, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))}, nil
}

type knock struct {
	net.Conn
	from net.Addr
}

func (k knock) RemoteAddr() net.Addr { return k.from }

func TestConnectionsBeyondTheBoundsAreClosedAtOnce(t *testing.T) {
	k := knocks{from: make(chan string, 1000)}
	turned := 0
	d := newDoorkeeper(k, 400, func() { turned++ })
	come := func(from string) net.Conn {
		t.Helper()
		k.from <- from
		k.from <- "[fd00::1]:1" // who always is let in
		conn, err := d.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if conn.RemoteAddr().String() == "[fd00::1]:1" {
			_ = conn.Close()
			return nil
		}
		last, err := d.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = last.Close()
		return conn
	}
	var open []net.Conn
	for range 200 {
		open = append(open, come("10.0.0.1:5000"))
	}
	if come("10.0.0.1:6000") != nil || come("[::ffff:10.0.0.1]:6000") != nil || turned != 2 {
		t.Errorf("an address has more than half; %d were turned away", turned)
	}
	if come("10.0.0.2:5000") == nil {
		t.Error("another address was turned away")
	}
	_ = open[0].Close()
	_ = open[0].Close() // which counts once
	if come("10.0.0.1:5000") == nil || come("10.0.0.1:5000") != nil {
		t.Error("where one left, not just one came")
	}
	close(k.from)
	if _, err := d.Accept(); !errors.Is(err, io.EOF) {
		t.Errorf("the listener ended with %v", err)
	}
}

// What is only looked at has its price, too, whatever is asked for.
func TestNamesOfAnyRequestAreCounted(t *testing.T) {
	p := newPlayer(t, true, func(int) int { return 0 })
	names := make([]string, 10*lookedAt)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	for what, m := range map[string]message{
		"of a type that is not served": {typeURL: "none", request: request{subscribe: names}},
		"that nobody subscribed to":    {typeURL: ClusterType, request: request{unsubscribe: names}},
	} {
		if cost, err := p.stream.request(m); err != nil || cost != 10 {
			t.Errorf("%d names %s cost %d (%v), want 10", len(names), what, cost, err)
		}
	}
	p.stream.leave()
}
