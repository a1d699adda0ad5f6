package trust

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// signpost is a Route that a test turns.
type signpost struct {
	mu      sync.Mutex
	route   Route
	changed chan struct{}
}

func newSignpost(r Route) *signpost {
	s := &signpost{changed: make(chan struct{})}
	s.turn(r)
	return s
}

func (s *signpost) turn(r Route) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
	s.route = r
	s.route.Changed = s.changed
}

func (s *signpost) show() Route {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.route
}

// startReplica runs a port that answers with a word while it serves, by its signpost.
func startReplica(t *testing.T, id *Identity, word string, r Route) (*Port, *signpost, func()) {
	t.Helper()
	sign := newSignpost(r)
	p, stop := startPort(t, id, func(p *Port) {
		p.Route(sign.show)
		echo(t, p.Listener(ProtoGRPC), word)
	})
	return p, sign, stop
}

// startHolding runs a port that accepts connections, says one letter, and holds them until the test ends.
func startHolding(t *testing.T, id *Identity, letter string, r Route) (*Port, *signpost) {
	t.Helper()
	sign := newSignpost(r)
	p, _ := startPort(t, id, func(p *Port) {
		p.Route(sign.show)
		l := p.Listener(ProtoGRPC)
		var holding sync.WaitGroup
		t.Cleanup(holding.Wait)
		holding.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				io.WriteString(conn, letter)
				holding.Go(func() {
					io.Copy(io.Discard, conn)
					conn.Close()
				})
			}
		})
	})
	return p, sign
}

// hold connects to a member and returns once the listener with that letter has the connection.
func hold(t *testing.T, id *Identity, address, letter string) *Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn := must(id.Dial(ctx, address, "a", ProtoGRPC))(t)
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	got := make([]byte, 1)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != letter {
		t.Fatalf("read %q and %v, want %s", got, err, letter)
	}
	return conn
}

// isCut waits for the other side to end a connection.
func isCut(t *testing.T, conn net.Conn) {
	t.Helper()
	if n, err := conn.Read(make([]byte, 1)); err == nil || timedOut(err) {
		t.Errorf("read %d bytes and %v, want the end", n, err)
	}
}

func timedOut(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func TestAStandbyPassesOnToItsLeader(t *testing.T) {
	ca := newAuthority(t, mesh)
	leads, b := newIdentity(t, ca, "a"), newIdentity(t, ca, "b")
	leader, _, stopLeader := startReplica(t, leads, "leader", Route{Serve: true, To: "ignored:1"})
	standby, _, stop := startReplica(t, newIdentity(t, ca, "a"), "standby", Route{To: leader.Addr().String()})
	for range 10 {
		if got, err := ask(t, b, standby.Addr().String(), "a", ProtoGRPC); got != "leader b" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	conn := must(b.Dial(t.Context(), standby.Addr().String(), "a", ProtoGRPC))(t)
	if shown := conn.ConnectionState().PeerCertificates[0]; !shown.Equal(leads.Certificate()) {
		t.Errorf("the certificate is number %v, want the leader's", shown.SerialNumber)
	}
	conn.Close()
	stop()
	stopLeader()
	if s := standby.Stats(); s != (PortStats{Passed: 11}) {
		t.Errorf("the standby's stats %+v", s)
	}
	if s := leader.Stats(); s.Accepted+s.Refused != 11 || s.Accepted < 10 || s.Passed != 0 {
		t.Errorf("the leader's stats %+v", s)
	}
}

func TestAStandbyWithoutALeaderClosesConnections(t *testing.T) {
	ca := newAuthority(t, mesh)
	standby, _, stop := startReplica(t, newIdentity(t, ca, "a"), "standby", Route{})
	conn := must(net.Dial("tcp", standby.Addr().String()))(t)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	isCut(t, conn)
	stop()
	if s := standby.Stats(); s != (PortStats{Leaderless: 1}) {
		t.Errorf("stats %+v", s)
	}
}

func TestALeaderThatCannotBeReachedIsARefusal(t *testing.T) {
	ca := newAuthority(t, mesh)
	nobody := must(net.Listen("tcp", "localhost:0"))(t)
	nobody.Close()
	standby, _, stop := startReplica(t, newIdentity(t, ca, "a"), "standby", Route{To: nobody.Addr().String()})
	if got, err := ask(t, newIdentity(t, ca, "b"), standby.Addr().String(), "a", ProtoGRPC); err == nil {
		t.Errorf("got %q", got)
	}
	stop()
	if s := standby.Stats(); s != (PortStats{Refused: 1}) {
		t.Errorf("stats %+v", s)
	}
}

// What was passed on to a former leader is cut by each change that names another, and by no other.
func TestAChangeOfLeaderCutsWhatWasPassedOn(t *testing.T) {
	ca := newAuthority(t, mesh)
	b := newIdentity(t, ca, "b")
	one, _ := startHolding(t, newIdentity(t, ca, "a"), "1", Route{Serve: true})
	two, _ := startHolding(t, newIdentity(t, ca, "a"), "2", Route{Serve: true})
	toOne, toTwo := Route{To: one.Addr().String()}, Route{To: two.Addr().String()}
	for name, tt := range map[string]struct {
		next   Route
		letter string // of who has new connections
	}{
		"another leads": {toTwo, "2"},
		"we lead":       {Route{Serve: true, To: toOne.To}, "s"},
		"nobody leads":  {Route{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			standby, sign := startHolding(t, newIdentity(t, ca, "a"), "s", toOne)
			conn := hold(t, b, standby.Addr().String(), "1")
			sign.turn(toOne)
			if s := standby.Stats(); s.Passing != 1 || s.Passed != 1 {
				t.Errorf("stats %+v, want one passed on", s)
			}
			sign.turn(tt.next)
			isCut(t, conn)
			if tt.letter != "" {
				hold(t, b, standby.Addr().String(), tt.letter)
			}
		})
	}
}

func TestAChangeThatNamesTheSameLeaderCutsNothing(t *testing.T) {
	ca := newAuthority(t, mesh)
	b := newIdentity(t, ca, "b")
	leader, _, _ := startReplica(t, newIdentity(t, ca, "a"), "leader", Route{Serve: true})
	asked := make(chan struct{})
	var p *Port
	sign := newSignpost(Route{To: leader.Addr().String()})
	p, _ = startPort(t, newIdentity(t, ca, "a"), func(p *Port) {
		p.Route(func() Route {
			r := sign.show()
			asked <- struct{}{}
			return r
		})
	})
	raw := must(net.Dial("tcp", p.Addr().String()))(t)
	defer raw.Close()
	<-asked // for the connection
	for range 3 {
		sign.turn(sign.show())
		<-asked // for the change
	}
	conn := must(b.handshake(t.Context(), tls.Client(raw, b.ClientTLS("a", ProtoGRPC))))(t)
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if got, err := io.ReadAll(conn); string(got) != "leader b" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWhatIsServedOutlivesTheLead(t *testing.T) {
	ca := newAuthority(t, mesh)
	b := newIdentity(t, ca, "b")
	leader, _ := startHolding(t, newIdentity(t, ca, "a"), "1", Route{Serve: true})
	p, sign := startHolding(t, newIdentity(t, ca, "a"), "2", Route{Serve: true})
	conn := hold(t, b, p.Addr().String(), "2")
	sign.turn(Route{To: leader.Addr().String()})
	passed := hold(t, b, p.Addr().String(), "1")
	sign.turn(Route{})
	isCut(t, passed)
	conn.SetReadDeadline(time.Now())
	if _, err := conn.Read(make([]byte, 1)); !timedOut(err) {
		t.Errorf("got %v, want an open connection", err)
	}
}

func TestTheEndOfThePortCutsWhatIsPassedOn(t *testing.T) {
	ca := newAuthority(t, mesh)
	leader, _ := startHolding(t, newIdentity(t, ca, "a"), "1", Route{Serve: true})
	standby, _, stop := startReplica(t, newIdentity(t, ca, "a"), "standby", Route{To: leader.Addr().String()})
	conn := hold(t, newIdentity(t, ca, "b"), standby.Addr().String(), "1")
	mute := must(net.Dial("tcp", standby.Addr().String()))(t)
	defer mute.Close()
	stop()
	isCut(t, conn)
	mute.SetReadDeadline(time.Now().Add(10 * time.Second))
	isCut(t, mute)
	if s := standby.Stats(); s.Passing != 0 || s.Passed != 1 {
		t.Errorf("stats %+v", s)
	}
}
