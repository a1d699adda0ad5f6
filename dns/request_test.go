package dns

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// FuzzRespond holds that no message whatever makes trouble: each is dropped or has a reply that can be read, fits, and is
// to its question; and that a library which reads DNS agrees with what was understood.
func FuzzRespond(f *testing.F) {
	view := shop().importer(f).View()
	for i, test := range answers {
		r := asking(test.question)
		if i%2 == 0 {
			r.SetEdns0(uint16(i*100), i%4 == 0)
		}
		wire, err := r.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire, i%3 == 0)
	}
	h := hosting(view, 1<<20)
	limited := newResponder(&zone, newLimit(1, time.Now()), newCache(0))
	f.Fuzz(func(t *testing.T, wire []byte, tcp bool) {
		limited.respond(wire, state{view, Partial}, origin{tcp: tcp, client: netip.IPv6Unspecified(), time: time.Now()})
		reply, told, drop := h.respond(wire, state{view, Complete}, origin{tcp: tcp, at: here})
		var sent dns.Msg
		readable := sent.Unpack(wire) == nil
		if drop != "" {
			if drop == Malformed && readable && len(sent.Question) == 1 && !inexact(wire, &sent) {
				t.Fatalf("dropped as malformed:\n%v", &sent)
			}
			return
		}
		var got dns.Msg
		if err := got.Unpack(reply); err != nil {
			t.Fatalf("%v: reply %x to %x", err, reply, wire)
		}
		if limit := maxUDPSize; !tcp && len(reply) > limit || len(reply) > maxTCPSize || told.Reply != len(reply) {
			t.Errorf("%d bytes, told of %d", len(reply), told.Reply)
		}
		if got.Id != binary.BigEndian.Uint16(wire) || !got.Response {
			t.Errorf("%v is no reply to %v", &got, &sent)
		}
		if len(got.Answer) > 0 && got.Rcode != dns.RcodeSuccess {
			t.Errorf("an answer with %s", dns.RcodeToString[got.Rcode])
		}
		if len(got.Question) == 1 && readable && len(sent.Question) == 1 && got.Question[0] != sent.Question[0] {
			t.Errorf("question %v, understood as %v", sent.Question[0], got.Question[0])
		}
		if opt := sent.IsEdns0(); readable && len(got.Question) == 1 && got.Rcode != dns.RcodeFormatError && (opt != nil) != (got.IsEdns0() != nil) {
			t.Errorf("with an OPT: %t, the reply too: %t", opt != nil, got.IsEdns0() != nil)
		}
	})
}

// inexact reports whether a message is one that the library forgives: the name of its question has a pointer, which can
// lead nowhere but to itself, or is longer than names are; or it ends before all records that its header counts.
func inexact(wire []byte, read *dns.Msg) bool {
	_, ok := new(request).readQuestion(wire)
	return !ok || int(binary.BigEndian.Uint16(wire[8:]))+int(binary.BigEndian.Uint16(wire[10:])) != len(read.Ns)+len(read.Extra)
}
