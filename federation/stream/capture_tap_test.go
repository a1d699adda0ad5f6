package stream

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// tap records what members write into the connections of a network, before anything would encrypt it.
type tap struct {
	*network
	mu    sync.Mutex
	sides []*side
}

// side is one direction of one connection.
type side struct {
	to     federation.ClusterID
	client bool // of who dialed
	mu     sync.Mutex
	data   []byte
}

// tapped is a connection whose writes are recorded.
type tapped struct {
	Conn
	out *side
}

func (c tapped) Write(b []byte) (int, error) {
	c.out.mu.Lock()
	c.out.data = append(c.out.data, b...)
	c.out.mu.Unlock()
	return c.Conn.Write(b)
}

func (p *tap) record(c Conn, client bool) Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &side{to: c.Peer(), client: client}
	p.sides = append(p.sides, s)
	return tapped{c, s}
}

type tappedListener struct {
	*memoryListener
	tap *tap
}

func (l tappedListener) Accept() (net.Conn, error) {
	c, err := l.memoryListener.Accept()
	if err != nil {
		return nil, err
	}
	return l.tap.record(c.(Conn), false), nil
}

// run runs an agent at that address, which knows the members.
func (p *tap) run(t *testing.T, s *federation.Store, address string, now Standing, members ...Member) *member {
	t.Helper()
	m := &member{store: s, address: address}
	m.standing.set(now)
	dial := p.dialer(s.Self())
	m.exchange = New(Config{
		Store:    s,
		Listener: tappedListener{p.listen(address), p},
		Dial: func(ctx context.Context, address string, want federation.ClusterID) (Conn, error) {
			c, err := dial(ctx, address, want)
			if err != nil {
				return nil, err
			}
			return p.record(c, true), nil
		},
		Members:  func() ([]Member, <-chan struct{}) { return members, nil },
		Standing: m.standing.get,
		Log:      quiet,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.exchange.Start(ctx) }()
	m.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("exchange of %s: %v", address, err)
		}
	})
	t.Cleanup(m.stop)
	return m
}

// capture is all that was written toward one cluster.
type capture struct {
	raw        []byte // as it was written
	plain      []byte // header fields, frames, and messages without compression
	messages   []*wire.Message
	compressed int // of the messages
}

// toward reads what was written toward a cluster so far.
func (p *tap) toward(t *testing.T, to federation.ClusterID) *capture {
	t.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &capture{}
	for _, s := range p.sides {
		if s.to == to {
			s.mu.Lock()
			c.read(t, slices.Clone(s.data), s.client)
			s.mu.Unlock()
		}
	}
	return c
}

// read adds one direction of a connection. A connection may end within a frame.
func (c *capture) read(t *testing.T, data []byte, client bool) {
	t.Helper()
	c.raw = append(c.raw, data...)
	if client {
		data, _ = bytes.CutPrefix(data, []byte(http2.ClientPreface))
	}
	framer := http2.NewFramer(io.Discard, bytes.NewReader(data))
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	streams := map[uint32]*conversation{}
	for {
		f, err := framer.ReadFrame()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			for _, field := range f.Fields {
				c.plain = append(c.plain, field.Name+": "+field.Value+"\n"...)
			}
		case *http2.GoAwayFrame:
			c.plain = append(c.plain, f.DebugData()...)
		case *http2.DataFrame:
			s := streams[f.StreamID]
			if s == nil {
				s = &conversation{}
				streams[f.StreamID] = s
			}
			s.data = append(s.data, f.Data()...)
			c.converse(t, s)
		}
	}
}

// conversation is what one side says in one stream of gRPC.
type conversation struct {
	data []byte // of which no frame was made yet
	in   inbox
}

// converse takes the frames that are whole, each behind one byte for compression and four for its length.
func (c *capture) converse(t *testing.T, s *conversation) {
	t.Helper()
	for len(s.data) >= 5 && len(s.data)-5 >= int(binary.BigEndian.Uint32(s.data[1:])) {
		if s.data[0] != 0 {
			t.Fatal("gRPC compresses what only messages are to be")
		}
		n := 5 + int(binary.BigEndian.Uint32(s.data[1:]))
		var f wire.Frame
		if err := proto.Unmarshal(s.data[5:n], &f); err != nil {
			t.Fatal(err)
		}
		c.plain = append(c.plain, s.data[5:n]...)
		s.data = s.data[n:]
		if f.GetChunk() != nil {
			c.chunk(t, s, f.GetChunk())
		}
	}
}

func (c *capture) chunk(t *testing.T, s *conversation, piece *wire.Chunk) {
	t.Helper()
	if piece.GetFirst() && piece.GetSize() > 0 {
		c.compressed++
	}
	whole := s.in
	whole.data = append(slices.Clone(whole.data), piece.GetData()...)
	if piece.GetFirst() {
		whole = inbox{data: piece.GetData(), size: piece.GetSize()}
	}
	m, err := s.in.take(piece)
	if err != nil {
		t.Fatal(err)
	}
	if m == nil {
		return
	}
	data, err := whole.unpack()
	if err != nil {
		t.Fatal(err)
	}
	c.plain = append(c.plain, data...)
	c.messages = append(c.messages, m)
}
