package stream

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// What went wrong last with a cluster is kept, of streams and of records apart; that a stream was not needed, or is
// another agent's to have, is nothing wrong.
func TestFailuresAreTheLastOfTheirKind(t *testing.T) {
	x := New(Config{Store: newStore("east"), Log: quiet})
	x.failures.stream("west", errors.New("first"), epoch)
	x.failures.stream("west", status.Error(codes.Unavailable, "connection refused"), epoch.Add(time.Second))
	x.failures.record("west", errors.New("too many"), epoch.Add(2*time.Second))
	for _, err := range []error{errReplaced, status.Error(codes.AlreadyExists, "replaced"), fmt.Errorf("so %w", errNotLeading)} {
		x.failures.stream("west", err, epoch.Add(time.Hour))
		x.failures.stream("north", err, epoch.Add(time.Hour))
	}
	want := Failures{Stream: Failure{epoch.Add(time.Second), "connection refused"}, Record: Failure{epoch.Add(2 * time.Second), "too many"}}
	got := x.Failures()
	if len(got) != 1 || got["west"] != want {
		t.Errorf("failures %+v, want %+v", got, want)
	}
	got["west"] = Failures{}
	if x.Failures()["west"] != want {
		t.Error("who is told can change what is kept")
	}
}

// However much the other side says, little of it is kept, and that can be written.
func TestReasonsOfFailuresAreBounded(t *testing.T) {
	x := New(Config{Store: newStore("east"), Log: quiet})
	x.failures.record("west", errors.New(strings.Repeat("é", maxReason)), epoch)
	x.failures.stream("west", errors.New("\xff"+strings.Repeat("x", 9)), epoch)
	got := x.Failures()["west"]
	if n := len(got.Record.Reason); n > maxReason+len("…") || !utf8.ValidString(got.Record.Reason) || !strings.HasSuffix(got.Record.Reason, "é…") {
		t.Errorf("%d bytes: %q", n, got.Record.Reason)
	}
	if got.Stream.Reason != "xxxxxxxxx" {
		t.Errorf("%q", got.Stream.Reason)
	}
}

// A record that is refused is told of its peer; one that is taken is not.
func TestRefusedRecordsAreFailures(t *testing.T) {
	x := New(Config{Store: federation.NewStoreWithin("east", federation.Limits{Services: 1}), Log: quiet})
	l := x.newLink(newTape(t), "west", Peer, "east", nil)
	for n, want := range []bool{false, true} {
		set := wholeSet("west", federation.Version{Term: 1, Seq: uint64(n + 1)}, many("west", n+1)...)
		for _, f := range []*wire.Frame{west(), packed(t, &wire.Message{Kind: &wire.Message_Update{Update: encodeUpdate(set)}})} {
			if n == 1 && f.GetHello() != nil {
				continue
			}
			if err := l.handle(f); err != nil {
				t.Fatal(err)
			}
		}
		if got := x.Failures()["west"].Record; strings.Contains(got.Reason, "beyond a limit") != want || got.At.IsZero() == want {
			t.Errorf("with %d records: %+v", n+1, got)
		}
	}
}

// Why there is no stream to a cluster is known on the side that dials, while it goes on trying, and why one ended on
// both.
func TestWhyThereIsNoStreamIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		east := n.start(t, "east", "west")
		synctest.Wait()
		if got := east.exchange.Failures()["west"].Stream; got.Reason == "" || got.At.IsZero() {
			t.Errorf("nobody listens: %+v", got)
		}
		west := n.start(t, "west")
		west.store.Set(export("west", "web", "10.0.0.1"))
		east.holds(t, export("west", "web", "10.0.0.1"))
		if up := east.exchange.Streams(); len(up) != 1 || up[0].Dialer != "east" {
			t.Errorf("streams of east: %+v", up)
		}
		if got := west.exchange.Failures(); len(got) != 0 {
			t.Errorf("a stream is up: %+v", got)
		}
		began := time.Now()
		east.stop()
		synctest.Wait()
		if got := west.exchange.Failures()["east"].Stream; got.Reason == "" || got.At.Before(began) {
			t.Errorf("east stopped: %+v", got)
		}
	})
}
