package dns

import (
	"fmt"
	"testing"

	"github.com/miekg/dns"

	"github.com/hansa-mcs/hansa/federation"
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

func request(text string) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion("", 0)
	m.Question[0] = question(text)
	return m
}

func TestReplyFitsWhatTheClientTakes(t *testing.T) {
	view := many(maxEndpoints).importer(t).View()
	answer := func(q dns.Question) Reply { return Answer(view, Complete, zone, q) }
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
		{"_sql._tcp.db.shop.svc SRV", 512, true, 65535, true},
		{"pet-7.east.db.shop.svc A", 0, false, 512, false},
	} {
		r := request(test.question)
		if test.edns > 0 {
			r.SetEdns0(test.edns, true)
		}
		reply := respond(r, test.tcp, answer)
		wire, err := reply.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if len(wire) > test.limit || reply.Truncated != test.truncated || len(reply.Answer) == 0 {
			t.Errorf("%+v: %d bytes, %d answers, truncated %t", test, len(wire), len(reply.Answer), reply.Truncated)
		}
		if opt := reply.IsEdns0(); (opt != nil) != (test.edns > 0) || opt != nil && (opt.UDPSize() != maxUDPSize || !opt.Do()) {
			t.Errorf("%+v: OPT %v", test, opt)
		}
	}
}

func TestReplyLosesAdditionalRecordsWithoutTruncation(t *testing.T) {
	view := many(15).importer(t).View()
	answer := func(q dns.Question) Reply { return Answer(view, Complete, zone, q) }
	r := request("_sql._tcp.db.shop.svc SRV")
	r.SetEdns0(maxUDPSize, false)
	reply := respond(r, false, answer)
	if reply.Truncated || len(reply.Answer) != 15 || len(reply.Extra) != 1 {
		t.Errorf("truncated %t, %d answers, %d additional, want all answers and the OPT alone",
			reply.Truncated, len(reply.Answer), len(reply.Extra))
	}
	if reply = respond(r, true, answer); len(reply.Answer) != 15 || len(reply.Extra) != 31 {
		t.Errorf("over TCP: %d answers, %d additional, want 15 and 31", len(reply.Answer), len(reply.Extra))
	}
}

func TestAnswerOfHugeServiceIsBoundedInBothFamilies(t *testing.T) {
	view := many(maxEndpoints + 1).importer(t).View()
	for _, typ := range []string{"A", "AAAA", "SRV"} {
		reply := Answer(view, Complete, zone, question("db.shop.svc "+typ))
		if len(reply.Answer) != maxEndpoints {
			t.Errorf("D9: %d %s records, want %d", len(reply.Answer), typ, maxEndpoints)
		}
	}
}

func TestAnswerIsBoundedWhenOneHostHasManyAddresses(t *testing.T) {
	var endpoints []string
	for i := range maxEndpoints + 1 {
		endpoints = append(endpoints, fmt.Sprintf("fd00::%x pet", i+1))
	}
	sql := ports(tcp("sql", 5432))
	w := world{exports: []*federation.Export{export("west/db", federation.Headless, sql, subset(sql, endpoints...))}}
	reply := Answer(w.importer(t).View(), Complete, zone, question("db.shop.svc SRV"))
	if len(reply.Answer) != 1 || len(reply.Extra) != maxEndpoints {
		t.Errorf("%d SRV and %d additional records, want 1 and %d", len(reply.Answer), len(reply.Extra), maxEndpoints)
	}
}

func TestReplyToWhatIsNotPlainDNS(t *testing.T) {
	answer := func(dns.Question) Reply { return Reply{} }
	for _, test := range []struct {
		promise string
		change  func(*dns.Msg)
		want    int
	}{
		{"no question", func(m *dns.Msg) { m.Question = nil }, dns.RcodeFormatError},
		{"two OPTs", func(m *dns.Msg) { m.SetEdns0(512, false).SetEdns0(512, false) }, dns.RcodeFormatError},
		{"EDNS 1", func(m *dns.Msg) { m.SetEdns0(512, false).IsEdns0().SetVersion(1) }, dns.RcodeBadVers},
		{"a plain question", func(*dns.Msg) {}, dns.RcodeSuccess},
	} {
		r := request("web.shop.svc A")
		test.change(r)
		reply := respond(r, false, answer)
		if _, err := reply.Pack(); err != nil || reply.Rcode != test.want || reply.Id != r.Id {
			t.Errorf("%s: %s, %v, want %s", test.promise, dns.RcodeToString[reply.Rcode], err, dns.RcodeToString[test.want])
		}
	}
}

// FuzzRespond holds that every message that can be read has a reply that can be written and fits.
func FuzzRespond(f *testing.F) {
	view := shop().importer(f).View()
	for i, test := range answers {
		r := request(test.question)
		if i%2 == 0 {
			r.SetEdns0(uint16(i*100), true)
		}
		wire, err := r.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire, i%3 == 0)
	}
	f.Fuzz(func(t *testing.T, wire []byte, tcp bool) {
		r := new(dns.Msg)
		if r.Unpack(wire) != nil {
			return
		}
		reply := respond(r, tcp, func(q dns.Question) Reply { return Answer(view, Complete, zone, q) })
		written, err := reply.Pack()
		if err != nil {
			t.Fatalf("%v\nreply %v", err, reply)
		}
		if limit := maxUDPSize; !tcp && len(written) > limit || len(written) > maxTCPSize {
			t.Errorf("%d bytes", len(written))
		}
		if len(reply.Answer) > 0 && reply.Rcode != dns.RcodeSuccess {
			t.Errorf("an answer with %s", dns.RcodeToString[reply.Rcode])
		}
	})
}
