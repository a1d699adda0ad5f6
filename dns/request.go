package dns

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

const (
	headerSize = 12
	maxWire    = 255 // bytes of a name (RFC 1035, section 2.3.4)
)

// The bits of a header that matter here (RFC 1035, section 4.1.1, and RFC 4035, section 3.1).
const (
	flagResponse              = 1 << 15
	flagAuthoritative         = 1 << 10
	flagTruncated             = 1 << 9
	flagRecursionDesired      = 1 << 8
	flagCheckingDisabled      = 1 << 4
	opcodeMask                = 0xF << 11
	ednsDO                    = 1 << 15 // of the OPT's TTL (RFC 3225)
	pointerMask               = 0xC0
	toQuestion           byte = headerSize // where a pointer finds the question's name
)

// request is what matters of a message. Its slices are parts of it.
type request struct {
	id, flags uint16
	question  []byte // name, type and class, as they came; nil where they do not matter
	name      []byte // the question's, with its last, empty label
	qtype     uint16
	qclass    uint16

	edns bool
	size int // bytes of a reply over UDP that the client takes
	do   bool

	rcode int // what is wrong with it, dns.RcodeSuccess if it is to be answered
}

// readRequest reads a message. It returns a reason to drop it, "" if it is to have a reply. What it says is all in
// the request: nothing of the message is copied, and nothing allocated.
func readRequest(wire []byte) (r request, drop Drop) {
	if len(wire) < headerSize {
		return r, Malformed
	}
	field := func(i int) uint16 { return binary.BigEndian.Uint16(wire[i:]) }
	r = request{id: field(0), flags: field(2), size: minUDPSize}
	questions, answers, authorities, additionals := field(4), field(6), field(8), field(10)
	switch {
	case r.flags&flagResponse != 0:
		return r, Response
	case r.flags&opcodeMask != dns.OpcodeQuery<<11:
		r.rcode = dns.RcodeNotImplemented
		return r, ""
	case questions != 1 || answers > 0 || authorities > 1 || additionals > 2:
		r.rcode = dns.RcodeFormatError // a SOA goes with IXFR; OPT and TSIG go with any question
		return r, ""
	}
	end, ok := r.readQuestion(wire)
	if !ok {
		return r, Malformed
	}
	opts := 0
	for i := range authorities + additionals {
		var o record
		if o, end, ok = readRecord(wire, end); !ok {
			return r, Malformed
		}
		if i >= authorities && o.typ == dns.TypeOPT {
			opts++
			r.takeOPT(o)
		}
	}
	if opts > 1 { // RFC 6891, section 6.1.1
		r.rcode = dns.RcodeFormatError
	}
	return r, ""
}

// readQuestion takes the question, and returns where it ends. Its name is the first of the message: a pointer in it
// would lead to itself.
func (r *request) readQuestion(wire []byte) (end int, ok bool) {
	end = headerSize
	for {
		if end >= len(wire) || wire[end]&pointerMask != 0 {
			return 0, false
		}
		length := int(wire[end])
		end += 1 + length
		if end-headerSize > maxWire {
			return 0, false
		}
		if length == 0 {
			break
		}
	}
	if end+4 > len(wire) {
		return 0, false
	}
	r.name = wire[headerSize:end]
	r.qtype, r.qclass = binary.BigEndian.Uint16(wire[end:]), binary.BigEndian.Uint16(wire[end+2:])
	r.question = wire[headerSize : end+4]
	return end + 4, true
}

// record is the fixed part of a record behind the question.
type record struct {
	rooted     bool // its name is the root
	typ, class uint16
	ttl        uint32
}

// readRecord reads the record at start, and returns where it ends.
func readRecord(wire []byte, start int) (rr record, end int, ok bool) {
	end, ok = skipName(wire, start)
	if !ok || end+10 > len(wire) {
		return rr, 0, false
	}
	rr = record{
		rooted: end == start+1,
		typ:    binary.BigEndian.Uint16(wire[end:]),
		class:  binary.BigEndian.Uint16(wire[end+2:]),
		ttl:    binary.BigEndian.Uint32(wire[end+4:]),
	}
	end += 10 + int(binary.BigEndian.Uint16(wire[end+8:]))
	return rr, end, end <= len(wire)
}

// skipName returns where the name at start ends: behind its last label, or its pointer, which is not followed.
func skipName(wire []byte, start int) (end int, ok bool) {
	for end = start; end < len(wire) && end-start <= maxWire; {
		switch length := int(wire[end]); {
		case length == 0:
			return end + 1, true
		case length&pointerMask == pointerMask:
			return end + 2, end+2 <= len(wire)
		case length&pointerMask != 0:
			return 0, false
		default:
			end += 1 + length
		}
	}
	return 0, false
}

// takeOPT takes what the client says of itself (RFC 6891, section 6.1).
func (r *request) takeOPT(o record) {
	r.edns = true
	r.size = min(max(minUDPSize, int(o.class)), maxUDPSize)
	r.do = o.ttl&ednsDO != 0
	switch version := o.ttl >> 16 & 0xFF; {
	case !o.rooted:
		r.rcode = dns.RcodeFormatError
	case version != 0:
		r.rcode = dns.RcodeBadVers
	}
}
