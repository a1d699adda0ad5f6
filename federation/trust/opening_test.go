package trust

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"
)

// Each of two replicas takes the other for the leader: the one that was asked first notices, and no
// connection is left.
func TestAConnectionGoesRoundOnce(t *testing.T) {
	ca := newAuthority(t, mesh)
	one, oneSign, stopOne := startReplica(t, newIdentity(t, ca, "a"), "one", Route{})
	two, _, stopTwo := startReplica(t, newIdentity(t, ca, "a"), "two", Route{To: one.Addr().String()})
	oneSign.turn(Route{To: two.Addr().String()})
	if got, err := ask(t, newIdentity(t, ca, "b"), one.Addr().String(), "a", ProtoGRPC); err == nil {
		t.Errorf("got %q", got)
	}
	stopOne()
	stopTwo()
	if s := one.Stats(); s != (PortStats{Passed: 1, Refused: 1}) {
		t.Errorf("the first: %+v", s)
	}
	if s := two.Stats(); s != (PortStats{Passed: 1}) {
		t.Errorf("the second: %+v", s)
	}
}

func TestAReplicaThatTakesItselfForTheLeaderNotices(t *testing.T) {
	ca := newAuthority(t, mesh)
	p, sign, stop := startReplica(t, newIdentity(t, ca, "a"), "self", Route{})
	sign.turn(Route{To: p.Addr().String()})
	if got, err := ask(t, newIdentity(t, ca, "b"), p.Addr().String(), "a", ProtoGRPC); err == nil {
		t.Errorf("got %q", got)
	}
	stop()
	if s := p.Stats(); s != (PortStats{Passed: 1, Refused: 1}) {
		t.Errorf("%+v", s)
	}
}

func TestTooManyPassedOnAreRefused(t *testing.T) {
	ca := newAuthority(t, mesh)
	b := newIdentity(t, ca, "b")
	leader, _, _ := startReplica(t, newIdentity(t, ca, "a"), "leader", Route{Serve: true})
	standby, _, stop := startReplica(t, newIdentity(t, ca, "a"), "standby", Route{To: leader.Addr().String()})
	other := func(n int) (o opening) {
		binary.BigEndian.PutUint32(o[:], uint32(n))
		return o
	}
	for n := range maxPassing {
		if err := standby.passing.enter(other(n)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := ask(t, b, standby.Addr().String(), "a", ProtoGRPC); err == nil {
		t.Errorf("got %q", got)
	}
	standby.passing.leave(other(0))
	if got, err := ask(t, b, standby.Addr().String(), "a", ProtoGRPC); got != "leader b" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	stop()
	if s := standby.Stats(); s != (PortStats{Passed: 1, Refused: 1, Passing: maxPassing - 1}) {
		t.Errorf("stats %+v", s)
	}
}

// A health check opens and closes, or sends some bytes of another protocol.
func TestWhatIsShorterThanAnOpeningNeverReachesTheLeader(t *testing.T) {
	ca := newAuthority(t, mesh)
	leader, _, _ := startReplica(t, newIdentity(t, ca, "a"), "leader", Route{Serve: true})
	standby, _, stop := startReplica(t, newIdentity(t, ca, "a"), "standby", Route{To: leader.Addr().String()})
	for _, said := range []string{"", "GET / HTTP/1.0\r\n\r\n"} {
		conn := must(net.Dial("tcp", standby.Addr().String()))(t).(*net.TCPConn)
		conn.SetDeadline(time.Now().Add(handshakeTime / 2))
		io.WriteString(conn, said)
		conn.CloseWrite()
		isCut(t, conn)
		conn.Close()
	}
	stop()
	if s := standby.Stats(); s != (PortStats{Refused: 2}) {
		t.Errorf("stats %+v", s)
	}
}

// What is passed on is out of the hands of the port's door, and takes no place there.
func TestMoreThanTheHandshakesArePassedOnAtOnce(t *testing.T) {
	ca := newAuthority(t, mesh)
	b := newIdentity(t, ca, "b")
	leader, _ := startHolding(t, newIdentity(t, ca, "a"), "1", Route{Serve: true})
	standby, _, _ := startReplica(t, newIdentity(t, ca, "a"), "standby", Route{To: leader.Addr().String()})
	for range maxHandshakes + 1 {
		hold(t, b, standby.Addr().String(), "1")
	}
	if s := standby.Stats(); s != (PortStats{Passed: maxHandshakes + 1, Passing: maxHandshakes + 1}) {
		t.Errorf("stats %+v", s)
	}
}

func TestThoseWhoSayNothingDoNotKeepOthersFromTheLeader(t *testing.T) {
	ca := newAuthority(t, mesh)
	leader, _, _ := startReplica(t, newIdentity(t, ca, "a"), "leader", Route{Serve: true})
	standby, _, _ := startReplica(t, newIdentity(t, ca, "a"), "standby", Route{To: leader.Addr().String()})
	var mutes []net.Conn
	for range 2 * maxHandshakes {
		mute := must(net.Dial("tcp", standby.Addr().String()))(t)
		defer mute.Close()
		mutes = append(mutes, mute)
	}
	if got, err := ask(t, newIdentity(t, ca, "b"), standby.Addr().String(), "a", ProtoGRPC); got != "leader b" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	mutes[0].SetReadDeadline(time.Now().Add(handshakeTime / 2))
	isCut(t, mutes[0])
	if s := standby.Stats(); s.Passed != 1 {
		t.Errorf("stats %+v", s)
	}
}
