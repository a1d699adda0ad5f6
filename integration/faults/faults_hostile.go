package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
	"github.com/hansa-mcs/hansa/federation/trust"
)

func hostilePeers(t timers) []fault {
	return []fault{hostileAddresses(), floods(t)}
}

func hostileAddresses() fault {
	return fault{
		id: "47", title: "a peer exports addresses that are ours or nobody's",
		sees:     "the one good endpoint of that service",
		holds:    "loopback, link-local, multicast, unspecified addresses and those of our own Services are dropped, the rest is served (addresses of pods, nodes and API servers are not known to be ours, and are not dropped)",
		clusters: []string{"east", "west"},
		steps: []step{
			hasNamespace("west"), hasNamespace("east"),
			joins("mallory", "bait", "10.9.0.1", "127.0.0.1", "127.8.8.8", "169.254.169.254", "224.0.0.1", "0.0.0.0", "255.255.255.255", "10.97.0.1", "10.97.3.4",
				"::1", "fe80::1", "ff02::1", "::", "::ffff:127.0.0.1"),
			timed("what is good is served after", patience, uses("west", "bait", "10.9.0.1")),
			lasts(2 * time.Second), finds("west", "bait", "10.9.0.1"), losesNothing,
		},
	}
}

func floods(t timers) fault {
	// The enemy has the same two cores as everybody else, so a second would be too little.
	others := func(flood string) step {
		return slowest("slowest of 40 changes of others during the "+flood, 5*time.Second, 40, "east", "west", "web", "10.1.0.1")
	}
	return fault{
		id: "48", title: "a peer floods: 25,000 exports, an export of 100,000 labels, frames of 10 MB, and streams that are reset at once",
		sees:     "nothing",
		holds:    "what is beyond the peer's quota is refused and told, changes of others go on arriving all the while, though the enemy has the same two cores, and memory stays bounded",
		clusters: []string{"east", "west"},
		steps: []step{
			exports("east", "web", "10.1.0.1"), hasNamespace("west"), uses("west", "web", "10.1.0.1"), joins("mallory", "", ""), shows("west", members, is(2)),
			remembersMemory("west"),
			during(all(floodsExports("mallory", 25_000), labels("mallory", 100_000), shows("west", refusedOf("mallory", "limit"), above(0))), others("exports")),
			during(repeats(20, bigFrame("mallory", "west")), others("frames")),
			during(rapidReset("mallory", "west", t.long/3), others("resets")),
			growsAtMost("west", 700<<20),
			timed("after the floods a change of others arrives in", 5*time.Second, change("east", "west", "web", "10.1.0.1", 3)), losesNothing,
		},
	}
}

// floodsExports makes a node export so many services, in a namespace that the victim does not have.
func floodsExports(member string, n int) step {
	return func(_ context.Context, r *run) error {
		node := r.node(member)
		for i := range n {
			e := newRecord(member, fmt.Sprintf("flood-%d", i), "10.9.1.1")
			e.Name.Namespace = "elsewhere"
			node.store.Set(e)
		}
		r.tell("%s exports %d services", member, n)
		return nil
	}
}

// labels makes a node export a service of so many labels.
func labels(member string, n int) step {
	return func(_ context.Context, r *run) error {
		e := newRecord(member, "labels", "10.9.1.1")
		e.Labels = map[string]string{}
		for i := range n {
			e.Labels[fmt.Sprintf("label-%d", i)] = "x"
		}
		r.node(member).store.Set(e)
		return nil
	}
}

// bigFrame sends one frame of 10 MB.
func bigFrame(member, to string) step {
	return endedStream(member, to, func(s *rawStream) error {
		err := s.hello(member)
		_ = s.Send(&wire.Frame{Kind: &wire.Frame_Chunk{Chunk: &wire.Chunk{Data: make([]byte, 10<<20), First: true}}}) // it may be refused while it is sent
		return err
	})
}

// rapidReset opens HTTP/2 streams and resets each at once, as fast as it goes, on connection after connection.
func rapidReset(member, to string, span time.Duration) step {
	return func(ctx context.Context, r *run) error {
		id, err := r.identity(member)
		if err != nil {
			return err
		}
		address, err := r.net.front(to)
		if err != nil {
			return err
		}
		resets, conns := 0, 0
		for end := time.Now().Add(span); time.Now().Before(end); conns++ {
			conn, err := id.Dial(ctx, address, federation.ClusterID(to), trust.ProtoGRPC)
			if err != nil {
				return fmt.Errorf("connection %d: %w", conns, err)
			}
			resets += resetStreams(conn.Conn, end)
			_ = conn.Close()
		}
		r.tell("%s reset %d streams on %d connections in %s", member, resets, conns, span)
		if resets == 0 {
			return errors.New("nothing was reset")
		}
		return nil
	}
}

// resetStreams opens and resets streams until the other side ends the connection, and returns how many.
func resetStreams(conn *tls.Conn, end time.Time) (n int) {
	_ = conn.SetDeadline(end.Add(5 * time.Second))
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		return 0
	}
	framer := http2.NewFramer(conn, conn)
	if framer.WriteSettings() != nil {
		return 0
	}
	go drain(conn)
	var head writer
	encoder := hpack.NewEncoder(&head)
	for id := uint32(1); time.Now().Before(end); id += 2 {
		head = head[:0]
		for _, f := range []hpack.HeaderField{
			{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: wire.Federation_Exchange_FullMethodName}, {Name: ":authority", Value: "x"},
			{Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"},
		} {
			_ = encoder.WriteField(f)
		}
		if framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: head, EndHeaders: true}) != nil || framer.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			return n
		}
		n++
	}
	return n
}

// writer takes bytes.
type writer []byte

// Write implements io.Writer.
func (w *writer) Write(b []byte) (int, error) {
	*w = append(*w, b...)
	return len(b), nil
}

// drain reads until the connection ends.
func drain(conn net.Conn) {
	buffer := make([]byte, 4<<10)
	for {
		if _, err := conn.Read(buffer); err != nil {
			return
		}
	}
}
