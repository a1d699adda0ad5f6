package dns

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// The sizes of replies, in bytes.
const (
	minUDPSize = dns.MinMsgSize // what every client takes (RFC 1035)
	maxUDPSize = 1232           // what crosses the usual networks unfragmented
	maxTCPSize = dns.MaxMsgSize
)

const optSize = 11 // bytes of an OPT without options

// packed is a Reply in wire format: it goes behind the question, in any spelling of it. It is immutable.
type packed struct {
	rcode         int
	authoritative bool
	denial        bool
	shares        []Share // of answer, see Reply
	answer, extra section
}

// section is records in wire format, one behind the other.
type section struct {
	wire []byte
	ends []int32 // of each record
}

// pack returns the Reply to a question of that name in wire format.
func pack(reply Reply, name string) (*packed, error) {
	p := &packed{rcode: reply.Rcode, authoritative: reply.Authoritative, denial: reply.Denial, shares: reply.Shares}
	for _, s := range []struct {
		to      *section
		records []dns.RR
	}{{&p.answer, reply.Answer}, {&p.extra, reply.Extra}} {
		for _, rr := range s.records {
			if err := s.to.add(rr, name); err != nil {
				return nil, err
			}
		}
		s.to.wire, s.to.ends = slices.Clone(s.to.wire), slices.Clone(s.to.ends) // without room to grow
	}
	return p, nil
}

// add packs a record. One that the question's name owns points to it, so that it has the same spelling. No other name is
// compressed: that of a SRV must not be (RFC 2782), and the owners of additional records could only point to those.
func (s *section) add(rr dns.RR, name string) error {
	b := make([]byte, dns.Len(rr)+1)
	end, err := dns.PackRR(rr, b, 0, nil, false)
	if err != nil {
		return fmt.Errorf("packing %s: %w", rr.Header().Name, err)
	}
	b = b[:end]
	if strings.EqualFold(rr.Header().Name, name) {
		owner, ok := skipName(b, 0)
		if !ok {
			return fmt.Errorf("packing %s: its name has no end", name)
		}
		s.wire = append(s.wire, pointerMask, toQuestion)
		b = b[owner:]
	}
	s.wire = append(s.wire, b...)
	s.ends = append(s.ends, int32(len(s.wire)))
	return nil
}

func (s *section) len() int { return len(s.ends) }

// part returns the records from one to before another.
func (s *section) part(from, to int) []byte {
	if from >= to {
		return nil
	}
	start := int32(0)
	if from > 0 {
		start = s.ends[from-1]
	}
	return s.wire[start:s.ends[to-1]]
}

// size returns how many bytes of memory the records of p take.
func (p *packed) size() int { return p.answer.size() + p.extra.size() + shareSize*cap(p.shares) }

// shareSize is what a Share takes.
const shareSize = 24

func (s *section) size() int { return cap(s.wire) + 4*cap(s.ends) }

// write appends the reply to a request to b, which must be empty, no longer than limit: for a Reply of the zone with that
// serial. Additional records are the first to be left out, and no loss that a client must know of (RFC 2181, section 9);
// if answers are, truncated says so, and the reply, unless whole says that limit is the most there ever is: then it has a
// subset (D7). With which answers it begins is by the turn, those of this cluster before the others.
func (p *packed) write(b []byte, r *request, zone *Zone, serial uint32, limit int, whole bool, turn uint32) (out []byte, truncated bool) {
	b = r.header(b, p)
	if r.edns {
		limit -= optSize
	}
	room := limit - len(b)
	b, answers := p.writeAnswer(b, room, turn)
	if answers < p.answer.len() && !whole {
		b[2] |= flagTruncated >> 8
		truncated = true
	}
	authorities, extras := 0, 0
	if p.denial {
		b, authorities = zone.writeDenial(b, r, serial), 1
	}
	if answers == p.answer.len() && len(b)+len(p.extra.wire) <= limit {
		b, extras = append(b, p.extra.wire...), p.extra.len()
	}
	if r.edns {
		b, extras = r.writeOPT(b, p.rcode), extras+1
	}
	binary.BigEndian.PutUint16(b[6:], uint16(answers))
	binary.BigEndian.PutUint16(b[8:], uint16(authorities))
	binary.BigEndian.PutUint16(b[10:], uint16(extras))
	return b, truncated
}

// header appends the header of the reply, without what is counted, and the question.
func (r *request) header(b []byte, p *packed) []byte {
	flags := flagResponse | r.flags&(opcodeMask|flagRecursionDesired|flagCheckingDisabled) | uint16(p.rcode&0xF)
	if p.authoritative {
		flags |= flagAuthoritative
	}
	b = binary.BigEndian.AppendUint16(b, r.id)
	b = binary.BigEndian.AppendUint16(b, flags)
	questions := uint16(0)
	if r.question != nil {
		questions = 1
	}
	b = binary.BigEndian.AppendUint16(b, questions)
	b = append(b, make([]byte, 6)...)
	return append(b, r.question...)
}

// writeAnswer appends the answers, or as many as fit into room, and returns how many.
func (p *packed) writeAnswer(b []byte, room int, turn uint32) ([]byte, int) {
	s, n := &p.answer, p.answer.len()
	var few [8][2]int
	parts := p.parts(few[:0], turn)
	if len(s.wire) <= room {
		for _, part := range parts {
			b = append(b, s.part(part[0], part[1])...)
		}
		return b, n
	}
	written := 0
	for _, part := range parts {
		for i := part[0]; i < part[1]; i++ {
			record := s.part(i, i+1)
			if room -= len(record); room < 0 {
				return b, written
			}
			b = append(b, record...)
			written++
		}
	}
	return b, written
}

// writeOPT appends the OPT that goes with a reply (RFC 6891, section 6.1).
func (r *request) writeOPT(b []byte, rcode int) []byte {
	ttl := uint32(rcode>>4) << 24
	if r.do {
		ttl |= ednsDO
	}
	b = append(b, 0)
	b = binary.BigEndian.AppendUint16(b, dns.TypeOPT)
	b = binary.BigEndian.AppendUint16(b, maxUDPSize)
	b = binary.BigEndian.AppendUint32(b, ttl)
	return binary.BigEndian.AppendUint16(b, 0)
}
