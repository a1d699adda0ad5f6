package xds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	frames "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/importer"
)

// The numbers in this file are those of docs/xds.md and of the reasons beside the constants. They are written out here so that
// nobody changes one of them unnoticed.

// newPiped starts a Server whose network is in memory. It is for a bubble of synctest.
func newPiped(t *testing.T, most int) (*Server, *bufconn.Listener) {
	t.Helper()
	open := make(chan struct{})
	close(open)
	s, err := New(Config{
		Address: "127.0.0.1:0", Cluster: "own", View: importer.Empty, Ready: open, MaxClients: most,
		Credentials: insecure.NewCredentials(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.listener.Close(); err != nil {
		t.Fatal(err)
	}
	pipes := bufconn.Listen(64 << 10)
	s.listener = &scatteredListener{pipes, netip.MustParseAddr("10.0.0.1")}
	run(t, s.Start)
	return s, pipes
}

// through is a gRPC client at the other end of pipes.
func through(t *testing.T, pipes *bufconn.Listener) discoveryv3.AggregatedDiscoveryServiceClient {
	t.Helper()
	dial := func(ctx context.Context, _ string) (net.Conn, error) { return pipes.DialContext(ctx) }
	conn, err := grpc.NewClient("passthrough:///pipes", grpc.WithContextDialer(dial), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return discoveryv3.NewAggregatedDiscoveryServiceClient(conn)
}

func TestHowLongAServerWaits(t *testing.T) {
	s := newDeafServer(t)
	if s.patience != 20*time.Second || s.grace != 3*time.Second || s.warming != 5*time.Second {
		t.Errorf("%s for one that does not read, %s for all at the end, %s for assignments; want 20s, 3s and 5s", s.patience, s.grace, s.warming)
	}
}

func TestOneConnectionHasFewStreams(t *testing.T) {
	const most = 32
	synctest.Test(t, func(t *testing.T) {
		s, pipes := newPiped(t, 0)
		client := through(t, pipes)
		var first grpc.BidiStreamingClient[discoveryv3.DeltaDiscoveryRequest, discoveryv3.DeltaDiscoveryResponse]
		for range most {
			c, err := client.DeltaAggregatedResources(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			first = c
		}
		synctest.Wait()
		if n, _ := s.Streams(); n != most {
			t.Fatalf("%d streams of one connection, want %d", n, most)
		}
		opened := make(chan error, 1)
		go func() {
			_, err := client.DeltaAggregatedResources(t.Context())
			opened <- err
		}()
		synctest.Wait()
		if n, _ := s.Streams(); n != most || len(opened) > 0 {
			t.Fatalf("one more gets through: %d streams", n)
		}
		if err := first.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if err := <-opened; err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n, _ := s.Streams(); n != most {
			t.Errorf("%d streams after one ended and one came, want %d", n, most)
		}
	})
}

func TestARequestIsOf4MiBAtMost(t *testing.T) {
	for size, want := range map[int]codes.Code{4 << 20: codes.OK, 4<<20 + 1: codes.ResourceExhausted} {
		synctest.Test(t, func(t *testing.T) {
			_, pipes := newPiped(t, 0)
			c, err := through(t, pipes).DeltaAggregatedResources(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			large := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: strings.Repeat("x", size-5)}
			if n := proto.Size(large); n != size {
				t.Fatalf("the request has %d bytes, want %d", n, size)
			}
			for _, req := range []*discoveryv3.DeltaDiscoveryRequest{large, {TypeUrl: ClusterType}} {
				if err := c.Send(req); err != nil && !errors.Is(err, io.EOF) { // that the stream ended Recv says
					t.Fatal(err)
				}
			}
			if _, err := c.Recv(); status.Code(err) != want {
				t.Errorf("of %d bytes: %v, want %s", size, err, want)
			}
		})
	}
}

// scatteredListener has each connection come from an address of its own.
type scatteredListener struct {
	net.Listener
	last netip.Addr
}

func (l *scatteredListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.last = l.last.Next()
	return knock{conn, net.TCPAddrFromAddrPort(netip.AddrPortFrom(l.last, 5000))}, nil
}

// Beyond the clients that may be there may be 64 connections, for those that ask for nothing yet. Further ones are closed.
func TestConnectionsAreBounded(t *testing.T) {
	const clients, spare, more = 3, 64, 2
	synctest.Test(t, func(t *testing.T) {
		s, pipes := newPiped(t, clients)
		var ended atomic.Int32
		come := func() net.Conn {
			t.Helper()
			conn, err := pipes.DialContext(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				_, _ = io.Copy(io.Discard, conn)
				ended.Add(1)
			}()
			synctest.Wait()
			return conn
		}
		first := come()
		for range clients + spare - 1 {
			come()
		}
		if n := ended.Load(); n != 0 || s.TurnedAway() != 0 {
			t.Errorf("%d of %d connections are closed, %d turned away", n, clients+spare, s.TurnedAway())
		}
		for range more {
			come()
		}
		if n := ended.Load(); n != more || s.TurnedAway() != more {
			t.Errorf("of %d more %d are closed and %d turned away", more, n, s.TurnedAway())
		}
		_ = first.Close()
		synctest.Wait()
		come()
		if n := ended.Load(); n != more+1 || s.TurnedAway() != more {
			t.Errorf("one left and one came: %d ended, %d were turned away; want %d and %d", n, s.TurnedAway(), more+1, more)
		}
	})
}

// far is the other end of a connection, down to its frames.
type far struct {
	*frames.Framer                // is read from
	say            *frames.Framer // is what the test writes to
	begin          time.Time
	pings          []time.Duration // when the server asked whether anybody is there
	away           time.Duration   // when it asked to go elsewhere
	why            frames.ErrCode  // and why
}

// newFar connects, and reads until the server ends the connection; ended says after how long. It answers pings if it lives.
func newFar(t *testing.T, pipes *bufconn.Listener, lives bool) (c *far, ended chan time.Duration) {
	t.Helper()
	conn, err := pipes.DialContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(24*time.Hour, func() { _ = conn.Close() }) // so that a test whose server ends nothing fails
	t.Cleanup(func() { limit.Stop(); _ = conn.Close() })
	if _, err := io.WriteString(conn, frames.ClientPreface); err != nil {
		t.Fatal(err)
	}
	c, ended = &far{Framer: frames.NewFramer(conn, conn), say: frames.NewFramer(conn, nil), begin: time.Now()}, make(chan time.Duration, 1)
	if err := c.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for err := error(nil); err == nil; {
			err = c.next(lives)
		}
		ended <- time.Since(c.begin)
	}()
	return c, ended
}

func (c *far) next(lives bool) error {
	frame, err := c.ReadFrame()
	if err != nil {
		return err
	}
	switch f := frame.(type) {
	case *frames.SettingsFrame:
		if !f.IsAck() {
			return c.WriteSettingsAck()
		}
	case *frames.PingFrame:
		if f.IsAck() {
			return nil
		}
		c.pings = append(c.pings, time.Since(c.begin))
		if lives {
			return c.WritePing(true, f.Data)
		}
	case *frames.GoAwayFrame:
		c.away, c.why = time.Since(c.begin), f.ErrCode
	}
	return nil
}

// opens begins a stream, and asks for something.
func (c *far) opens(t *testing.T) {
	t.Helper()
	var block bytes.Buffer
	head := hpack.NewEncoder(&block)
	for _, field := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResources_FullMethodName},
		{":authority", "xds"}, {"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		if err := head.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			t.Fatal(err)
		}
	}
	body, err := proto.Marshal(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: ClusterType})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		c.say.WriteHeaders(frames.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}),
		c.say.WriteData(1, false, append([]byte{0, 0, 0, 0, byte(len(body))}, body...)),
	)
	if err != nil {
		t.Fatal(err)
	}
}

// A peer that went without a word is found out, and a connection that has no stream ends.
func TestConnectionsOfNobodyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, pipes := newPiped(t, 0)
		dead, ended := newFar(t, pipes, false)
		dead.opens(t)
		if synctest.Wait(); len(s.Clients()) != 1 || s.Pushes() != 1 {
			t.Fatalf("%d clients were sent %d responses, want one of each", len(s.Clients()), s.Pushes())
		}
		if after := <-ended; after != 40*time.Second || len(dead.pings) != 1 || dead.pings[0] != 30*time.Second {
			t.Errorf("one that is gone is asked at %v and given up after %s, want 30s and 40s", dead.pings, after)
		}
		idle, ended := newFar(t, pipes, true)
		if <-ended; idle.away != 30*time.Second || idle.why != frames.ErrCodeNo {
			t.Errorf("one without a stream is to go after %s (%s), want 30s", idle.away, idle.why)
		}
		mute, err := pipes.DialContext(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := io.Copy(io.Discard, mute); err != nil {
			t.Fatal(err)
		}
		if after := time.Since(begin); after != 20*time.Second {
			t.Errorf("one that does not even speak HTTP/2 is cut after %s, want 20s", after)
		}
	})
}

// A client may ask each 5 seconds whether anybody is there, without a stream too; one that asks more often is sent away.
func TestHowOftenAClientMayPing(t *testing.T) {
	for every, want := range map[time.Duration]frames.ErrCode{5 * time.Second: frames.ErrCodeNo, 4 * time.Second: frames.ErrCodeEnhanceYourCalm} {
		synctest.Test(t, func(t *testing.T) {
			_, pipes := newPiped(t, 0)
			c, ended := newFar(t, pipes, true)
			for time.Since(c.begin) < time.Minute && len(ended) == 0 {
				time.Sleep(every)
				_ = c.say.WritePing(false, [8]byte{1})
				synctest.Wait()
			}
			if c.why != want {
				t.Errorf("who asks each %s is told %s, want %s", every, c.why, want)
			}
		})
	}
}

// Who asks for nothing is cut, so that it takes no place from others. Whoever asked for anything once may be silent.
func TestAClientThatSaysNothingIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newDeafServer(t)
		hand := func(*response) error { return nil }
		silent, spoke := &wireless{hand: hand}, &wireless{hand: hand}
		begin := time.Now()
		silent.begin(t, s)
		end := spoke.begin(t, s)
		time.Sleep(20*time.Second - 1)
		spoke.say(message{typeURL: "what nobody serves"})
		err := <-silent.done
		if after := time.Since(begin); status.Code(err) != codes.DeadlineExceeded || after != 20*time.Second {
			t.Errorf("who says nothing is cut after %s with %v, want DeadlineExceeded after 20s", after, err)
		}
		time.Sleep(time.Hour)
		if n := len(s.Clients()); n != 1 || s.Cuts() != 0 {
			t.Errorf("%d clients are there after an hour, want the one that said something; %d are said not to read", n, s.Cuts())
		}
		end()
		s.streams.Wait()
	})
}

// A client names 50,000 resources of all types at most, each of 512 bytes at most.
func TestWhatOneClientMayName(t *testing.T) {
	names := make([]string, 50_000)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	long := strings.Repeat("n", 512)
	for _, delta := range []bool{false, true} {
		for what, tt := range map[string]struct {
			names []string
			want  codes.Code
		}{
			"as many":       {names, codes.OK},
			"one more":      {append(slices.Clip(names), "one more"), codes.ResourceExhausted},
			"as long":       {[]string{long}, codes.OK},
			"a byte longer": {[]string{long + "n"}, codes.InvalidArgument},
		} {
			r := request{kind: assignmentKind, names: tt.names}
			if delta {
				r = request{kind: assignmentKind, subscribe: tt.names}
			}
			if _, err := newSession(delta, counting()).subscribe(r); status.Code(err) != tt.want {
				t.Errorf("incremental %t, %s: %v, want %s", delta, what, err, tt.want)
			}
		}
	}
}

// All clients of an agent name 2,000,000 at most.
func TestWhatAllClientsMayName(t *testing.T) {
	s := newStore()
	s.subscriptions = 2_000_000 - 1
	box := newMailbox(func() {})
	if _, err := s.subscribe(box, wanting("last")); err != nil {
		t.Error(err)
	}
	if _, err := s.subscribe(box, wanting("one more")); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one more: %v", err)
	}
}
