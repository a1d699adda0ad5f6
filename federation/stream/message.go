package stream

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"
	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

const (
	// chunkSize keeps a frame within 64 KiB.
	chunkSize = 60 << 10
	// maxFrame bounds what is read as one frame.
	maxFrame = 64 << 10
	// maxMessage bounds the memory that a peer's unfinished message takes. The largest record that passes
	// Check is smaller.
	maxMessage = 64 << 20
	// compressFrom is the size below which a message is sent as it is: it fits in one packet.
	compressFrom = 1 << 10
)

// outbox is a message on its way out, in chunks.
type outbox struct {
	left  []byte
	size  uint64 // without compression, 0 if there is none
	first bool
}

// pack returns the message as it goes out. Only what becomes smaller is compressed.
func pack(m *wire.Message) (outbox, error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return outbox{}, err
	}
	if len(data) >= compressFrom {
		if small := s2.Encode(nil, data); len(small) < len(data) {
			return outbox{left: small, size: uint64(len(data)), first: true}, nil
		}
	}
	return outbox{left: data, first: true}, nil
}

// empty reports whether all of the message was taken.
func (o *outbox) empty() bool { return len(o.left) == 0 && !o.first }

// chunk takes the next piece.
func (o *outbox) chunk() *wire.Frame {
	c := &wire.Chunk{Data: o.left[:min(chunkSize, len(o.left))], First: o.first}
	if o.first {
		c.Size = o.size
	}
	o.left, o.first = o.left[len(c.Data):], false
	c.Last = len(o.left) == 0
	return &wire.Frame{Kind: &wire.Frame_Chunk{Chunk: c}}
}

// inbox is a message on its way in.
type inbox struct {
	data []byte
	size uint64 // without compression, 0 if there is none
}

// take adds a chunk, and returns the message once it is whole.
func (i *inbox) take(c *wire.Chunk) (*wire.Message, error) {
	if c.GetFirst() {
		*i = inbox{size: c.GetSize()}
	}
	if i.size > maxMessage || len(i.data)+len(c.GetData()) > maxMessage {
		return nil, fmt.Errorf("message of more than %d bytes", maxMessage)
	}
	i.data = append(i.data, c.GetData()...)
	if !c.GetLast() {
		return nil, nil
	}
	data, err := i.unpack()
	*i = inbox{}
	if err != nil {
		return nil, err
	}
	return decodeMessage(data)
}

// unpack returns the message without compression. What it says of its size was bounded before.
func (i *inbox) unpack() ([]byte, error) {
	if i.size == 0 {
		return i.data, nil
	}
	n, err := s2.DecodedLen(i.data)
	if err == nil && uint64(n) != i.size {
		err = fmt.Errorf("a message of %d bytes was announced as one of %d", n, i.size)
	}
	if err != nil {
		return nil, fmt.Errorf("decompressing a message: %w", err)
	}
	data, err := s2.Decode(nil, i.data)
	if err != nil {
		return nil, fmt.Errorf("decompressing a message: %w", err)
	}
	return data, nil
}

// decodeMessage reads a message that is made of a bounded number of parts. One of a kind that a later version has
// is read as an empty one.
func decodeMessage(data []byte) (*wire.Message, error) {
	if err := checkParts(data); err != nil {
		return nil, fmt.Errorf("decoding a message: %w", err)
	}
	var m wire.Message
	if err := proto.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("decoding a message: %w", err)
	}
	return &m, nil
}

// message is what goes out as a Message: an update, or the hashes of what is held of an owner.
type message struct {
	update *federation.Update
	owner  federation.ClusterID
	hashes []federation.Hash
	common bool // the whole of an update from one version to another, which other streams have in the same words
}

func (m *message) tally() tally {
	if m.update != nil {
		return tallyOf(m.update)
	}
	return tally{hashes: len(m.hashes)}
}

func (m *message) encode() *wire.Message {
	if m.update != nil {
		return &wire.Message{Kind: &wire.Message_Update{Update: encodeUpdate(m.update)}}
	}
	return &wire.Message{Kind: &wire.Message_Hashes{Hashes: &wire.Hashes{Owner: string(m.owner), Hashes: encodeHashes(m.hashes)}}}
}

// packer packs messages for all streams of a member: what changed since the last version goes to every peer in the
// same words. The zero value is ready.
type packer struct {
	mu   sync.Mutex
	key  increment
	last outbox
}

// increment tells apart updates that join on to a version.
type increment struct {
	owner    federation.ClusterID
	from, to federation.Version
	digest   federation.Digest // differs while a standby is told of parts
}

func (p *packer) pack(m *message) (outbox, error) {
	if !m.common {
		return pack(m.encode())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key := increment{m.update.Owner, m.update.From, m.update.To, m.update.Digest}
	if p.key == key {
		return p.last, nil
	}
	out, err := pack(m.encode())
	if err == nil {
		p.key, p.last = key, out
	}
	return out, err
}
