package dns

import (
	"github.com/miekg/dns"
)

// The sizes of replies, in bytes.
const (
	minUDPSize = dns.MinMsgSize // what every client takes (RFC 1035)
	maxUDPSize = 1232           // what crosses the usual networks unfragmented
	maxTCPSize = dns.MaxMsgSize
)

// accept says by its header alone what becomes of a message: a response is ignored, so that two servers
// never talk to each other for ever; what is not one plain question is refused.
func accept(h dns.Header) dns.MsgAcceptAction {
	const response = 1 << 15
	switch opcode := int(h.Bits>>11) & 0xF; {
	case h.Bits&response != 0:
		return dns.MsgIgnore
	case opcode != dns.OpcodeQuery:
		return dns.MsgRejectNotImplemented
	case h.Qdcount != 1 || h.Ancount > 0 || h.Nscount > 1 || h.Arcount > 2:
		return dns.MsgReject // a SOA goes with IXFR; OPT and TSIG go with any question
	}
	return dns.MsgAccept
}

// respond returns the reply to a request, no larger than the client and max allow. What answer returns
// becomes the reply's.
func respond(request *dns.Msg, tcp bool, answer func(dns.Question) Reply) *dns.Msg {
	m := new(dns.Msg).SetReply(request)
	opts := edns(request)
	switch {
	case len(request.Question) != 1 || len(opts) > 1:
		m.Rcode = dns.RcodeFormatError
	case len(opts) == 1 && opts[0].Version() != 0:
		m.Rcode = dns.RcodeBadVers
	default:
		reply := answer(request.Question[0])
		m.Rcode, m.Authoritative = reply.Rcode, reply.Authoritative
		m.Answer, m.Ns, m.Extra = reply.Answer, reply.Ns, reply.Extra
	}
	size := maxTCPSize
	if !tcp {
		size = minUDPSize
		if len(opts) > 0 {
			size = min(max(minUDPSize, int(opts[0].UDPSize())), maxUDPSize)
		}
	}
	fit(m, opts, size)
	return m
}

// fit makes m fit into size, with an OPT of ours if the client sent one. Additional records are the
// first to go, and no loss that a client must know of (RFC 2181, section 9); others are, and set TC.
func fit(m *dns.Msg, opts []*dns.OPT, size int) {
	extra := m.Extra
	setOPT := func() {
		if len(opts) > 0 {
			m.SetEdns0(maxUDPSize, opts[0].Do())
		}
	}
	m.Compress = true
	setOPT()
	if len(extra) > 0 && m.Len() > size {
		m.Extra = nil
		setOPT()
	}
	m.Truncate(size)
}

// edns returns the OPT records of a request, of which there should be one at most.
func edns(request *dns.Msg) []*dns.OPT {
	var opts []*dns.OPT
	for _, rr := range request.Extra {
		if opt, ok := rr.(*dns.OPT); ok {
			opts = append(opts, opt)
		}
	}
	return opts
}
