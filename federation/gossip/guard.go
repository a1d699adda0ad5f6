package gossip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// memberlist's messages, which are its wire protocol and never renumbered.
const (
	msgPushPull = 6
	msgCompound = 7
	msgCompress = 9
	msgCRC      = 12
	msgError    = 13
)

const (
	// maxStream bounds one push/pull: maxNodes states, most of them small, and the heads.
	maxStream = 4 << 20
	// maxState bounds the heads of maxHeads clusters.
	maxState = 128 << 10
)

// guardPacket returns an error for a packet whose unpacking is not bounded by its size. We send nothing
// compressed, so whoever does means no good.
func guardPacket(b []byte) error {
	if len(b) >= 5 && b[0] == msgCRC {
		b = b[5:]
	}
	if len(b) > 0 && b[0] == msgCompound {
		return guardCompound(b[1:])
	}
	return guardMessage(b)
}

func guardMessage(b []byte) error {
	if len(b) > 0 && b[0] == msgCompress {
		return errors.New("a compressed packet")
	}
	return nil
}

// guardCompound looks at each message of a compound: a count, that many lengths, the messages.
func guardCompound(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	n := int(b[0])
	if len(b) < 1+2*n {
		return nil // memberlist refuses it
	}
	lengths, rest := b[1:1+2*n], b[1+2*n:]
	for ; len(lengths) > 0; lengths = lengths[2:] {
		size := int(binary.BigEndian.Uint16(lengths))
		if size > len(rest) {
			return nil
		}
		if part := rest[:size]; len(part) > 0 && part[0] == msgCompound {
			return errors.New("a compound packet within another")
		} else if err := guardMessage(part); err != nil {
			return err
		}
		rest = rest[size:]
	}
	return nil
}

// stream is a push/pull connection on which the peer can say only so much: a push/pull whose header
// announces no more than we would hold, or an error if that is the reply to ours.
type stream struct {
	net.Conn
	reply  bool
	onDone func() // called when the stream closes, perhaps more than once

	in   io.Reader // nil until the header is checked
	left int
}

// Read reads what the peer says, after a look at its header. It is called from one goroutine.
func (s *stream) Read(p []byte) (int, error) {
	if s.in == nil {
		head, err := guardHeader(s.Conn, s.reply)
		if err != nil {
			return 0, err
		}
		s.in, s.left = io.MultiReader(bytes.NewReader(head), s.Conn), maxStream
	}
	if s.left == 0 {
		return 0, fmt.Errorf("a push/pull of more than %d bytes", maxStream)
	}
	n, err := s.in.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}

// Close closes the connection.
func (s *stream) Close() error {
	err := s.Conn.Close()
	s.onDone()
	return err
}

// guardHeader reads the header of a push/pull and returns its bytes. memberlist makes room for as many
// nodes as it announces, before it reads the first.
func guardHeader(conn io.Reader, reply bool) ([]byte, error) {
	h := header{in: conn}
	kind := h.next()
	if kind == msgError && reply {
		return h.read, h.err
	}
	if h.err == nil && kind != msgPushPull {
		return nil, fmt.Errorf("a stream of type %d, want a push/pull", kind)
	}
	entries := h.next()
	if h.err == nil && entries&0xf0 != 0x80 {
		return nil, errors.New("the header of a push/pull is not a small map")
	}
	for range entries & 0x0f {
		key := h.key()
		switch value := h.value(); {
		case h.err != nil:
			return nil, h.err
		case key == "Nodes" && value > maxNodes:
			return nil, fmt.Errorf("a push/pull of %d nodes, want at most %d", value, maxNodes)
		case key == "UserStateLen" && value > maxState:
			return nil, fmt.Errorf("a push/pull with %d bytes of heads, want at most %d", value, maxState)
		}
	}
	return h.read, h.err
}

// header reads the little of MessagePack that a push/pull's header holds, and remembers the bytes.
type header struct {
	in   io.Reader
	read []byte
	err  error
}

func (h *header) next() byte {
	var b [1]byte
	if h.err == nil {
		if _, h.err = io.ReadFull(h.in, b[:]); h.err == nil {
			h.read = append(h.read, b[0])
		} else if errors.Is(h.err, io.EOF) && len(h.read) > 0 {
			h.err = io.ErrUnexpectedEOF
		}
	}
	return b[0]
}

// key reads a string of at most 31 bytes.
func (h *header) key() string {
	n := h.next()
	if h.err == nil && n&0xe0 != 0xa0 {
		h.err = errors.New("the header of a push/pull holds a key that is not a short string")
	}
	var key []byte
	for range n & 0x1f {
		key = append(key, h.next())
	}
	return string(key)
}

// value reads a boolean, as 0, or a number; a negative one is refused by memberlist.
func (h *header) value() uint64 {
	first := h.next()
	switch {
	case first < 0x80:
		return uint64(first)
	case first == 0xc2 || first == 0xc3:
		return 0
	case first >= 0xcc && first <= 0xd3: // 1, 2, 4 or 8 bytes, unsigned and then signed
		var v uint64
		for range 1 << (first & 3) {
			v = v<<8 | uint64(h.next())
		}
		return v
	}
	if h.err == nil {
		h.err = errors.New("the header of a push/pull holds a value that is no small number")
	}
	return 0
}
