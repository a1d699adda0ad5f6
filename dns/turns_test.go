package dns

import (
	"fmt"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// TestEndpointsBeyondAMessageTakeTurns asks, by TCP, for more than the largest message has room for: a part, of which no TC
// tells, as there is no larger reply; until each endpoint, of every cluster, was there.
func TestEndpointsBeyondAMessageTakeTurns(t *testing.T) {
	rule.Covers(t, "D7", "D11", "#49")
	const n = 5000
	sql := ports(tcp("sql", 5432))
	w := world{exports: []*federation.Export{export("east/db", federation.Headless, sql, subset(sql, "10.9.0.1 own"))}}
	for c, cluster := range []string{"north", "west"} {
		var endpoints []string
		for i := range n / 2 {
			endpoints = append(endpoints, fmt.Sprintf("10.%d.%d.%d pet-%d", c, i/250, i%250+1, i))
		}
		w.exports = append(w.exports, export(cluster+"/db", federation.Headless, sql, subset(sql, endpoints...)))
	}
	h := hosting(w.importer(t).View(), 8<<20)
	for _, q := range []string{"db.shop.svc A", "_sql._tcp.db.shop.svc SRV"} {
		seen := map[string]bool{}
		for tries := 0; len(seen) < n+1; tries++ {
			if tries == 1e4 {
				t.Fatalf("%s: after %d replies %d of %d endpoints were there", q, tries, len(seen), n+1)
			}
			wire := h.wire(t, asking(q), true)
			reply := new(dns.Msg)
			if err := reply.Unpack(wire); err != nil {
				t.Fatal(err)
			}
			if reply.Truncated || len(wire) < maxTCPSize-100 || !isOwn(leadsTo(reply.Answer[0])) && reply.Answer[0].Header().Rrtype == dns.TypeSRV {
				t.Fatalf("%s: %d bytes, truncated %t, first %v", q, len(wire), reply.Truncated, reply.Answer[0])
			}
			for _, rr := range reply.Answer {
				seen[leadsTo(rr)] = true
			}
		}
	}
}

// TestFamiliesAreOfTheSameEndpoints has more hosts than are answered with: those whose A is there are those whose AAAA is.
func TestFamiliesAreOfTheSameEndpoints(t *testing.T) {
	rule.Covers(t, "D9", "#49")
	var four []string
	for i := range maxEndpoints {
		four = append(four, fmt.Sprintf("10.1.%d.%d pet-%d", i/250, i%250+1, i))
	}
	sql := ports(tcp("sql", 5432))
	view := world{exports: []*federation.Export{
		export("east/db", federation.Headless, sql, subset(sql, four...), subset(sql, "fd00:1::7 pet-7")),
		export("west/db", federation.Headless, sql, subset(sql, "10.2.0.1 pet-0", "fd00:2::1 pet-0")),
	}}.importer(t).View()
	for typ, want := range map[string]int{"A": maxEndpoints, "AAAA": 1} {
		if reply := Answer(view, Complete, zone, question("db.shop.svc "+typ), here); len(reply.Answer) != want {
			t.Errorf("%d %s records, want %d: those of our own endpoints, which are all that an answer has", len(reply.Answer), typ, want)
		}
	}
}

func TestAdditionalRecordsAreBounded(t *testing.T) {
	for n, want := range map[int]int{maxExtra: maxExtra, maxExtra + 1: 0} {
		var endpoints []string
		for i := range n {
			endpoints = append(endpoints, fmt.Sprintf("fd00::%x pet", i+1))
		}
		sql := ports(tcp("sql", 5432))
		w := world{exports: []*federation.Export{export("west/db", federation.Headless, sql, subset(sql, endpoints...))}}
		reply := Answer(w.importer(t).View(), Complete, zone, question("db.shop.svc SRV"), here)
		if len(reply.Answer) != 1 || len(reply.Extra) != want {
			t.Errorf("%d SRV and %d additional records, want 1 and %d", len(reply.Answer), len(reply.Extra), want)
		}
	}
}

// threeClusters is a headless service with n endpoints in each of three clusters, this one among them.
func threeClusters(n int) world {
	var w world
	sql := ports(tcp("sql", 5432))
	for c, cluster := range []string{"a", "east", "west"} {
		var endpoints []string
		for i := range n {
			endpoints = append(endpoints, fmt.Sprintf("10.%d.0.%d pet-%d", c, i+1, i))
		}
		w.exports = append(w.exports, export(cluster+"/db", federation.Headless, sql, subset(sql, endpoints...)))
	}
	return w
}

// TestAnswersTurnWithTheOwnFirst asks until every endpoint of this cluster was the first of all, and every other the
// first of the others; whether all fit or not.
func TestAnswersTurnWithTheOwnFirst(t *testing.T) {
	for _, n := range []int{5, 60} {
		h := hosting(threeClusters(n).importer(t).View(), 1<<20)
		for _, typ := range []string{"A", "SRV"} {
			first, next := map[string]bool{}, map[string]bool{}
			for tries := 0; len(first) < n || n == 5 && len(next) < 2*n; tries++ {
				if tries == 1e5 {
					t.Fatalf("%s of %d endpoints: after %d replies %d were first, %d next", typ, 3*n, tries, len(first), len(next))
				}
				reply := h.ask(t, asking("db.shop.svc "+typ), n == 5)
				var hosts []string
				for _, rr := range reply.Answer {
					hosts = append(hosts, leadsTo(rr))
				}
				if each := slices.Compact(slices.Sorted(slices.Values(hosts))); len(each) != len(hosts) || n == 5 && len(each) != 3*n {
					t.Fatalf("%s: %d records of %d hosts, want each of %d once:\n%v", typ, len(hosts), len(each), 3*n, hosts)
				}
				for i, host := range hosts {
					if own := isOwn(host); own != (i < n) {
						t.Fatalf("%s: record %d is %s: want our %d before others:\n%v", typ, i, host, n, hosts)
					}
				}
				first[hosts[0]] = true
				if len(hosts) > n {
					next[hosts[n]] = true
				}
			}
		}
	}
}

// leadsTo returns what a record leads to.
func leadsTo(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.A:
		return rr.A.String()
	case *dns.SRV:
		return rr.Target
	}
	return ""
}

func isOwn(host string) bool {
	return len(host) > 5 && (host[:5] == "10.1." || slices.Contains(dns.SplitDomainName(host), "east"))
}
