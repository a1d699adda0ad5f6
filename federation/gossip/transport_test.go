package gossip

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/hansa-mcs/hansa/federation"
)

// newTransport returns a started transport of cluster a that knows the node b/1 at b.example:4240.
func newTransport(t *testing.T, n *network) (*transport, *host) {
	h := n.listen("a", "a.example:4240")
	tr := &transport{
		listener: h,
		dialPeer: n.dialFrom(h),
		find: func(node string) (string, federation.ClusterID, bool) {
			return "b.example:4240", "b", node == "b/1"
		},
		reached: func(string, federation.ClusterID) {},
		log:     slog.New(slog.DiscardHandler),
	}
	tr.start()
	t.Cleanup(func() { tr.Shutdown() })
	return tr, h
}

var toB = memberlist.Address{Addr: "0.0.0.0:1", Name: "b/1"}

func TestWriteToReturnsAtOnceWhenThePeerHangs(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		for _, hang := range []string{"dial", "greeting", "write"} {
			b := n.listen("b", "b.example:4240")
			tr, _ := newTransport(t, n)
			if hang != "dial" {
				go func() {
					conn, _ := b.Accept()
					if hang == "write" {
						conn.Read(make([]byte, 1))
					} // and read no more
				}()
			}
			began := time.Now()
			for range 10 * maxQueued {
				if _, err := tr.WriteToAddress([]byte("ping"), toB); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
			}
			if took := time.Since(began); took > 0 {
				t.Errorf("%s: writing took %v", hang, took)
			}
			if dropped := tr.dropped.Load(); dropped < 9*maxQueued-1 {
				t.Errorf("%s: dropped %d", hang, dropped)
			}
			tr.Shutdown()
			if took := time.Since(began); took > 2*flushTime {
				t.Errorf("%s: the shutdown took %v", hang, took)
			}
		}
	})
}

func TestPacketsArriveInOrderOverOneConnection(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		b := n.listen("b", "b.example:4240")
		tr, _ := newTransport(t, n)
		for _, p := range []string{"one", "two", "three"} {
			tr.WriteToAddress([]byte(p), toB)
		}
		conn, _ := b.Accept()
		got := make([]byte, len("P..one..two..three"))
		io.ReadFull(conn, got)
		if string(got) != "P\x00\x03one\x00\x03two\x00\x05three" {
			t.Errorf("got %q", got)
		}
	})
}

func TestABrokenConnectionIsReplaced(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		b := n.listen("b", "b.example:4240")
		tr, _ := newTransport(t, n)
		for range 3 {
			tr.WriteToAddress([]byte("ping"), toB)
			conn, _ := b.Accept()
			got := make([]byte, len("P..ping"))
			if _, err := io.ReadFull(conn, got); err != nil {
				t.Error(err)
			}
			conn.Close()
			synctest.Wait()
		}
		if dropped := tr.dropped.Load(); dropped != 0 {
			t.Errorf("dropped %d", dropped)
		}
	})
}

func TestAConnectionThatIsRefusedAgainAndAgainIsOpenedSeldom(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		b := n.listen("b", "b.example:4240")
		tr, _ := newTransport(t, n)
		opened := 0
		go func() {
			for conn, err := b.Accept(); err == nil; conn, err = b.Accept() {
				opened++
				conn.Read(make([]byte, 1))
				conn.Close()
			}
		}()
		for range 600 { // a minute
			tr.WriteToAddress([]byte("ping"), toB)
			time.Sleep(100 * time.Millisecond)
		}
		b.Close()
		synctest.Wait()
		if opened < 10 || opened > 45 {
			t.Errorf("opened %d connections in a minute", opened)
		}
	})
}

func TestAnIdleConnectionIsClosedAndForgotten(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		b := n.listen("b", "b.example:4240")
		tr, _ := newTransport(t, n)
		tr.WriteToAddress([]byte("ping"), toB)
		conn, _ := b.Accept()
		began := time.Now()
		io.Copy(io.Discard, conn)
		if idle := time.Since(began); idle != idleTime {
			t.Errorf("closed after %v", idle)
		}
		synctest.Wait()
		if len(tr.senders) != 0 {
			t.Error("the sender is still known")
		}
	})
}

func TestUnknownNodesAreNotDialed(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		tr, _ := newTransport(t, n)
		tr.WriteToAddress([]byte("ping"), memberlist.Address{Addr: "1.2.3.4:5", Name: "x/1"})
		if tr.dropped.Load() != 1 || len(tr.senders) != 0 {
			t.Error("a packet to an unknown node was not dropped")
		}
		if _, err := tr.DialAddressTimeout(memberlist.Address{Name: "x/1"}, time.Second); err == nil {
			t.Error("a stream to an unknown node was opened")
		}
	})
}

func TestTheClusterInTheNameMustAnswer(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		n.listen("evil", "b.example:4240")
		tr, _ := newTransport(t, n)
		if conn, err := tr.DialAddressTimeout(toB, time.Second); err == nil {
			conn.Close()
			t.Error("another cluster's node was taken for b's")
		}
		tr.WriteToAddress([]byte("ping"), toB)
		synctest.Wait()
		if tr.dropped.Load() != 1 {
			t.Error("another cluster's node was sent a packet for b's")
		}
	})
}

// connect opens a connection to h as cluster b, and says something.
func connect(t *testing.T, n *network, h *host, said []byte) net.Conn {
	t.Helper()
	conn, err := n.dialFrom(n.listen("b", "b.example:4240"))(context.Background(), h.address, h.cluster)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Hour))
	conn.Write(said) // fails if the other end has heard enough
	return conn
}

func TestRefusesWhatIsNotBoundedBySize(t *testing.T) {
	for name, said := range map[string]string{
		"an unknown kind":             "X",
		"a compressed packet":         "P" + string(frame([]byte{msgCompress, 1, 2})),
		"one behind a checksum":       "P" + string(frame([]byte{msgCRC, 0, 0, 0, 0, msgCompress, 1})),
		"one within a compound":       "P" + string(frame([]byte{msgCompound, 2, 0, 1, 0, 2, 0, msgCompress, 1})),
		"a compound within another":   "P" + string(frame([]byte{msgCompound, 1, 0, 1, msgCompound})),
		"silence":                     "",
		"half a packet, then silence": "P\x00\x09abc",
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, n *network) {
				tr, h := newTransport(t, n)
				conn := connect(t, n, h, []byte(said))
				if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
					t.Errorf("got %v, want the end", err)
				}
				synctest.Wait()
				if len(tr.packets) > 0 || len(tr.gate.peers) > 0 {
					t.Error("something was taken")
				}
			})
		})
	}
}

func TestRefusesAHugePushPull(t *testing.T) {
	number := func(v uint32) string { return "\xce" + string(binary.BigEndian.AppendUint32(nil, v)) }
	for name, tt := range map[string]struct {
		said string
		ok   bool
	}{
		"a million nodes":    {"\x06\x81\xa5Nodes" + number(1<<20), false},
		"one node too many":  {"\x06\x81\xa5Nodes" + number(maxNodes+1), false},
		"as many as allowed": {"\x06\x81\xa5Nodes" + number(maxNodes), true},
		"said again":         {"\x06\x82\xa5Nodes\x01\xa5Nodes" + number(1<<20), false},
		"much state":         {"\x06\x83\xa5Nodes\x01\xa4Join\xc3\xacUserStateLen" + number(maxState+1), false},
		"a large map":        {"\x06\xde\x00\x01", false},
		"a long key":         {"\x06\x81\xd9\x05Nodes\x01", false},
		"a string value":     {"\x06\x81\xa5Nodes\xa1x", false},
		"a user message":     {"\x08\x81\xaaUserMsgLen\x01", false},
		"compressed":         {"\x09\x82\xa4Algo\x00", false},
		"an error":           {"\x0d", false},
		"cut short":          {"\x06\x82\xa5Nod", false},
		"a later field":      {"\x06\x82\xa5Nodes\x01\xa5Later\x01", true},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := net.Pipe()
			go func() {
				io.WriteString(b, tt.said)
				b.Close()
			}()
			s := &stream{Conn: a, onDone: func() {}}
			defer s.Close()
			got, err := io.ReadAll(s)
			if (err == nil) != tt.ok || tt.ok && string(got) != tt.said {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestAStreamEndsAtItsBound(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	go func() {
		io.WriteString(b, "\x06\x81\xa5Nodes\x01")
		b.Write(make([]byte, maxStream))
	}()
	s := &stream{Conn: a, onDone: func() {}}
	defer s.Close()
	if n, err := io.Copy(io.Discard, s); err == nil || n != maxStream {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

func TestAPeerThatOpensTooManyConnectionsLosesItsOldest(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		_, h := newTransport(t, n)
		var conns []net.Conn
		for range maxConnsPerPeer + 1 {
			conns = append(conns, connect(t, n, h, []byte("P")))
		}
		if _, err := conns[0].Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the oldest: %v", err)
		}
		conns[1].SetReadDeadline(time.Now().Add(time.Second))
		if _, err := conns[1].Read(make([]byte, 1)); errors.Is(err, io.EOF) {
			t.Error("the second was closed too")
		}
	})
}
