package dns

import (
	"math/rand/v2"
	"net/netip"
	"time"
	"weak"

	"github.com/miekg/dns"

	"github.com/hansa-mcs/hansa/importer"
)

// responder has the replies to messages. It is used by one goroutine.
type responder struct {
	zone  *Zone
	limit *limit // nil for none
	cache *cache
	key   []byte
	out   []byte
}

// state is from what a message is answered.
type state struct {
	view  *importer.View // of the clusterset, see View.Clusterset
	known Knowledge
}

// origin is where a message came from, and when.
type origin struct {
	tcp    bool
	client netip.Addr
	at     netip.Addr // where it arrived
	time   time.Time
}

func newResponder(zone *Zone, limit *limit, cache *cache) *responder {
	return &responder{zone: zone, limit: limit, cache: cache, key: make([]byte, 0, maxWire+4), out: make([]byte, 0, maxUDPSize)}
}

// respond returns the reply to a message, which is valid until the next call, and what is to be told of it; or why there
// is none.
func (d *responder) respond(wire []byte, now state, from origin) (reply []byte, told Exchange, drop Drop) {
	r, drop := readRequest(wire)
	if drop != "" {
		return nil, told, drop
	}
	told = Exchange{Type: typeLabel(r.question != nil, r.qtype), TCP: from.tcp, Request: len(wire)}
	p := d.reply(&r, now, from, &told)
	size := r.size
	if from.tcp {
		size = maxTCPSize
	}
	d.out, told.Truncated = p.write(d.out[:0], &r, d.zone, uint32(now.view.Revision), size, from.tcp, rand.Uint32())
	told.Rcode, told.Reply = rcodeLabel(p.rcode), len(d.out)
	return d.out, told, ""
}

// reply returns the packed reply to a request.
func (d *responder) reply(r *request, now state, from origin, told *Exchange) *packed {
	if told.Limited = d.limit.exceeded(from.client, from.time); told.Limited {
		return refusal
	}
	if r.rcode != dns.RcodeSuccess {
		return &packed{rcode: r.rcode}
	}
	d.key = appendKey(d.key[:0], r)
	if p := d.cache.get(d.key, now.view); p != nil {
		return p
	}
	p, service := d.answer(r, now, from)
	if service != nil {
		d.cache.put(d.key, cached{name: service.Name, service: weak.Make(service), reply: p})
	}
	return p
}

// answer has Answer say what is to be said, and packs it.
func (d *responder) answer(r *request, now state, from origin) (*packed, *importer.Service) {
	name, _, err := dns.UnpackDomainName(r.name, 0)
	if err != nil {
		return &packed{rcode: dns.RcodeFormatError}, nil
	}
	reply := Answer(now.view, now.known, *d.zone, dns.Question{Name: name, Qtype: r.qtype, Qclass: r.qclass}, from.at)
	p, err := pack(reply, name)
	if err != nil { // no name in the View is one that cannot be written, but it came from the network
		return &packed{rcode: dns.RcodeServerFailure}, nil
	}
	return p, reply.Of
}

// refusal is what a client gets that asks too often.
var refusal = &packed{rcode: dns.RcodeRefused}
