package stream

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

const (
	// maxParts bounds how many messages, at every depth, one update is made of: a part of two bytes on the
	// wire takes a hundred in memory.
	maxParts = 1 << 20
	// maxReported bounds how many refused records of one update are told of.
	maxReported = 16
)

// checkParts returns an error when an encoded update is made of more than maxParts messages, before
// memory is spent on any of them.
func checkParts(data []byte) error {
	n, err := countParts((&wire.Update{}).ProtoReflect().Descriptor(), data, 0)
	if err == nil && n > maxParts {
		err = fmt.Errorf("want at most %d parts", maxParts)
	}
	return err
}

// countParts adds to n the messages inside an encoded message; it may stop beyond maxParts. The depth is
// that of the schema, which does not nest itself.
func countParts(schema protoreflect.MessageDescriptor, data []byte, n int) (int, error) {
	for len(data) > 0 && n <= maxParts {
		number, kind, length := protowire.ConsumeTag(data)
		if length < 0 {
			return n, protowire.ParseError(length)
		}
		data = data[length:]
		field := schema.Fields().ByNumber(number)
		if length = protowire.ConsumeFieldValue(number, kind, data); length < 0 {
			return n, protowire.ParseError(length)
		}
		if field != nil && field.Message() != nil && kind == protowire.BytesType {
			inner, _ := protowire.ConsumeBytes(data)
			var err error
			if n, err = countParts(field.Message(), inner, n+1); err != nil {
				return n, err
			}
		}
		data = data[length:]
	}
	return n, nil
}
