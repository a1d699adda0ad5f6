package xds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/hansa-mcs/hansa/federation"
)

func TestNoMoreClientsThanMayBe(t *testing.T) {
	w := newWorld(t)
	w.say(t, "b", export("b", spot("z1/10.0.0.1", ready)))
	w.open(t)
	s, _ := w.newServer(t, func(s *Server) { s.clients.most = 2 })
	first, second := dialDelta(t, s, nil), dialDelta(t, s, nil)
	for _, c := range []*deltaClient{first, second} {
		c.add(EndpointType, webCluster)
		c.ack(c.want(EndpointType, webCluster))
	}
	third := dialDelta(t, s, nil)
	if _, err := third.Recv(); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "2 xDS clients are connected") {
		t.Fatalf("the third: got %v", err)
	}
	if err := first.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Recv(); !errors.Is(err, io.EOF) {
		t.Fatalf("the first, which left: got %v", err)
	}
	if delta, sotw := s.Streams(); delta != 1 || sotw != 0 {
		t.Errorf("%d and %d streams are left, want 1 of delta", delta, sotw)
	}
	fourth := dial(t, s)
	fourth.ack(askAll(fourth))
	if delta, sotw := s.Streams(); delta != 1 || sotw != 1 {
		t.Errorf("%d and %d streams, want 1 of each", delta, sotw)
	}
}

// cutLog is where a test waits for a client to be cut.
type cutLog struct {
	slog.Handler
	cut chan struct{}
}

func (l cutLog) Handle(ctx context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "xDS client cut") {
		l.cut <- struct{}{}
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs keeps waiting.
func (l cutLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return cutLog{l.Handler.WithAttrs(attrs), l.cut}
}

func TestOneThatDoesNotReadIsCutAndTheOthersGoOn(t *testing.T) {
	w := newWorld(t)
	var many []federation.Endpoint
	for i := range 10_000 {
		many = append(many, spot(fmt.Sprintf("z1/10.0.%d.%d", i/256, i%256), ready))
	}
	large := export("b", many...)
	large.Name.Name = "large"
	version := func(n int) { w.say(t, "b", large, export("b", spot(fmt.Sprintf("z1/10.9.0.%d", 1+n%2), ready))) }
	version(0)
	w.open(t)
	cut := make(chan struct{}, 1)
	s, _ := w.newServer(t, func(s *Server) {
		s.patience = 200 * time.Millisecond
		s.said = slog.New(cutLog{slog.NewTextHandler(t.Output(), nil), cut})
	})
	reads := dialDelta(t, s, nil)
	reads.add(EndpointType, webCluster)
	reads.ack(reads.want(EndpointType, webCluster))

	const window = 64 << 10
	conn, err := grpc.NewClient(s.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStaticStreamWindowSize(window), grpc.WithStaticConnWindowSize(window))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	slow := dialDeltaOver(t, conn, &corev3.Node{Id: "slow"})
	slow.add(EndpointType, strings.Replace(webCluster, "web.", "large.", 1))
	if _, err := slow.Header(); err != nil { // the first response is on its way
		t.Fatal(err)
	}
	slow.add(ClusterType) // and does not leave room for a second one

	for n, was := 1, false; !was || len(s.Clients()) > 1; n++ {
		version(n)
		reads.ack(reads.want(EndpointType, webCluster))
		select {
		case <-cut:
			was = true
		default:
		}
	}
	if s.Cuts() != 1 || s.Clients()[0].ID == "slow" {
		t.Errorf("%d clients cut, %+v is left", s.Cuts(), s.Clients())
	}
	for err = nil; err == nil; {
		_, err = slow.Recv()
	}
	if status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("it is told %v", err)
	}
}

// gRPC may hand over a message of a stream that ended: nothing may be kept for it.
func TestNothingIsKeptForAStreamThatEnded(t *testing.T) {
	s := newDeafServer(t)
	broken := errors.New("the wire is broken")
	late := wants(clusterKind, "web", "api")
	late.subscribe = append(late.subscribe, wildcard)
	c := &wireless{hand: func(*response) error { return broken }, late: &late}
	c.begin(t, s)
	c.say(wants(assignmentKind, "web"))
	if err := <-c.done; !errors.Is(err, broken) {
		t.Errorf("the stream ended with %v", err)
	}
	s.streams.Wait()
	if len(s.store.every())+s.store.subscriptions+len(s.store.all[clusterKind])+len(s.audiences.users)+len(s.Clients()) > 0 {
		t.Errorf("left: entries %v, %d subscriptions, %d of all, audiences %v, clients %v",
			s.store.every(), s.store.subscriptions, len(s.store.all[clusterKind]), s.audiences.users, s.Clients())
	}
	if c.late != nil {
		t.Error("nothing was late")
	}
}

// A wire that takes each message too late is cut once, and nobody waits for it.
func TestAClientIsCutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newDeafServer(t)
		s.store.apply(at(clusterKind, "web", strings.Repeat("v", ahead)))
		c := &wireless{hand: func(r *response) error {
			if r.kind != clusterKind { // behind what is unread
				time.Sleep(2 * s.patience)
			}
			return nil
		}}
		c.begin(t, s)
		for k := range kinds {
			c.say(wants(k, "web"))
		}
		begin := time.Now()
		if err := <-c.done; status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("the stream ended with %v", err)
		}
		if s.Cuts() != 1 || time.Since(begin) != s.patience {
			t.Errorf("%d clients cut, after %s", s.Cuts(), time.Since(begin))
		}
		s.streams.Wait()
	})
}

// Pushes have a budget: what it does not allow at once is spread, and of what changes meanwhile just the newest is sent.
func TestPushesHaveABudget(t *testing.T) {
	const streams, perSecond, versions = 50, 100, 100
	synctest.Test(t, func(t *testing.T) {
		s := newDeafServer(t)
		s.budget = budget{rate.NewLimiter(perSecond, streams)}
		s.store.apply(at(assignmentKind, "web", "first"))
		var newest [streams]atomic.Pointer[string]
		for i := range streams {
			c := &wireless{}
			c.hand = func(r *response) error {
				newest[i].Store(&r.bodies[0].version)
				c.say(takes(r))
				return nil
			}
			end := c.begin(t, s)
			c.say(wants(assignmentKind, "web"))
			defer end()
		}
		synctest.Wait()
		if n := s.Pushes(); n != streams {
			t.Errorf("at rest %d responses were sent at once, want %d", n, streams)
		}
		time.Sleep(time.Second)
		before, begin := s.Pushes(), time.Now()
		for v := range versions {
			s.store.apply(at(assignmentKind, "web", fmt.Sprint(v)))
			time.Sleep(20 * time.Millisecond)
		}
		sent := float64(s.Pushes() - before)
		if most := streams + perSecond*time.Since(begin).Seconds(); sent > most || sent < most*0.9 {
			t.Errorf("%.0f responses in %s, want about %.0f", sent, time.Since(begin), most)
		}
		time.Sleep(time.Second)
		for i := range newest {
			if v := *newest[i].Load(); v != fmt.Sprint(versions-1) {
				t.Errorf("stream %d has %s", i, v)
			}
		}
	})
}

func TestLargeResponsesCostMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget{rate.NewLimiter(10, 10)}
		after := func(size int) time.Duration {
			time.Sleep(time.Minute) // it is full again
			for range 10 {
				if err := b.wait(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			b.spend(size)
			begin := time.Now()
			if err := b.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			return time.Since(begin).Round(time.Millisecond)
		}
		if got := after(pushUnit - 1); got != 100*time.Millisecond {
			t.Errorf("after a small response the next waits %s", got)
		}
		if got := after(2 * pushUnit); got != 300*time.Millisecond {
			t.Errorf("after one of two units the next waits %s", got)
		}
		if got := after(1000 * pushUnit); got != 1100*time.Millisecond {
			t.Errorf("after a huge one the next waits %s: it may leave a debt of the burst, and no more", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.wait(ctx); err == nil {
			t.Error("who left waits")
		}
	})
}

// What a client names counts once, also beside a wildcard, and no longer than it wants it.
func TestNamesOfDeltaAreCounted(t *testing.T) {
	names := make([]string, maxNames)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	half := names[:maxNames/2]
	tests := map[string]struct {
		before []request
		then   request
		want   codes.Code
	}{
		"as many as allowed":           {nil, request{subscribe: names}, codes.OK},
		"one more":                     {[]request{{subscribe: names}}, request{subscribe: []string{"one more"}}, codes.ResourceExhausted},
		"the same again":               {[]request{{subscribe: names}}, request{subscribe: names}, codes.OK},
		"others instead":               {[]request{{subscribe: names}, {unsubscribe: half}}, request{subscribe: []string{"one more"}}, codes.OK},
		"one more of another type":     {[]request{{subscribe: names}}, request{kind: listenerKind, subscribe: []string{"one more"}}, codes.ResourceExhausted},
		"one more beside the wildcard": {[]request{{}, {subscribe: names}}, request{subscribe: []string{"one more"}}, codes.ResourceExhausted},
		"as many beside the wildcard":  {[]request{{}, {subscribe: half}, {unsubscribe: half}, {subscribe: half}}, request{subscribe: names}, codes.OK},
		"a long name":                  {nil, request{subscribe: []string{strings.Repeat("n", maxNameLength+1)}}, codes.InvalidArgument},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSession(true, counting())
			for _, r := range tt.before {
				if _, err := s.subscribe(r); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.subscribe(tt.then); status.Code(err) != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// What a client says that it has is bounded too.
func TestWhatAClientSaysThatItHasIsBounded(t *testing.T) {
	has := map[string]string{strings.Repeat("n", maxNameLength+1): "1"}
	for i := range maxNames + 1 {
		has[fmt.Sprint(i)] = "1"
	}
	s := newSession(true, counting())
	if _, err := s.subscribe(request{kind: clusterKind, has: has}); err != nil {
		t.Fatal(err)
	}
	if n := len(s.types[clusterKind].items); n != maxNames {
		t.Errorf("%d are remembered, want %d", n, maxNames)
	}
	if _, err := s.subscribe(request{kind: assignmentKind, has: has, subscribe: []string{"1"}}); err != nil {
		t.Fatal(err)
	}
	if n := len(s.types[assignmentKind].items); n != 1 {
		t.Errorf("%d are remembered, of which 1 is wanted", n)
	}
}

// A response is unread until it is answered by its very nonce, whatever else is answered: that is what a worker goes by.
func TestWhatWasNotAnsweredIsUnread(t *testing.T) {
	const size = 5_000
	s := newStore()
	s.apply(at(clusterKind, "web", strings.Repeat("c", size)))
	s.apply(at(assignmentKind, "web", strings.Repeat("e", 2*size)))
	c := newTalk(t, s)
	unread := func(what string, least int) {
		t.Helper()
		if n := c.session.unread(); n < least || n > 2*least {
			t.Errorf("%s: %d bytes are unread, want %d and not much more", what, n, least)
		}
	}
	unread("nothing was sent", 0)
	c.ask(clusterKind, "")
	unread("a cluster", 2*size) // which holds its version twice
	c.ask(assignmentKind, "", "web")
	unread("its endpoints too", 6*size)
	c.ask(assignmentKind, "1", "web")
	c.ask(clusterKind, "3")
	unread("nonces of others", 6*size)
	c.ask(clusterKind, "1")
	unread("the cluster was answered", 4*size)
	c.request(request{kind: assignmentKind, nonce: "2", names: []string{"web"}, refused: true})
	unread("the endpoints were refused", 0)
}

func TestNoncesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		n := newNonce()
		if seen[n] {
			t.Fatalf("nonce %s came again", n)
		}
		seen[n] = true
	}
}
