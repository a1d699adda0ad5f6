package xds

import (
	"weak"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // which codec stands on
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers of the fields of both variants of responses (envoy.service.discovery.v3).
const (
	responseVersion   protowire.Number = 1 // of DiscoveryResponse and DeltaDiscoveryResponse alike
	responseResources protowire.Number = 2
	responseType      protowire.Number = 4
	responseNonce     protowire.Number = 5
	responseRemoved   protowire.Number = 6 // of DeltaDiscoveryResponse

	resourceVersion protowire.Number = 1 // of Resource
	resourceBody    protowire.Number = 2
	resourceName    protowire.Number = 3

	anyType  protowire.Number = 1 // of google.protobuf.Any
	anyValue protowire.Number = 2
)

// codec is that of protobuf, but for what streams send and receive: it lays a response around the bytes of its resources, so
// that what is big is not copied for each client, and reads a message without more of protobuf than it takes.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(message any) (mem.BufferSlice, error) {
	if r, ok := message.(*response); ok {
		return r.marshal(), nil
	}
	return c.CodecV2.Marshal(message)
}

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, into any) error {
	if m, ok := into.(*message); ok {
		buffer := data.MaterializeToBuffer(mem.DefaultBufferPool())
		defer buffer.Free()
		return m.read(buffer.ReadOnlyData())
	}
	return c.CodecV2.Unmarshal(data, into)
}

// marshal returns the message as a client reads it. It may be called again once what it returned is not used any more.
func (r *response) marshal() mem.BufferSlice {
	frame := appendText(make([]byte, 0, r.room()), responseVersion, r.version)
	head := len(frame)
	frame = appendText(frame, responseType, typeURLs[r.kind])
	frame = appendText(frame, responseNonce, r.nonce)
	for _, name := range r.removed {
		frame = appendText(frame, responseRemoved, name)
	}
	r.usual.ends = [2]mem.SliceBuffer{frame[:head], frame[head:]}
	buffers := append(mem.BufferSlice(r.usual.pieces[:0]), &r.usual.ends[0])
	for _, b := range r.bodies {
		buffers = append(buffers, b.lay(r.kind, r.delta)...)
	}
	return append(buffers, &r.usual.ends[1])
}

// room returns how long the message is without its resources, at most.
func (r *response) room() int {
	n := 32 + len(r.version) + len(typeURLs[r.kind]) + len(r.nonce)
	for _, name := range r.removed {
		n += 4 + len(name)
	}
	return n
}

// lay returns a body as a field of responses, in the pieces in which it is sent. They are laid out once for all streams that
// are sent them at about the same time, and held no longer than until memory is cleared: nothing is held twice at rest.
func (b *body) lay(k kind, delta bool) mem.BufferSlice {
	b.mu.Lock()
	defer b.mu.Unlock()
	memo := &b.plain
	if delta {
		memo = &b.named
	}
	if laid := memo.Value(); laid != nil {
		return *laid
	}
	laid := b.layOut(typeURLs[k], delta)
	*memo = weak.Make(&laid)
	return laid
}

// layOut lays out a body as an Any, which in the incremental variant is inside a Resource.
func (b *body) layOut(url string, delta bool) mem.BufferSlice {
	inAny := protowire.SizeTag(anyType) + protowire.SizeBytes(len(url))
	if b.size > 0 {
		inAny += protowire.SizeTag(anyValue) + protowire.SizeBytes(b.size)
	}
	w := writer{frame: make([]byte, 0, b.room(url))}
	if delta {
		whole := protowire.SizeTag(resourceVersion) + protowire.SizeBytes(len(b.version)) +
			protowire.SizeTag(resourceBody) + protowire.SizeBytes(inAny) +
			protowire.SizeTag(resourceName) + protowire.SizeBytes(len(b.name))
		w.frame = appendLength(w.frame, responseResources, whole)
		w.frame = appendText(w.frame, resourceVersion, b.version)
		w.frame = appendLength(w.frame, resourceBody, inAny)
	} else {
		w.frame = appendLength(w.frame, responseResources, inAny)
	}
	w.frame = appendText(w.frame, anyType, url)
	if b.size > 0 {
		w.frame = appendLength(w.frame, anyValue, b.size)
	}
	for _, p := range b.pieces {
		w.piece(p)
	}
	if delta {
		w.frame = appendText(w.frame, resourceName, b.name)
	}
	w.flush()
	return w.buffers
}

// room returns how much of what is laid out is not laid between other pieces as it is, at most.
func (b *body) room(url string) int {
	n := 32 + len(url) + len(b.version) + len(b.name)
	for _, p := range b.pieces {
		if len(p) < lone {
			n += len(p)
		}
	}
	return n
}

// lone is the size from which a piece is laid between others as it is. Below that a copy is cheaper.
const lone = 4 << 10

// writer lays pieces behind one another.
type writer struct {
	buffers mem.BufferSlice
	frame   []byte // what was copied since the last piece that was not
}

func (w *writer) piece(p []byte) {
	if len(p) < lone {
		w.frame = append(w.frame, p...)
		return
	}
	w.flush()
	w.buffers = append(w.buffers, mem.SliceBuffer(p))
}

// flush ends the frame. What is written after it goes behind it in the same memory.
func (w *writer) flush() {
	if len(w.frame) > 0 {
		w.buffers = append(w.buffers, mem.SliceBuffer(w.frame))
		w.frame = w.frame[len(w.frame):]
	}
}
