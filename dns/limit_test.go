package dns

import (
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestLimitIsOfEachClient(t *testing.T) {
	start := time.Now()
	view := shop().importer(t).View()
	wire, err := asking("web.shop.svc A").Pack()
	if err != nil {
		t.Fatal(err)
	}
	h := newResponder(&zone, newLimit(10, start), newCache(1<<20))
	limited := func(client string, after time.Duration, n int) (count int) {
		for range n {
			reply, told, _ := h.respond(wire, state{view, Complete}, origin{client: netip.MustParseAddr(client), time: start.Add(after)})
			if told.Limited {
				count++
			}
			if refused := reply[3]&0xF == dns.RcodeRefused; refused != told.Limited {
				t.Errorf("%s: refused %t, but limited %t", client, refused, told.Limited)
			}
		}
		return count
	}
	notify, err := new(dns.Msg).SetNotify(zone.origin).Pack()
	if err != nil {
		t.Fatal(err)
	}
	for n := range 11 { // what is no question counts, too
		_, told, _ := h.respond(notify, state{view, Complete}, origin{client: netip.MustParseAddr("192.0.2.9"), time: start})
		if told.Limited != (n == 10) {
			t.Errorf("message %d: limited %t", n+1, told.Limited)
		}
	}
	for _, test := range []struct {
		client    string
		after     time.Duration
		ask, want int
	}{
		{"192.0.2.1", 0, 15, 5},
		{"192.0.2.2", 0, 10, 0},
		{"192.0.2.1", 500 * time.Millisecond, 10, 5},
		{"192.0.2.1", time.Hour, 11, 1},
		{"192.0.2.3", 0, 10, 0},
		{"::ffff:192.0.2.1", time.Hour, 1, 1}, // the same client on a socket of both families
		{"fd00::1", 0, 10, 0},
		{"fd00::2", 0, 1, 1}, // the same network
		{"fd00:0:0:1::1", 0, 1, 0},
	} {
		if got := limited(test.client, test.after, test.ask); got != test.want {
			t.Errorf("%s, after %s: %d of %d limited, want %d", test.client, test.after, got, test.ask, test.want)
		}
	}
}
