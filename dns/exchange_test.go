package dns

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestServerDropsAndCountsWhatCannotBeRead sends what has no reply, then a question: the first thing to come back is its
// answer, and by then all that came before was counted.
func TestServerDropsAndCountsWhatCannotBeRead(t *testing.T) {
	question, err := asking("web.shop.svc A").Pack()
	if err != nil {
		t.Fatal(err)
	}
	drops := make(chan Drop, 10)
	s := serving(t, shop().importer(t), func(c *Config) { c.Dropped = func(d Drop) { drops <- d } })
	for _, test := range []struct {
		promise string
		wire    []byte
	}{
		{"less than a header", question[:11]},
		{"a header without its question", question[:12]},
		{"half a name", question[:20]},
		{"a name without its class", question[:len(question)-1]},
		{"a name that points at itself", append(slices.Clone(question[:12]), 0xc0, 12, 0, 1, 0, 1)},
		{"a label of a kind that there is not", append(slices.Clone(question[:12]), 0x40, 'a', 0, 0, 1, 0, 1)},
		{"an additional record that is not there", append(append(slices.Clone(question[:11]), 1), question[12:]...)},
		{"more than is read", append(slices.Clone(question), make([]byte, maxRequest)...)},
	} {
		for _, network := range []string{"udp", "tcp"} {
			conn, err := dns.DialTimeout(network, s.Addr().String(), 10*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(conn.SetDeadline(time.Now().Add(10*time.Second)), send(conn, test.wire)); err != nil {
				t.Fatal(err)
			}
			if network == "tcp" {
				if n, err := conn.Conn.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: %d bytes, %v, want the connection closed", test.promise, n, err)
				}
			} else if reply, err := roundTrip(conn, question); err != nil || len(reply.Answer) != 1 {
				t.Errorf("%s: %v, %v, want the answer of the question alone", test.promise, reply, err)
			}
			select {
			case got := <-drops:
				if got != Malformed {
					t.Errorf("%s over %s: counted as %s", test.promise, network, got)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%s over %s: not counted", test.promise, network)
			}
			conn.Close()
		}
	}
}

// send sends a message as it is.
func send(conn *dns.Conn, wire []byte) error {
	_, err := conn.Write(wire)
	return err
}

// roundTrip sends a question and returns its reply.
func roundTrip(conn *dns.Conn, wire []byte) (*dns.Msg, error) {
	if err := send(conn, wire); err != nil {
		return nil, err
	}
	return conn.ReadMsg()
}

func TestServerTellsOfEachReply(t *testing.T) {
	told := make(chan Exchange, 1)
	s := serving(t, many(500).importer(t), func(c *Config) { c.Served, c.RateLimit = func(e Exchange) { told <- e }, 3 })
	for _, test := range []struct {
		network, question string
		want              Exchange
	}{
		{"udp", "db.shop.svc A", Exchange{Type: "A", Rcode: "NOERROR", Truncated: true}},
		{"tcp", "db.shop.svc AAAA", Exchange{Type: "AAAA", Rcode: "NOERROR", TCP: true}},
		{"udp", "no.shop.svc HINFO", Exchange{Type: "other", Rcode: "NXDOMAIN"}},
		{"udp", "db.shop.svc SRV", Exchange{Type: "SRV", Rcode: "REFUSED", Limited: true}},
	} {
		exchange(t, test.network, s.Addr().String(), asking(test.question))
		got := <-told
		if got.Request == 0 || got.Reply < got.Request || got.Took <= 0 {
			t.Errorf("%s: %+v: want sizes and a duration", test.question, got)
		}
		got.Request, got.Reply, got.Took = 0, 0, 0
		if got != test.want {
			t.Errorf("%s: told of %+v, want %+v", test.question, got, test.want)
		}
	}
}

func TestServerLogsQuestionsAtDebugLevelAlone(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo} {
		var log strings.Builder
		told := make(chan Exchange)
		ctx, stop := context.WithCancel(t.Context())
		i := shop().importer(t)
		s, err := New(Config{Address: "127.0.0.1:0", View: i.View, Ready: i.Ready(), Served: func(e Exchange) { told <- e },
			Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level}))})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Start(ctx) }()
		exchange(t, "udp", s.Addr().String(), asking("Web.shop.svc A"))
		<-told
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		want := "name=Web.shop.svc.clusterset.local. type=A rcode=NOERROR tcp=false"
		if strings.Contains(log.String(), want) != (level == slog.LevelDebug) {
			t.Errorf("at level %s:\n%s\nis there %q?", level, log.String(), want)
		}
	}
}
