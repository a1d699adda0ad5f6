package dns

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// shop is a namespace with one service of every kind.
func shop() world {
	all := []*federation.Export{
		export("east/web", federation.ClusterSetIP, ports(tcp("https", 443), udp("quic", 443), tcp("http", 80)),
			subset(ports(tcp("https", 8443), udp("quic", 8443), tcp("http", 8080)), "10.1.0.1 web-0")),
		export("west/web", federation.ClusterSetIP, ports(tcp("https", 443)),
			subset(ports(tcp("https", 443)), "10.2.0.1")),
		export("west/four", federation.ClusterSetIP, ports(tcp("", 80))),
		export("west/six", federation.ClusterSetIP, ports(tcp("", 80), tcp("grpc", 90))),
		export("west/fresh", federation.ClusterSetIP, ports(tcp("http", 80))),
		export("east/db", federation.Headless, ports(tcp("sql", 5432), tcp("", 9187)),
			subset(ports(tcp("sql", 15432)), "10.1.0.2 db-0", "fd00:1::2 db-0", "10.1.0.3 db-1", "!10.1.0.4 db-2"),
			subset(ports(tcp("sql", 25432)), "10.1.0.3 db-1", "10.1.0.5")),
		export("west/db", federation.Headless, ports(tcp("sql", 5432)),
			subset(ports(tcp("sql", 5432)), "10.2.0.2 db-0", "fd00:2::5")),
		export("east/bare", federation.Headless, nil, subset(nil, "10.1.0.9")),
		export("east/tail", federation.Headless, nil, subset(nil, "fd00:3::")),
		export("east/idle", federation.Headless, ports(tcp("http", 80)), subset(ports(tcp("http", 80)), "!10.1.0.8 idle-0")),
	}
	elsewhere := export("west/secret", federation.ClusterSetIP, ports(tcp("http", 80)))
	elsewhere.Name.Namespace = notHere
	return world{
		exports: append(all, elsewhere),
		ips: map[string][]netip.Addr{
			"web": ips("10.96.0.7", "fd00:96::7"), "four": ips("10.96.0.4"), "six": ips("fd00:96::6"),
		},
	}
}

// answers is what shop is to answer, as zone lines. Names are without the zone.
var answers = []struct{ promise, question, want string }{
	{"D3: A of a ClusterSetIP service is its IPv4 address", "web.shop.svc A", "web.shop.svc 5 IN A 10.96.0.7"},
	{"D3: AAAA of a ClusterSetIP service is its IPv6 address", "web.shop.svc AAAA", "web.shop.svc 5 IN AAAA fd00:96::7"},
	{"D3: the other family of a single-stack service is NODATA", "four.shop.svc AAAA", "+ SOA"},
	{"D3: so it is the other way round", "six.shop.svc A", "+ SOA"},
	{"D3: another type of a ClusterSetIP service is NODATA", "web.shop.svc MX", "+ SOA"},
	{"D3: without an address yet the answer is not known", "fresh.shop.svc A", "SERVFAIL"},
	{"D3: nor is that of its ports", "_http._tcp.fresh.shop.svc SRV", "SERVFAIL"},
	{"D3: names are compared without case, and answered as asked", "wEb.ShOp.SVC A", "wEb.ShOp.SVC 5 IN A 10.96.0.7"},
	{"I1: a service whose namespace is not here has no name", "secret.elsewhere.svc A", "NXDOMAIN\n+ SOA"},
	{"D3: an unknown service has no name", "nothing.shop.svc A", "NXDOMAIN\n+ SOA"},

	{"D4: SRV of a named port", "_http._tcp.web.shop.svc SRV", `_http._tcp.web.shop.svc 5 IN SRV 0 100 80 web.shop.svc
; additional
web.shop.svc 5 IN A 10.96.0.7
web.shop.svc 5 IN AAAA fd00:96::7`},
	{"D4: SRV is answered as asked, its target in lower case", "_QUIC._UDP.Web.shop.svc SRV", `_QUIC._UDP.Web.shop.svc 5 IN SRV 0 100 443 web.shop.svc
; additional
web.shop.svc 5 IN A 10.96.0.7
web.shop.svc 5 IN AAAA fd00:96::7`},
	{"D4: SRV of the bare name is of all ports, each number once", "web.shop.svc SRV", `web.shop.svc 5 IN SRV 0 100 443 web.shop.svc
web.shop.svc 5 IN SRV 0 100 80 web.shop.svc
; additional
web.shop.svc 5 IN A 10.96.0.7
web.shop.svc 5 IN AAAA fd00:96::7`},
	{"D4: a port has no address", "_http._tcp.web.shop.svc A", "+ SOA"},
	{"D4: a port of another protocol is not there", "_http._udp.web.shop.svc SRV", "NXDOMAIN\n+ SOA"},
	{"D4: a port must have its underscores", "http.tcp.web.shop.svc SRV", "NXDOMAIN\n+ SOA"},
	{"D4: an underscore alone is no wildcard", "_._tcp.web.shop.svc SRV", "NXDOMAIN\n+ SOA"},
	{"D4: nor is it for the protocol", "_.web.shop.svc SRV", "NXDOMAIN\n+ SOA"},
	{"D4: an unnamed port has no SRV", "four.shop.svc SRV", "+ SOA"},
	{"D4: nor has one with a made-up name", "_port-80-tcp._tcp.six.shop.svc SRV", "NXDOMAIN\n+ SOA"},
	{"D4: which is not among those of the bare name either", "six.shop.svc SRV", `six.shop.svc 5 IN SRV 0 100 90 six.shop.svc
; additional
six.shop.svc 5 IN AAAA fd00:96::6`},

	{"D6: nobody chooses a cluster of a ClusterSetIP service", "east.web.shop.svc A", "NXDOMAIN\n+ SOA"},
	{"D6: nor of a headless one", "east.db.shop.svc A", "NXDOMAIN\n+ SOA"},
	{"D6: whatever the type", "west.db.shop.svc SRV", "NXDOMAIN\n+ SOA"},
	{"D6: nor by a host name of a ClusterSetIP service", "web-0.east.web.shop.svc A", "NXDOMAIN\n+ SOA"},

	{"D7: A of a headless service is all ready endpoints of all clusters, each once", "db.shop.svc A", `db.shop.svc 5 IN A 10.1.0.2
db.shop.svc 5 IN A 10.1.0.3
db.shop.svc 5 IN A 10.1.0.5
db.shop.svc 5 IN A 10.2.0.2`},
	{"D9: so is AAAA", "db.shop.svc AAAA", `db.shop.svc 5 IN AAAA fd00:1::2
db.shop.svc 5 IN AAAA fd00:2::5`},
	{"D7: ports are not needed", "bare.shop.svc A", "bare.shop.svc 5 IN A 10.1.0.9"},
	{"D7: the other family is NODATA", "bare.shop.svc AAAA", "+ SOA"},
	{"D11: without named ports there is no SRV", "bare.shop.svc SRV", "+ SOA"},
	{"D10: without a ready endpoint there is no name", "idle.shop.svc A", "NXDOMAIN\n+ SOA"},
	{"D10: for no type", "idle.shop.svc SRV", "NXDOMAIN\n+ SOA"},
	{"D10: nor for its ports", "_http._tcp.idle.shop.svc SRV", "NXDOMAIN\n+ SOA"},

	{"D8: an endpoint by host name and cluster", "db-0.east.db.shop.svc A", "db-0.east.db.shop.svc 5 IN A 10.1.0.2"},
	{"D8: its other family", "db-0.east.db.shop.svc AAAA", "db-0.east.db.shop.svc 5 IN AAAA fd00:1::2"},
	{"D8: the same host name in another cluster is another endpoint", "DB-0.West.db.shop.svc A", "DB-0.West.db.shop.svc 5 IN A 10.2.0.2"},
	{"D8: NODATA where it has no address of that family", "db-0.west.db.shop.svc AAAA", "+ SOA"},
	{"D8: in two slices it is still one", "db-1.east.db.shop.svc A", "db-1.east.db.shop.svc 5 IN A 10.1.0.3"},
	{"D8: without host name it is the address with dashes", "10-1-0-5.east.db.shop.svc A", "10-1-0-5.east.db.shop.svc 5 IN A 10.1.0.5"},
	{"D8: of IPv6 too", "fd00-2--5.west.db.shop.svc AAAA", "fd00-2--5.west.db.shop.svc 5 IN AAAA fd00:2::5"},
	{"D8: but in one spelling only", "fd00-2-0-0-0-0-0-5.west.db.shop.svc AAAA", "NXDOMAIN\n+ SOA"},
	{"D8: a label does not end in a dash", "fd00-3--0.east.tail.shop.svc AAAA", "fd00-3--0.east.tail.shop.svc 5 IN AAAA fd00:3::"},
	{"D8: so that is another name", "fd00-3--.east.tail.shop.svc AAAA", "NXDOMAIN\n+ SOA"},
	{"D8: not beside a host name", "10-1-0-2.east.db.shop.svc A", "NXDOMAIN\n+ SOA"},
	{"D8: not when it is not ready", "db-2.east.db.shop.svc A", "NXDOMAIN\n+ SOA"},
	{"D8: not in another cluster", "db-1.west.db.shop.svc A", "NXDOMAIN\n+ SOA"},
	{"D8: not in a cluster that does not export it", "db-1.north.db.shop.svc A", "NXDOMAIN\n+ SOA"},

	{"D11: SRV of a headless service is each ready endpoint, at its own port", "_sql._tcp.db.shop.svc SRV", dbSRV("_sql._tcp.db.shop.svc")},
	{"D11: the bare name has the same, the unnamed port has none", "db.shop.svc SRV", dbSRV("db.shop.svc")},
	{"D2: the schema version", "dns-version TXT", `dns-version 28800 IN TXT "1.0.0"`},
	{"D2: has no address", "dns-version A", "+ SOA"},
	{"D1: the apex of clusterset.local has a SOA", "clusterset.local. SOA", denialSOALine},
	{"D1: and a name server", "clusterset.local. NS", "clusterset.local. 5 IN NS ns.dns\n; additional\nns.dns 5 IN A 192.0.2.53"},
	{"the apex has no address", "clusterset.local. A", "+ SOA"},
	{"svc only leads to namespaces", "svc A", "+ SOA"},
	{"a namespace only leads to services", "shop.svc A", "+ SOA"},
	{"a namespace without services has no name", "elsewhere.svc A", "NXDOMAIN\n+ SOA"},
	{"a protocol only leads to ports", "_tcp.web.shop.svc SRV", "+ SOA"},
	{"a protocol of no port has no name", "_sctp.web.shop.svc A", "NXDOMAIN\n+ SOA"},
	{"a protocol of a headless service leads to ports", "_tcp.db.shop.svc A", "+ SOA"},
	{"the name server has the address that was asked", "ns.dns A", "ns.dns 5 IN A 192.0.2.53"},
	{"and none of another family", "ns.dns AAAA", "+ SOA"},
	{"dns only leads to it", "dns A", "+ SOA"},
	{"nothing but svc is below the zone", "web.shop.pod A", "NXDOMAIN\n+ SOA"},
	{"nothing is below an endpoint", "x.db-0.east.db.shop.svc A", "NXDOMAIN\n+ SOA"},
	{"a dot inside a label separates nothing", `web\.shop.svc A`, "NXDOMAIN\n+ SOA"},

	{"D13: cluster.local is not ours", "web.shop.svc.cluster.local. A", "REFUSED"},
	{"D1: nor is a zone that ends alike", "web.shop.svc.xclusterset.local. A", "REFUSED"},
	{"nor a label that does", `web\.clusterset.local. A`, "REFUSED"},
	{"nor the parent", "local. NS", "REFUSED"},
	{"nor the root", ". NS", "REFUSED"},
	{"D5: there is no reverse zone", "7.0.96.10.in-addr.arpa. PTR", "REFUSED"},
	{"ANY is refused", "web.shop.svc ANY", "REFUSED"},
	{"AXFR is refused", "clusterset.local. AXFR", "REFUSED"},
	{"IXFR is refused", "clusterset.local. IXFR", "REFUSED"},
}

// checklist is which number of the checklist what is promised of a rule stands for, too.
var checklist = map[string]string{"D1": "#54", "D2": "#54", "D5": "#54", "D3": "#47", "D4": "#48", "D6": "#51", "D7": "#49", "D8": "#50", "D9": "#49", "D10": "#52", "D11": "#53"}

// covers says that t proves the rule that a promise begins with.
func covers(t *testing.T, promise string) {
	id, _, named := strings.Cut(promise, ":")
	if !named || !strings.HasPrefix(id, "D") {
		return
	}
	rule.Covers(t, id)
	if number := checklist[id]; number != "" {
		rule.Covers(t, number)
	}
}

func dbSRV(owner string) string {
	return strings.ReplaceAll(`OWNER 5 IN SRV 0 100 15432 db-0.east.db.shop.svc
OWNER 5 IN SRV 0 100 15432 db-1.east.db.shop.svc
OWNER 5 IN SRV 0 100 25432 db-1.east.db.shop.svc
OWNER 5 IN SRV 0 100 25432 10-1-0-5.east.db.shop.svc
OWNER 5 IN SRV 0 100 5432 db-0.west.db.shop.svc
OWNER 5 IN SRV 0 100 5432 fd00-2--5.west.db.shop.svc
; additional
db-0.east.db.shop.svc 5 IN A 10.1.0.2
db-1.east.db.shop.svc 5 IN A 10.1.0.3
db-0.east.db.shop.svc 5 IN AAAA fd00:1::2
10-1-0-5.east.db.shop.svc 5 IN A 10.1.0.5
db-0.west.db.shop.svc 5 IN A 10.2.0.2
fd00-2--5.west.db.shop.svc 5 IN AAAA fd00:2::5`, "OWNER", owner)
}

var denialSOALine = strings.ReplaceAll(denialSOA, ".clusterset.local.", "")

func TestAnswerFollowsTheSpecification(t *testing.T) {
	view := shop().importer(t).View()
	for _, test := range answers {
		t.Run(test.promise, func(t *testing.T) {
			covers(t, test.promise)
			reply := Answer(view, Complete, zone, question(test.question), here)
			if got := render(reply); got != test.want {
				t.Errorf("%s:\n%s\nwant:\n%s", test.question, got, test.want)
			}
			if want := reply.Rcode == dns.RcodeSuccess || reply.Rcode == dns.RcodeNameError; reply.Authoritative != want {
				t.Errorf("%s: authoritative %t, want %t", test.question, reply.Authoritative, want)
			}
		})
	}
}

func TestAnswerDeniesNothingThatItDoesNotKnow(t *testing.T) {
	view := shop().importer(t).View()
	for _, test := range []struct {
		known          Knowledge
		question, want string
	}{
		{Nothing, "web.shop.svc A", "SERVFAIL"},
		{Nothing, "dns-version TXT", "SERVFAIL"},
		{Nothing, "web.shop.svc.cluster.local. A", "REFUSED"},
		{Partial, "web.shop.svc A", "web.shop.svc 5 IN A 10.96.0.7"},
		{Partial, "four.shop.svc AAAA", "+ SOA"},
		{Partial, "nothing.shop.svc A", "SERVFAIL"},
		{Partial, "elsewhere.svc A", "SERVFAIL"},
		{Partial, "idle.shop.svc A", "SERVFAIL"},
		{Partial, "_new._tcp.web.shop.svc SRV", "SERVFAIL"},
		{Partial, "db-0.north.db.shop.svc A", "SERVFAIL"},
		{Partial, "east.db.shop.svc A", "NXDOMAIN\n+ SOA"},
		{Partial, "web.shop.pod A", "NXDOMAIN\n+ SOA"},
	} {
		if got := render(Answer(view, test.known, zone, question(test.question), here)); got != test.want {
			t.Errorf("knowledge %d, %s:\n%s\nwant:\n%s", test.known, test.question, got, test.want)
		}
	}
	if got := render(Answer(importer.Empty(), Nothing, zone, question("web.shop.svc A"), here)); got != "SERVFAIL" {
		t.Errorf("before any View: %s, want SERVFAIL", got)
	}
}

func TestAnswersLastAsLongAsTheZoneSays(t *testing.T) {
	view := shop().importer(t).View()
	for _, test := range []struct{ ttl, negative uint32 }{{0, 0}, {1, 1}, {5, 5}, {3600, 5}} {
		z, err := ParseZone(DefaultZone, time.Duration(test.ttl)*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		h := hosting(view, 0)
		h.zone = &z
		if reply := h.ask(t, asking("db.shop.svc A"), false); len(reply.Answer) == 0 || reply.Answer[0].Header().Ttl != test.ttl {
			t.Errorf("TTL %d:\n%v", test.ttl, reply)
		}
		reply := h.ask(t, asking("nothing.shop.svc A"), false)
		if len(reply.Ns) != 1 {
			t.Fatalf("TTL %d:\n%v", test.ttl, reply)
		}
		if soa := reply.Ns[0].(*dns.SOA); soa.Minttl != test.negative || soa.Hdr.Ttl != test.negative {
			t.Errorf("TTL %d: %v, want to be remembered for %d seconds", test.ttl, soa, test.negative)
		}
	}
}

func TestAnswerRefusesOtherClasses(t *testing.T) {
	view := shop().importer(t).View()
	for _, class := range []uint16{dns.ClassCHAOS, dns.ClassANY, 0} {
		q := question("web.shop.svc A")
		q.Qclass = class
		if reply := Answer(view, Complete, zone, q, here); reply.Rcode != dns.RcodeRefused || len(reply.Answer) > 0 {
			t.Errorf("class %d: %s, want REFUSED", class, render(reply))
		}
	}
}

func TestAnswerRefusesTypesThatNoRecordHas(t *testing.T) {
	view := shop().importer(t).View()
	for qtype := uint16(128); qtype < 256; qtype++ {
		q := question("web.shop.svc")
		q.Qtype = qtype
		if reply := Answer(view, Complete, zone, q, here); reply.Rcode != dns.RcodeRefused {
			t.Errorf("type %d: %s, want REFUSED", qtype, render(reply))
		}
	}
}

func TestAnswerOfClusterIsNoNameForEveryType(t *testing.T) {
	rule.Covers(t, "D6", "#51")
	view := shop().importer(t).View()
	for qtype := range uint16(260) {
		for _, name := range []string{"east.web.shop.svc", "east.db.shop.svc"} {
			q := question(name)
			q.Qtype = qtype
			reply := Answer(view, Complete, zone, q, here)
			if reply.Rcode != dns.RcodeNameError && reply.Rcode != dns.RcodeRefused || len(reply.Answer) > 0 {
				t.Errorf("D6: type %d of %s: %s, want NXDOMAIN or REFUSED", qtype, name, render(reply))
			}
		}
	}
}

func TestAnswerLeavesOutNamesThatAreTooLong(t *testing.T) {
	rule.Covers(t, "D12")
	label := strings.Repeat("l", 63)
	e := export(label+"/"+label, federation.Headless, ports(tcp("http", 80)),
		subset(ports(tcp("http", 80)), "10.1.0.7 "+label, "10.1.0.8 "+label[:40], "10.1.0.9 "+label[:41]))
	e.Name.Namespace = label
	service := label + "." + label + ".svc"
	reply := Answer(world{exports: []*federation.Export{e}}.importer(t).View(), Complete, zone, question(service+" SRV"), here)
	target := label[:40] + "." + label + "." + service
	want := service + " 5 IN SRV 0 100 80 " + target + "\n; additional\n" + target + " 5 IN A 10.1.0.8"
	if got := render(reply); got != want {
		t.Errorf("D12: a target of more than 253 characters must not be in SRV:\n%s\nwant:\n%s", got, want)
	}
	message := dns.Msg{Answer: reply.Answer, Extra: reply.Extra}
	if _, err := message.Pack(); err != nil {
		t.Errorf("D12: %v", err)
	}
}
