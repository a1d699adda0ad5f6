package xds

import (
	"errors"
	"fmt"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// maxNode is how many bytes a client may say of itself. Decoded they may be a hundred times as many.
const maxNode = 64 << 10

// message is one message of a client. Which variant it is of is said before it is read.
type message struct {
	delta bool
	request
	typeURL string       // the first bytes of it where the type is not served
	node    *corev3.Node // nil where it does not say again who it is
	detail  string       // why it refuses, the first bytes of it
	// fault is that it holds more than a client may say: a gRPC status, and there is nothing else in the message then. It is
	// no error of reading because gRPC makes an internal one of any such.
	fault error
}

// part is what a field says, whatever its number is in a variant.
type part int

const (
	unread part = iota
	nodePart
	typePart
	namesPart
	subscribePart
	unsubscribePart
	hasPart
	noncePart
	detailPart
	parts
)

// What the fields of both variants say (envoy.service.discovery.v3.DiscoveryRequest and DeltaDiscoveryRequest).
var (
	sotwParts  = [...]part{2: nodePart, 3: namesPart, 4: typePart, 5: noncePart, 6: detailPart}
	deltaParts = [...]part{1: nodePart, 2: typePart, 3: subscribePart, 4: unsubscribePart, 5: hasPart, 6: noncePart, 7: detailPart}
)

// The numbers of fields of what is in a message.
const (
	entryKey   protowire.Number = 1 // of a map
	entryValue protowire.Number = 2
	statusText protowire.Number = 2 // of google.rpc.Status
)

// read takes what a client sent. Whatever that is, it takes a few MB beside the names and versions themselves: how much there
// is of what is kept is known before any of it is kept, and all else is passed over.
func (m *message) read(data []byte) error {
	*m = message{delta: m.delta}
	var all amounts
	f := fields{rest: data}
	for f.next() {
		all.add(m.part(f.number), len(f.value))
	}
	if f.err != nil {
		return fmt.Errorf("read request: %w", f.err)
	}
	if m.fault = all.check(); m.fault != nil {
		return nil
	}
	m.names, m.subscribe, m.unsubscribe = all.room(namesPart), all.room(subscribePart), all.room(unsubscribePart)
	for f = (fields{rest: data}); f.next(); {
		if err := m.take(m.part(f.number), f.value); err != nil {
			return fmt.Errorf("read request: field %d: %w", f.number, err)
		}
	}
	return nil
}

func (m *message) part(field protowire.Number) part {
	table := sotwParts[:]
	if m.delta {
		table = deltaParts[:]
	}
	if int(field) < len(table) {
		return table[field]
	}
	return unread
}

// take takes one field. As in protobuf the last of several counts, and several nodes are one.
func (m *message) take(p part, value []byte) error {
	if p == unread {
		return nil
	}
	switch p {
	case nodePart:
		if m.node == nil {
			m.node = new(corev3.Node)
		}
		return proto.UnmarshalOptions{Merge: true}.Unmarshal(value, m.node)
	case hasPart:
		return m.takeVersion(value)
	case detailPart:
		m.refused = true
		return m.takeDetail(value)
	}
	if !utf8.Valid(value) {
		return errNoText
	}
	switch p {
	case typePart:
		m.typeURL = urlOf(value)
	case noncePart:
		m.nonce = head(value)
	case namesPart:
		m.names = append(m.names, string(value))
	case subscribePart:
		m.subscribe = append(m.subscribe, string(value))
	case unsubscribePart:
		m.unsubscribe = append(m.unsubscribe, string(value))
	}
	return nil
}

// takeVersion takes what the client has of one resource. More names than it may subscribe to are not taken, nor longer ones.
func (m *message) takeVersion(entry []byte) error {
	var name, version []byte
	f := fields{rest: entry}
	for f.next() {
		switch f.number {
		case entryKey:
			name = f.value
		case entryValue:
			version = f.value
		default:
			continue
		}
		if !utf8.Valid(f.value) {
			return errNoText
		}
	}
	if f.err != nil || len(name) > maxNameLength {
		return f.err
	}
	if _, again := m.has[string(name)]; !again && len(m.has) == maxNames {
		return nil
	}
	if m.has == nil {
		m.has = map[string]string{}
	}
	m.has[string(name)] = head(version)
	return nil
}

func (m *message) takeDetail(data []byte) error {
	f := fields{rest: data}
	for f.next() {
		if f.number != statusText {
			continue
		}
		if !utf8.Valid(f.value) {
			return errNoText
		}
		m.detail = head(f.value)
	}
	return f.err
}

// urlOf returns a type URL, without any memory for those that are served.
func urlOf(value []byte) string {
	for _, url := range typeURLs {
		if url == string(value) {
			return url
		}
	}
	return head(value)
}

// head returns what is kept of a text that has no bound. Nothing that we say is as long as that, so what is cut is none of it.
func head(value []byte) string { return clip(string(value[:min(len(value), maxWords+1)])) }

// amounts are how much there is in a message.
type amounts struct {
	count   [parts]int
	longest int // name
	node    int // bytes of all nodes
}

func (a *amounts) add(p part, size int) {
	a.count[p]++
	switch p {
	case nodePart:
		a.node += size
	case namesPart, subscribePart, unsubscribePart:
		a.longest = max(a.longest, size)
	}
}

// check returns a gRPC status where there is more than may be.
func (a *amounts) check() error {
	if a.node > maxNode {
		return status.Errorf(codes.InvalidArgument, "node of %d bytes: want at most %d", a.node, maxNode)
	}
	if err := checkNames(max(a.count[namesPart], a.count[subscribePart], a.count[unsubscribePart])); err != nil {
		return err
	}
	return checkName(a.longest)
}

// room returns a list for the names of a part, nil for none.
func (a *amounts) room(p part) []string {
	if a.count[p] == 0 {
		return nil
	}
	return make([]string, 0, a.count[p])
}

// checkNames returns a gRPC status where a client wants too many names.
func checkNames(n int) error {
	if n > maxNames {
		return status.Errorf(codes.ResourceExhausted, "%d resource names on one stream: want at most %d", n, maxNames)
	}
	return nil
}

// checkName returns a gRPC status where a name is too long.
func checkName(n int) error {
	if n > maxNameLength {
		return status.Errorf(codes.InvalidArgument, "resource name of %d bytes: want at most %d", n, maxNameLength)
	}
	return nil
}

// fields goes through those fields of a message that have a length: all that is read is of them. One that is of another type
// than it should be is passed over, as protobuf does.
type fields struct {
	rest   []byte
	number protowire.Number
	value  []byte
	err    error // why there is no next one, nil at the end
}

func (f *fields) next() bool {
	for len(f.rest) > 0 {
		var kind protowire.Type
		var n int
		f.number, kind, n = protowire.ConsumeTag(f.rest)
		if n < 0 || f.number > protowire.MaxValidNumber {
			f.err = errNumber
			return false
		}
		f.rest = f.rest[n:]
		if kind == protowire.BytesType {
			f.value, n = protowire.ConsumeBytes(f.rest)
		} else {
			n = protowire.ConsumeFieldValue(f.number, kind, f.rest)
		}
		if n < 0 {
			f.err = fmt.Errorf("field %d: %w", f.number, protowire.ParseError(n))
			return false
		}
		f.rest = f.rest[n:]
		if kind == protowire.BytesType {
			return true
		}
	}
	return false
}

var (
	errNumber = errors.New("a field has no valid number")
	errNoText = errors.New("it is not UTF-8")
)
