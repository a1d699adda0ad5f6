package dns

import (
	"runtime"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// TestCacheAnswersThatVeryQuestion asks what is refused after what is like it, and is in the cache.
func TestCacheAnswersThatVeryQuestion(t *testing.T) {
	h := hosting(shop().importer(t).View(), 1<<20)
	h.ask(t, asking("web.shop.svc A"), false)
	for _, class := range []uint16{dns.ClassCHAOS, dns.ClassANY, 0} {
		r := asking("web.shop.svc A")
		r.Question[0].Qclass = class
		if reply := h.ask(t, r, false); reply.Rcode != dns.RcodeRefused || len(reply.Answer) > 0 {
			t.Errorf("class %d: %v", class, reply)
		}
	}
	if reply := h.ask(t, asking("web.shop.svc CAA"), false); reply.Rcode != dns.RcodeSuccess || len(reply.Answer) > 0 {
		t.Errorf("CAA, whose number ends as that of A: %v", reply)
	}
	if reply := h.ask(t, asking("web.shop.svc AAAA"), false); len(reply.Answer) != 1 || reply.Answer[0].Header().Rrtype != dns.TypeAAAA {
		t.Errorf("AAAA after A: %v", reply)
	}
}

// TestPackedReplyFollowsTheView asks the same question from View to View, of which the reply is packed for the first.
func TestPackedReplyFollowsTheView(t *testing.T) {
	i := shop().importer(t)
	h := hosting(i.View(), 1<<20)
	ask := func(want string) {
		t.Helper()
		h.view = i.View().Clusterset()
		for range 2 {
			if got := render(received(h.ask(t, asking("web.shop.svc A"), false), zone)); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	}
	turn := func(change func()) {
		replaced := i.View().Replaced()
		change()
		<-replaced
	}
	ask("web.shop.svc 5 IN A 10.96.0.7")
	turn(func() {
		i.SetIPs(federation.ServiceName{Namespace: "shop", Name: "web"}, ips("10.96.0.8", "fd00:96::7"))
	})
	ask("web.shop.svc 5 IN A 10.96.0.8")
	turn(func() { i.SetNamespace("shop", false) })
	ask("NXDOMAIN\n+ SOA")
	turn(func() { i.SetNamespace("shop", true) })
	ask("web.shop.svc 5 IN A 10.96.0.8")
	turn(func() { i.SetGates(importer.Gates{Discovery: true}) })
	ask("NXDOMAIN\n+ SOA")
}

// TestPackedReplyDiesWithItsService forgets a service wholly, so that nothing is left of it to compare with.
func TestPackedReplyDiesWithItsService(t *testing.T) {
	i := shop().importer(t)
	h := hosting(i.View(), 1<<20)
	h.ask(t, asking("bare.shop.svc A"), false)
	replaced := i.View().Replaced()
	h.view = nil
	i.SetNamespace("shop", false)
	<-replaced
	runtime.GC()
	runtime.GC()
	h.view = i.View().Clusterset()
	reply := h.ask(t, asking("bare.shop.svc A"), false)
	if reply.Rcode != dns.RcodeNameError {
		t.Errorf("%v, want NXDOMAIN", reply)
	}
	if len(reply.Ns) != 1 || reply.Ns[0].(*dns.SOA).Serial != uint32(h.view.Revision) {
		t.Errorf("authority %v, want the serial %d", reply.Ns, h.view.Revision)
	}
}

// TestHotPathDoesNotAllocate holds of every name of a service that is there, whatever is asked of it.
func TestHotPathDoesNotAllocate(t *testing.T) {
	h := hosting(shop().importer(t).View(), 1<<20)
	asked := 0
	for _, test := range answers {
		name, _, _ := strings.Cut(test.question, " ")
		if !strings.HasSuffix(strings.ToLower(name), ".shop.svc") || test.want == "REFUSED" || strings.HasPrefix(test.want, "NXDOMAIN") || test.want == "SERVFAIL" {
			continue
		}
		asked++
		r := asking(test.question)
		r.SetEdns0(maxUDPSize, false)
		wire, err := r.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() {
			if _, _, drop := h.respond(wire, state{h.view, h.known}, origin{}); drop != "" {
				t.Fatal(drop)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", test.question, n)
		}
	}
	if asked < 20 {
		t.Errorf("%d questions, want those of every kind", asked)
	}
}
