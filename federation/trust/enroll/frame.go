package enroll

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// What bounds a request, which a stranger may send, and a reply, in which a bundle of CAs is, in bytes.
const (
	maxRequest = 8 << 10
	maxReply   = 64 << 10
)

// writeFrame writes v as JSON after its length, in one piece of at most so many bytes.
func writeFrame(w io.Writer, v any, most int) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode a frame: %w", err)
	}
	if len(text) > most {
		return fmt.Errorf("a frame of %d bytes, want at most %d", len(text), most)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...))
	return err
}

// malformed is why a frame that came whole, or its length, cannot be used.
type malformed struct{ error }

// readFrame reads what writeFrame wrote. What it does not know of it is left out.
func readFrame(r io.Reader, v any, most uint32) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return fmt.Errorf("await a frame: %w", err)
	}
	length := binary.BigEndian.Uint32(head[:])
	if length == 0 || length > most {
		return malformed{fmt.Errorf("a frame of %d bytes, want 1 to %d", length, most)}
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(r, text); err != nil {
		return fmt.Errorf("await a frame of %d bytes: %w", length, err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return malformed{fmt.Errorf("a frame that is no JSON object of the protocol: %w", err)}
	}
	return nil
}
