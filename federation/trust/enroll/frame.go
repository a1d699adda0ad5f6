package enroll

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// maxFrame bounds a request and a reply.
const maxFrame = 64 << 10

// writeFrame writes v as JSON after its length, in one piece.
func writeFrame(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode a frame: %w", err)
	}
	if len(text) > maxFrame {
		return fmt.Errorf("a frame of %d bytes, want at most %d", len(text), maxFrame)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...))
	return err
}

// malformed is why a frame that came whole, or its length, cannot be used.
type malformed struct{ error }

// readFrame reads what writeFrame wrote. What it does not know of it is left out.
func readFrame(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return fmt.Errorf("await a frame: %w", err)
	}
	length := binary.BigEndian.Uint32(head[:])
	if length == 0 || length > maxFrame {
		return malformed{fmt.Errorf("a frame of %d bytes, want 1 to %d", length, maxFrame)}
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
