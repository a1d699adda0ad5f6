package agent

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/dns"
)

// asked is one question of the usual kind.
var asked = dns.Exchange{Type: "A", Rcode: "NOERROR", Request: 50, Reply: 120, Took: 20 * time.Microsecond}

func TestWhatIsAskedByDNSIsCounted(t *testing.T) {
	n := newDNSNumbers()
	for _, e := range []dns.Exchange{
		asked,
		asked,
		{Type: "SRV", Rcode: "NOERROR", Reply: 1200, Truncated: true, Took: 2 * time.Millisecond},
		{Type: "SRV", Rcode: "NOERROR", TCP: true, Reply: 9000, Took: 40 * time.Microsecond},
		{Type: "A", Rcode: "REFUSED", Reply: 50, Limited: true, Took: time.Microsecond},
	} {
		n.served(e)
	}
	n.dropped(dns.Malformed)
	n.dropped("strange")
	shown := scrape(t, n.collectors()...)
	for _, line := range []string{
		`hansa_dns_requests_total{rcode="NOERROR",transport="udp",type="A"} 2`,
		`hansa_dns_requests_total{rcode="NOERROR",transport="udp",type="SRV"} 1`,
		`hansa_dns_requests_total{rcode="NOERROR",transport="tcp",type="SRV"} 1`,
		`hansa_dns_requests_total{rcode="REFUSED",transport="udp",type="A"} 1`,
		`hansa_dns_request_seconds_bucket{le="1e-05"} 1`,
		`hansa_dns_request_seconds_bucket{le="2.5e-05"} 3`,
		`hansa_dns_request_seconds_bucket{le="0.001"} 4`,
		`hansa_dns_request_seconds_count 5`,
		`hansa_dns_reply_bytes_bucket{transport="udp",le="64"} 1`,
		`hansa_dns_reply_bytes_bucket{transport="udp",le="128"} 3`,
		`hansa_dns_reply_bytes_sum{transport="udp"} 1490`,
		`hansa_dns_reply_bytes_sum{transport="tcp"} 9000`,
		`hansa_dns_truncated_total 1`,
		`hansa_dns_limited_total 1`,
		`hansa_dns_dropped_total{reason="malformed"} 1`,
		`hansa_dns_dropped_total{reason="response"} 0`,
		`hansa_dns_dropped_total{reason="strange"} 1`,
	} {
		if !strings.Contains(shown, line+"\n") {
			t.Errorf("not shown: %s", line)
		}
	}
	if t.Failed() {
		t.Log(shown)
	}
}

// What is said on the command line is what DNS is answered by, and what is asked is shown with the other numbers.
func TestDNSIsAnsweredAndCountedAsTheOptionsSay(t *testing.T) {
	o, _ := valid(t)
	o.DNSAddress, o.DNSZone, o.DNSTTL, o.DNSRateLimit = "127.0.0.1:0", "set.example", 7*time.Second, 500
	m, err := newMember(t.Context(), o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.dns.Start(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := m.unbind(ctx); err != nil {
			t.Error(err)
		}
		m.http.listener.Close()
	}()
	if c := m.dnsConfig(); c.Zone != "set.example" || c.TTL != 7*time.Second || c.RateLimit != 500 || c.Cluster != "west" {
		t.Errorf("zone %q, TTL %s, limit %d, cluster %q", c.Zone, c.TTL, c.RateLimit, c.Cluster)
	}
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, m.dns.Addr().String())
	}}
	if _, err := resolver.LookupNetIP(t.Context(), "ip4", "web.shop.svc.cluster.local."); err == nil {
		t.Error("a name outside of the zone has an address")
	}
	if shown := scrapeAll(t, m.metrics()); !strings.Contains(shown, `hansa_dns_requests_total{rcode="REFUSED",transport="udp",type="A"} `) {
		t.Errorf("nobody was told of a question\n%s", shown)
	}
}

// Once a kind of question was seen, counting one more takes no memory: there are a hundred thousand in a second.
func TestCountingAQuestionAllocatesNothing(t *testing.T) {
	n := newDNSNumbers()
	n.served(asked)
	if got := testing.AllocsPerRun(1000, func() { n.served(asked); n.dropped(dns.Malformed) }); got > 0 {
		t.Errorf("%v allocations for each question, want none", got)
	}
}

func BenchmarkCountingAQuestion(b *testing.B) {
	n := newDNSNumbers()
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			n.served(asked)
		}
	})
}
