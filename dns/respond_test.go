package dns

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// many is a world with one headless service, of n dual-stack endpoints.
func many(n int) world {
	var endpoints []string
	for i := range n {
		endpoints = append(endpoints,
			fmt.Sprintf("10.1.%d.%d pet-%d", i/250, i%250+1, i),
			fmt.Sprintf("fd00::%x pet-%d", i+1, i))
	}
	sql := ports(tcp("sql", 5432))
	return world{exports: []*federation.Export{export("east/db", federation.Headless, sql, subset(sql, endpoints...))}}
}

// asking returns a message with a question as question reads it.
func asking(text string) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion("", 0)
	m.Question[0] = question(text)
	return m
}

// desk is a responder in front of one View.
type desk struct {
	*responder
	view  *importer.View
	known Knowledge
}

func hosting(view *importer.View, cacheBytes int) desk {
	return desk{newResponder(&zone, nil, newCache(cacheBytes)), view, Complete}
}

// wire returns the bytes of the reply to a message.
func (h desk) wire(t testing.TB, m *dns.Msg, tcp bool) []byte {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	reply, _, drop := h.respond(b, state{h.view, h.known}, origin{tcp: tcp, at: here, client: netip.MustParseAddr("192.0.2.1")})
	if drop != "" {
		t.Fatalf("%v: dropped as %s", m, drop)
	}
	return reply
}

func (h desk) ask(t testing.TB, m *dns.Msg, tcp bool) *dns.Msg {
	t.Helper()
	reply := new(dns.Msg)
	if err := reply.Unpack(h.wire(t, m, tcp)); err != nil {
		t.Fatal(err)
	}
	return reply
}

// TestRespondSaysWhatAnswerSays asks each question twice: the second reply is from the cache. In another zone all is the
// same.
func TestRespondSaysWhatAnswerSays(t *testing.T) {
	rule.Covers(t, "D1")
	view := shop().importer(t).View()
	for _, name := range []string{DefaultZone, "mesh.corp.example", "x"} {
		z, err := ParseZone(name, DefaultTTL)
		if err != nil {
			t.Fatal(err)
		}
		z.self = "east"
		h := desk{newResponder(&z, nil, newCache(1<<20)), view, Complete}
		moved := strings.NewReplacer(".clusterset.local.", "."+z.origin, "xclusterset.local.", "x"+z.origin, "clusterset.local.", z.origin)
		for range 2 {
			for _, test := range answers {
				for _, tcp := range []bool{false, true} {
					r := asking(test.question)
					r.Question[0].Name = moved.Replace(r.Question[0].Name)
					r.SetEdns0(maxUDPSize, false)
					reply := h.ask(t, r, tcp)
					if reply.Id != r.Id || !reply.Response || reply.Question[0] != r.Question[0] {
						t.Errorf("%s: reply to another question:\n%v", test.question, reply)
					}
					got := strings.ReplaceAll(render(received(reply, z)), "."+z.origin, "")
					want := strings.ReplaceAll(moved.Replace(test.want), "."+z.origin, "")
					if sorted(got) != sorted(want) {
						t.Errorf("%s in %s (TCP %t):\n%s\nwant:\n%s", test.question, name, tcp, got, want)
					}
				}
			}
		}
	}
}

func TestReplyFitsWhatTheClientTakes(t *testing.T) {
	rule.Covers(t, "#49")
	h := hosting(many(2000).importer(t).View(), 1<<20)
	for _, test := range []struct {
		question  string
		edns      uint16 // 0 for none
		tcp       bool
		limit     int
		truncated bool
	}{
		{"db.shop.svc A", 0, false, 512, true},
		{"db.shop.svc A", 100, false, 512, true},
		{"db.shop.svc A", 900, false, 900, true},
		{"db.shop.svc A", 4096, false, 1232, true},
		{"_sql._tcp.db.shop.svc SRV", 4096, false, 1232, true},
		{"db.shop.svc A", 0, true, 65535, false},
		{"db.shop.svc AAAA", 512, true, 65535, false},
		{"pet-7.east.db.shop.svc A", 0, false, 512, false},
	} {
		r := asking(test.question)
		if test.edns > 0 {
			r.SetEdns0(test.edns, true)
		}
		wire := h.wire(t, r, test.tcp)
		reply := new(dns.Msg)
		if err := reply.Unpack(wire); err != nil {
			t.Fatal(err)
		}
		if len(wire) > test.limit || reply.Truncated != test.truncated || len(reply.Answer) == 0 {
			t.Errorf("%+v: %d bytes, %d answers, truncated %t", test, len(wire), len(reply.Answer), reply.Truncated)
		}
		if test.truncated && len(wire) < test.limit-100 {
			t.Errorf("%+v: %d bytes, where one more record fits", test, len(wire))
		}
		if opt := reply.IsEdns0(); (opt != nil) != (test.edns > 0) || opt != nil && (opt.UDPSize() != maxUDPSize || !opt.Do()) {
			t.Errorf("%+v: OPT %v", test, opt)
		}
	}
}

func TestReplyLosesAdditionalRecordsWithoutTruncation(t *testing.T) {
	h := hosting(many(15).importer(t).View(), 0)
	r := asking("_sql._tcp.db.shop.svc SRV")
	r.SetEdns0(maxUDPSize, false)
	reply := h.ask(t, r, false)
	if reply.Truncated || len(reply.Answer) != 15 || len(reply.Extra) != 1 {
		t.Errorf("truncated %t, %d answers, %d additional, want all answers and the OPT alone",
			reply.Truncated, len(reply.Answer), len(reply.Extra))
	}
	if reply = h.ask(t, r, true); len(reply.Answer) != 15 || len(reply.Extra) != 31 {
		t.Errorf("over TCP: %d answers, %d additional, want 15 and 31", len(reply.Answer), len(reply.Extra))
	}
}

func TestReplyToWhatIsNotPlainDNS(t *testing.T) {
	h := hosting(shop().importer(t).View(), 0)
	for _, test := range []struct {
		promise string
		change  func(*dns.Msg)
		want    int
	}{
		{"no question", func(m *dns.Msg) { m.Question = nil }, dns.RcodeFormatError},
		{"two questions", func(m *dns.Msg) { m.Question = append(m.Question, m.Question...) }, dns.RcodeFormatError},
		{"two authorities", func(m *dns.Msg) { m.Ns = []dns.RR{version("x."), version("x.")} }, dns.RcodeFormatError},
		{"three additional records", func(m *dns.Msg) { m.Extra = []dns.RR{version("x."), version("x."), version("x.")} }, dns.RcodeFormatError},
		{"an answer", func(m *dns.Msg) { m.Answer = []dns.RR{version("x.")} }, dns.RcodeFormatError},
		{"two OPTs", func(m *dns.Msg) { m.SetEdns0(512, false).SetEdns0(512, false) }, dns.RcodeFormatError},
		{"an OPT with a name", func(m *dns.Msg) { m.SetEdns0(512, false).IsEdns0().Hdr.Name = "x." }, dns.RcodeFormatError},
		{"EDNS 1", func(m *dns.Msg) { m.SetEdns0(512, false).IsEdns0().SetVersion(1) }, dns.RcodeBadVers},
		{"a NOTIFY", func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }, dns.RcodeNotImplemented},
		{"an UPDATE", func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }, dns.RcodeNotImplemented},
		{"an IXFR with its SOA", func(m *dns.Msg) {
			m.Question[0].Qtype = dns.TypeIXFR
			m.Ns = []dns.RR{zone.soa(zone.origin, 1)}
		}, dns.RcodeRefused},
		{"a plain question", func(*dns.Msg) {}, dns.RcodeSuccess},
		{"a question with EDNS", func(m *dns.Msg) { m.SetEdns0(512, false) }, dns.RcodeSuccess},
	} {
		r := asking("web.shop.svc A")
		test.change(r)
		reply := h.ask(t, r, false)
		if reply.Rcode != test.want || reply.Id != r.Id || reply.Opcode != r.Opcode {
			t.Errorf("%s: %v\nwant %s", test.promise, reply, dns.RcodeToString[test.want])
		}
	}
}

func TestReplyRepeatsTheFlagsOfTheRequestThatItShould(t *testing.T) {
	h := hosting(shop().importer(t).View(), 1<<20)
	for i := range 16 {
		r := asking("web.shop.svc A")
		r.RecursionDesired, r.CheckingDisabled, r.AuthenticatedData, r.Zero = i&1 > 0, i&2 > 0, i&4 > 0, i&8 > 0
		reply := h.ask(t, r, false)
		if reply.RecursionDesired != r.RecursionDesired || reply.CheckingDisabled != r.CheckingDisabled ||
			reply.AuthenticatedData || reply.RecursionAvailable || reply.Zero || !reply.Authoritative {
			t.Errorf("request %v\nreply %v", r.MsgHdr, reply.MsgHdr)
		}
	}
}
