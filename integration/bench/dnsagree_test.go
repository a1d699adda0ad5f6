package main

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

// replyTo is an answer to a question for a service, with an A record for each address.
func replyTo(rcode int, truncated bool, addresses ...string) *dns.Msg {
	m := new(dns.Msg).SetRcode(new(dns.Msg).SetQuestion(dnsHost("web-0"), dns.TypeA), rcode)
	m.Truncated = truncated
	for _, text := range addresses {
		m.Answer = append(m.Answer, &dns.A{
			Hdr: dns.RR_Header{Name: dnsHost("web-0"), Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 5},
			A:   netip.MustParseAddr(text).AsSlice(),
		})
	}
	return m
}

func TestAnswersAreReadWithoutTheirOrder(t *testing.T) {
	k := dnsKind{rcode: "NOERROR"}
	one, err := k.read(replyTo(dns.RcodeSuccess, false, "10.0.0.1", "10.0.0.2"))
	if err != nil {
		t.Fatal(err)
	}
	if same, err := k.read(replyTo(dns.RcodeSuccess, false, "10.0.0.2", "10.0.0.1")); err != nil || same != one {
		t.Errorf("read %q (%v), want %q", same, err, one)
	}
	for _, other := range [][]string{{"10.0.0.1"}, {"10.0.0.1", "10.0.0.3"}, {"10.0.0.1", "10.0.0.2", "10.0.0.2"}} {
		if text, err := k.read(replyTo(dns.RcodeSuccess, false, other...)); err != nil || text == one {
			t.Errorf("%v is read as %q (%v)", other, text, err)
		}
	}
}

func TestAnswersMustBeOfTheirKind(t *testing.T) {
	exists, denied := dnsKind{rcode: "NOERROR"}, dnsKind{rcode: "NXDOMAIN"}
	if text, err := denied.read(replyTo(dns.RcodeNameError, false)); err != nil || text != "" {
		t.Errorf("a denial is read as %q (%v)", text, err)
	}
	for name, c := range map[string]struct {
		kind  dnsKind
		reply *dns.Msg
	}{
		"denied":            {exists, replyTo(dns.RcodeNameError, false)},
		"failed":            {exists, replyTo(dns.RcodeServerFailure, false)},
		"empty":             {exists, replyTo(dns.RcodeSuccess, false)},
		"truncated":         {exists, replyTo(dns.RcodeSuccess, true, "10.0.0.1")},
		"there":             {denied, replyTo(dns.RcodeSuccess, false, "10.0.0.1")},
		"empty, not denied": {denied, replyTo(dns.RcodeSuccess, false)},
	} {
		if text, err := c.kind.read(c.reply); err == nil {
			t.Errorf("%s: read as %q", name, text)
		}
	}
}
