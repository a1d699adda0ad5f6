package trust

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// noise returns random bytes, others for each seed.
func noise(seed uint64, length int) []byte {
	data := make([]byte, length)
	random := rand.NewChaCha8([32]byte{byte(seed)})
	random.Read(data)
	return data
}

// say writes data in pieces of random length, then ends the direction.
func say(t *testing.T, conn *net.TCPConn, seed uint64, data []byte) {
	random := rand.New(rand.NewPCG(seed, 0))
	for len(data) > 0 {
		n := min(len(data), 1+random.IntN(100_000))
		if _, err := conn.Write(data[:n]); err != nil {
			t.Error(err)
			return
		}
		data = data[n:]
	}
	if err := conn.CloseWrite(); err != nil {
		t.Error(err)
	}
}

// hear reads until the other end has ended its direction, and compares.
func hear(t *testing.T, who string, conn *net.TCPConn, want []byte) {
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes (equal: %t) and %v, want %d", who, len(got), bytes.Equal(got, want), err, len(want))
	}
}

// passedOn returns both ends of a connection through a standby, and the standby. The client has said
// first, which is an opening, in two pieces.
func passedOn(t *testing.T, first []byte) (client, leader *net.TCPConn, standby *Port, stop func()) {
	t.Helper()
	bare := must(net.Listen("tcp", "localhost:0"))(t)
	t.Cleanup(func() { bare.Close() })
	standby, _, stop = startReplica(t, newIdentity(t, newAuthority(t, mesh), "a"), "standby", Route{To: bare.Addr().String()})
	client = must(net.Dial("tcp", standby.Addr().String()))(t).(*net.TCPConn)
	for _, piece := range [][]byte{first[:1], first[1:]} {
		if _, err := client.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	leader = must(bare.Accept())(t).(*net.TCPConn)
	for _, conn := range []*net.TCPConn{client, leader} {
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		t.Cleanup(func() { conn.Close() })
	}
	return client, leader, standby, stop
}

func TestWhatPassesThroughIsTheSameByteForByte(t *testing.T) {
	const most = 4 << 20
	for seed := range uint64(5) {
		random := rand.New(rand.NewPCG(seed, 0))
		up, down := noise(2*seed, len(opening{})+random.IntN(most)), noise(2*seed+1, random.IntN(most))
		client, leader, standby, stop := passedOn(t, up[:len(opening{})])
		var all sync.WaitGroup
		all.Go(func() { say(t, client, 2*seed, up[len(opening{}):]) })
		all.Go(func() { say(t, leader, 2*seed+1, down) })
		all.Go(func() { hear(t, "the leader", leader, up) })
		hear(t, "the client", client, down)
		all.Wait()
		stop()
		if s := standby.Stats(); s != (PortStats{Passed: 1}) {
			t.Errorf("stats %+v", s)
		}
	}
}

// One direction ends, and only then the other side begins to speak.
func TestTheEndOfOneDirectionPassesThrough(t *testing.T) {
	up, down := noise(1, 100_000), noise(2, 300_000)
	for name, turn := range map[string]func(client, leader *net.TCPConn){
		"the client first": func(client, leader *net.TCPConn) {
			say(t, client, 1, up[len(opening{}):])
			hear(t, "the leader", leader, up)
			say(t, leader, 2, down)
			hear(t, "the client", client, down)
		},
		"the leader first": func(client, leader *net.TCPConn) {
			say(t, leader, 2, down)
			hear(t, "the client", client, down)
			say(t, client, 1, up[len(opening{}):])
			hear(t, "the leader", leader, up)
		},
	} {
		t.Run(name, func(t *testing.T) {
			client, leader, _, _ := passedOn(t, up[:len(opening{})])
			turn(client, leader)
		})
	}
}

// A connection that breaks is not passed on as one that ended: what was sent may be missing.
func TestABreakPassesThroughAsABreak(t *testing.T) {
	first := noise(1, len(opening{}))
	for name, pick := range map[string]func(client, leader *net.TCPConn) (breaks, learns *net.TCPConn){
		"the client": func(client, leader *net.TCPConn) (breaks, learns *net.TCPConn) { return client, leader },
		"the leader": func(client, leader *net.TCPConn) (breaks, learns *net.TCPConn) { return leader, client },
	} {
		t.Run(name, func(t *testing.T) {
			client, leader, standby, stop := passedOn(t, first)
			if _, err := io.ReadFull(leader, make([]byte, len(first))); err != nil {
				t.Fatal(err)
			}
			breaks, learns := pick(client, leader)
			reset(breaks)
			if n, err := learns.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) || timedOut(err) {
				t.Errorf("read %d bytes and %v, want a reset", n, err)
			}
			stop()
			if s := standby.Stats(); s != (PortStats{Passed: 1}) {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// A stranger that never ends its own direction cannot hold a connection that the leader has ended.
func TestOneDirectionDoesNotLongOutliveTheOther(t *testing.T) {
	client, ours := pair(t)
	toLeader, leader := pair(t)
	leader.CloseWrite()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	couple(ctx, ours, toLeader, time.Millisecond)
	if ctx.Err() != nil {
		t.Error("the client, which does not end its direction, holds the connection")
	}
	for who, conn := range map[string]*net.TCPConn{"client": client, "leader": leader} {
		if _, err := io.ReadAll(conn); timedOut(err) {
			t.Errorf("the %s's connection is still open", who)
		}
	}
}

// pair returns the two ends of a connection.
func pair(t *testing.T) (dialed, accepted *net.TCPConn) {
	t.Helper()
	l := must(net.Listen("tcp", "localhost:0"))(t)
	defer l.Close()
	dialed = must(net.Dial("tcp", l.Addr().String()))(t).(*net.TCPConn)
	accepted = must(l.Accept())(t).(*net.TCPConn)
	for _, conn := range []*net.TCPConn{dialed, accepted} {
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		t.Cleanup(func() { conn.Close() })
	}
	return dialed, accepted
}
