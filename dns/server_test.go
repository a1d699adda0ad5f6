package dns

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/hansa-mcs/hansa/importer"
)

// serving starts a Server of the importer's Views.
func serving(t *testing.T, i *importer.Importer, settings ...func(*Config)) *Server {
	t.Helper()
	c := Config{Address: "127.0.0.1:0", TTL: DefaultTTL, Cluster: "east", View: i.View, Ready: i.Ready()}
	for _, set := range settings {
		set(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	start(t, s.Start)
	return s
}

// exchange asks over the network.
func exchange(t *testing.T, network, address string, r *dns.Msg) *dns.Msg {
	t.Helper()
	client := &dns.Client{Net: network, UDPSize: dns.MaxMsgSize, Timeout: 10 * time.Second}
	reply, _, err := client.Exchange(r, address)
	if err != nil {
		t.Fatalf("%s over %s: %v", r.Question[0].Name, network, err)
	}
	if reply.RecursionAvailable || reply.Id != r.Id || reply.Question[0] != r.Question[0] {
		t.Errorf("%s over %s: reply to another question:\n%v", r.Question[0].Name, network, reply)
	}
	return reply
}

// received makes a message comparable with what Answer returns.
func received(m *dns.Msg, zone Zone) Reply {
	extra := slices.DeleteFunc(m.Extra, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeOPT })
	denial := false
	if len(m.Ns) == 1 {
		soa := dns.Copy(m.Ns[0])
		soa.(*dns.SOA).Serial = 1 // of no meaning but that something changed
		denial = plain(soa) == strings.ReplaceAll(denialSOA, DefaultZone+".", zone.origin)
	}
	return Reply{Rcode: m.Rcode, Answer: m.Answer, Denial: denial, Extra: extra}
}

func TestServerAnswersAsAnswerSays(t *testing.T) {
	address := serving(t, shop().importer(t)).Addr().String()
	for _, network := range []string{"udp", "tcp"} {
		for _, test := range answers {
			r := asking(test.question)
			r.SetEdns0(maxUDPSize, false)
			reply := exchange(t, network, address, r)
			if got := sorted(render(received(reply, zone))); got != sorted(strings.ReplaceAll(test.want, here.String(), "127.0.0.1")) {
				t.Errorf("%s over %s:\n%s\nwant:\n%s", test.question, network, got, test.want)
			}
		}
	}
}

func TestServerTruncatesOverUDPAndIsWholeOverTCP(t *testing.T) {
	address := serving(t, many(500).importer(t)).Addr().String()
	for _, test := range []struct {
		edns     uint16
		min, max int // answers
	}{
		{0, 1, 499},     // 512 bytes
		{4096, 60, 499}, // 1232 bytes
	} {
		r := asking("db.shop.svc A")
		if test.edns > 0 {
			r.SetEdns0(test.edns, false)
		}
		reply := exchange(t, "udp", address, r)
		if n := len(reply.Answer); !reply.Truncated || n < test.min || n > test.max {
			t.Errorf("EDNS size %d: truncated %t, %d answers", test.edns, reply.Truncated, n)
		}
		if reply = exchange(t, "tcp", address, r); reply.Truncated || len(reply.Answer) != 500 {
			t.Errorf("over TCP: truncated %t, %d answers, want 500", reply.Truncated, len(reply.Answer))
		}
	}
}

func TestServerConcludesNothingFromAViewTooEarly(t *testing.T) {
	ready, settled := make(chan struct{}), make(chan struct{})
	s, err := New(Config{Address: "127.0.0.1:0", TTL: DefaultTTL, View: shop().importer(t).View, Ready: ready, Settled: settled})
	if err != nil {
		t.Fatal(err)
	}
	start(t, s.Start)
	ask := func(question, want string) {
		t.Helper()
		if got := render(received(exchange(t, "udp", s.Addr().String(), asking(question)), zone)); got != want {
			t.Errorf("%s: %s, want %s", question, got, want)
		}
	}
	ask("web.shop.svc A", "SERVFAIL")
	close(ready)
	ask("web.shop.svc A", "web.shop.svc 5 IN A 10.96.0.7")
	ask("nothing.shop.svc A", "SERVFAIL")
	close(settled)
	ask("nothing.shop.svc A", "NXDOMAIN\n+ SOA")
}

// TestServerKnowsNoMoreThanItsView has a cluster heard between the two moments at which the server looks at what is known
// and at the View: an old View must not go with new knowledge.
func TestServerKnowsNoMoreThanItsView(t *testing.T) {
	i := shop().importer(t)
	settled := make(chan struct{})
	heard := sync.OnceFunc(func() { close(settled) })
	s := serving(t, i, func(c *Config) {
		c.Settled = settled
		c.View = func() *importer.View { heard(); return i.View() }
	})
	for _, want := range []int{dns.RcodeServerFailure, dns.RcodeNameError} {
		if reply := exchange(t, "udp", s.Addr().String(), asking("nothing.shop.svc A")); reply.Rcode != want {
			t.Errorf("%s, want %s", dns.RcodeToString[reply.Rcode], dns.RcodeToString[want])
		}
	}
}

func TestServerAnswersFromTheNewestView(t *testing.T) {
	i := shop().importer(t)
	address := serving(t, i).Addr().String()
	replaced := i.View().Replaced()
	i.SetNamespace("shop", false)
	<-replaced
	if reply := exchange(t, "udp", address, asking("web.shop.svc A")); reply.Rcode != dns.RcodeNameError {
		t.Errorf("after its namespace went: %s, want NXDOMAIN", dns.RcodeToString[reply.Rcode])
	}
}

// TestServerIsSilentToWhatIsNoQuestion sends what must have no reply, then a question: the first thing
// to come back is its answer.
func TestServerIsSilentToWhatIsNoQuestion(t *testing.T) {
	address := serving(t, shop().importer(t)).Addr().String()
	response, err := asking("web.shop.svc A").Pack()
	if err != nil {
		t.Fatal(err)
	}
	response[2] |= 1 << 7 // QR
	for _, network := range []string{"udp", "tcp"} {
		conn, err := dns.DialTimeout(network, address, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		garbage := [][]byte{response}
		if network == "udp" {
			garbage = append(garbage, []byte("x"), []byte("\x00\x00\xff"))
		}
		for _, b := range garbage {
			if _, err := conn.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		r := asking("web.shop.svc A")
		if err := errors.Join(conn.SetDeadline(time.Now().Add(10*time.Second)), conn.WriteMsg(r)); err != nil {
			t.Fatal(err)
		}
		if reply, err := conn.ReadMsg(); err != nil || reply.Id != r.Id || len(reply.Answer) != 1 {
			t.Errorf("%s: %v, %v, want the answer of the question alone", network, reply, err)
		}
	}
}

// TestServerRepliesFromWhereItWasAsked asks a server of all addresses, of both families, at several of them.
func TestServerRepliesFromWhereItWasAsked(t *testing.T) {
	s := serving(t, shop().importer(t), func(c *Config) { c.Address = ":0" })
	_, port, err := net.SplitHostPort(s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"127.0.0.1", "127.0.0.2", "127.9.9.9", "::1"} {
		for _, network := range []string{"udp", "tcp"} {
			reply := exchange(t, network, net.JoinHostPort(address, port), asking("clusterset.local. NS"))
			if len(reply.Answer) != 1 || len(reply.Extra) != 1 || !strings.HasSuffix(plain(reply.Extra[0]), " "+address) {
				t.Errorf("at %s by %s: %v\nwant a name server with that address", address, network, reply)
			}
		}
	}
}

func TestNewFailsAtOnceWithAClearError(t *testing.T) {
	i := shop().importer(t)
	taken := serving(t, i).Addr().String()
	for _, test := range []struct {
		config Config
		want   string
	}{
		{Config{Address: taken}, "address already in use"},
		{Config{Address: "127.0.0.1"}, "want host:port"},
		{Config{Address: "127.0.0.1:0", Zone: "a..b"}, "DNS zone"},
		{Config{Address: "127.0.0.1:0", TTL: -time.Second}, "DNS TTL"},
		{Config{Address: "127.0.0.1:0", RateLimit: -1}, "DNS rate limit"},
	} {
		test.config.View, test.config.Ready = i.View, i.Ready()
		if _, err := New(test.config); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: error %v, want one with %q", test.config, err, test.want)
		}
	}
	if _, err := New(Config{Address: "127.0.0.1:0"}); err == nil {
		t.Error("a Config without View: no error")
	}
	packets := udpAlone(t)
	defer packets.Close()
	if _, err := New(Config{Address: packets.LocalAddr().String(), View: i.View, Ready: i.Ready()}); err == nil || !strings.Contains(err.Error(), "UDP") {
		t.Errorf("port taken for UDP alone: error %v", err)
	}
}

// udpAlone returns a socket whose port is free for TCP.
func udpAlone(t *testing.T) net.PacketConn {
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		packets, err := net.ListenPacket("udp", l.Addr().String())
		l.Close()
		if err == nil {
			return packets
		}
	}
	t.Fatal("there is no port that is free for both")
	return nil
}

func TestStartEndsThoughAConnectionIsOpen(t *testing.T) {
	i := shop().importer(t)
	s, err := New(Config{Address: "127.0.0.1:0", TTL: DefaultTTL, View: i.View, Ready: i.Ready()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Start(ctx) }()
	conn, err := dns.DialTimeout("tcp", s.Addr().String(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.WriteMsg(asking("web.shop.svc A")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ReadMsg(); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if again, err := New(Config{Address: s.Addr().String(), View: i.View, Ready: i.Ready()}); err != nil {
		t.Errorf("the address is not free after Start: %v", err)
	} else if err := again.Start(ctx); err != nil {
		t.Errorf("Start with an ended context: %v", err)
	}
}

func TestConnectionThatIsNotReadIsGivenUp(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(5*writeTimeout, func() { client.Close() }) // so that a failure ends
	defer late.Stop()
	defer client.Close()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for err == nil {
		err = writeMessage(conn, make([]byte, maxTCPSize))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("writing to a client that does not read: %v, want a timeout", err)
	}
}
