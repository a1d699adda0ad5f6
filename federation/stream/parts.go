package stream

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

const (
	// maxParts bounds of how many parts, at every depth, one message is made: a part of two bytes on the wire
	// takes a hundred in memory. Most messages and each packed number are one part.
	maxParts = 1 << 20
	// exportParts is what a record counts, whose memory is that of as many endpoints.
	exportParts = 8
	// maxReported bounds how many refused records of one update are told of.
	maxReported = 16
)

// checkParts returns an error when an encoded message is made of more than maxParts parts, before
// memory is spent on any of them.
func checkParts(data []byte) error {
	n, err := countParts((&wire.Message{}).ProtoReflect().Descriptor(), data, 0)
	if err == nil && n > maxParts {
		err = fmt.Errorf("want at most %d parts", maxParts)
	}
	return err
}

// countParts adds to n the parts of an encoded message; it may stop beyond maxParts. The depth is that of
// the schema, which does not nest itself.
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
		if field != nil && kind == protowire.BytesType {
			inner, _ := protowire.ConsumeBytes(data)
			var err error
			if n, err = countField(field, inner, n); err != nil {
				return n, err
			}
		}
		data = data[length:]
	}
	return n, nil
}

// width is the least number of bytes that a packed number takes.
func width(field protoreflect.FieldDescriptor) int {
	if field.Kind() == protoreflect.Fixed64Kind {
		return 8
	}
	return 1
}

// countField adds to n what a field with bytes is made of: a message, packed numbers, one text of many, or a text
// alone, which takes no more memory than it has bytes.
func countField(field protoreflect.FieldDescriptor, inner []byte, n int) (int, error) {
	switch schema := field.Message(); {
	case schema == nil && field.IsPacked():
		return n + len(inner)/width(field), nil
	case schema == nil && field.IsList():
		return n + 1, nil
	case schema == nil:
		return n, nil
	case schema == exportSchema:
		return countParts(schema, inner, n+exportParts)
	default:
		return countParts(schema, inner, n+1)
	}
}

var exportSchema = (&wire.Export{}).ProtoReflect().Descriptor()
