package stream

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// Two clusters that were given one ID cannot both speak: who comes second is told so, also when it comes as one of our
// own agents.
func TestASecondClusterOfOneIDIsRefused(t *testing.T) {
	for _, c := range []struct {
		about string
		role  Role
		peer  federation.ClusterID
	}{{"another cluster", Peer, "west"}, {"one of ours", Standby, "east"}} {
		store := newStore("east")
		for id, uid := range map[federation.ClusterID]string{"east": "uid-of-east", "west": "uid-of-west"} {
			if err := store.Meet(id, uid); err != nil {
				t.Fatal(err)
			}
		}
		for uid, taken := range map[string]bool{store.UID(c.peer): false, "another": true, "": true} {
			hello := hello(string(c.peer), "east", wireVersion, wireVersion)
			hello.GetHello().Uid = uid
			s := NewSession(store, c.peer, c.role, epoch)
			if _, err := s.Handle(hello, epoch); errors.Is(err, federation.ErrTaken) != taken || s.Greeted() == taken {
				t.Errorf("%s, UID %q: error %v", c.about, uid, err)
			}
		}
		long := hello(string(c.peer), "east", wireVersion, wireVersion)
		long.GetHello().Uid = strings.Repeat("x", maxUID+1)
		if _, err := NewSession(newStore("east"), c.peer, c.role, epoch).Handle(long, epoch); err == nil {
			t.Errorf("%s: a UID of %d bytes is taken", c.about, maxUID+1)
		}
	}
	if got := NewSession(newStore("east"), "west", Peer, epoch).Hello().GetHello().GetUid(); got != "" {
		t.Errorf("an agent that knows none says %q", got)
	}
}

// A stream to a member that gossip has lost goes on: what gossip thinks is advice.
func TestAStreamOutlivesGossip(t *testing.T) {
	n := newNetwork()
	west := n.start(t, "west")
	members, changed := []Member{{Cluster: "west", Address: "west"}}, make(chan struct{})
	look := make(chan struct{}, 1)
	east := n.runWith(t, newStore("east"), "east", Standing{Leads: true}, func() ([]Member, <-chan struct{}) {
		select {
		case <-changed:
			look <- struct{}{}
			return nil, nil
		default:
			return members, changed
		}
	})
	first := export("west", "first")
	west.store.Set(first)
	east.holds(t, first)
	close(changed)
	<-look
	second := export("west", "second")
	west.store.Set(second)
	east.holds(t, second)
	if n := east.exchange.Totals()["west"].Streams; n > 1 {
		t.Errorf("%d streams came up, one after the other, though the first one worked", n)
	}
}

// Who opens streams and resets them without end is cut off, and others are heard.
func TestStreamsThatAreResetEndTheConnection(t *testing.T) {
	n := newNetwork()
	east := n.start(t, "east")
	conn, err := n.dialer("mallory")(t.Context(), "east", "east")
	if err != nil {
		t.Fatal(err)
	}
	client, err := grpc.NewClient("passthrough:east", grpc.WithTransportCredentials(handshaken{}), grpc.WithContextDialer(
		func(context.Context, string) (net.Conn, error) { return conn, nil }))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	for range maxStreams + 1 {
		ctx, cancel := context.WithCancel(t.Context())
		_, _ = wire.NewFederationClient(client).Exchange(ctx)
		cancel()
	}
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for state := client.GetState(); state == connectivity.Ready; state = client.GetState() {
		if !client.WaitForStateChange(soon, state) {
			t.Fatalf("%d streams began on one connection, and it goes on", maxStreams+1)
		}
	}
	west := n.start(t, "west", "east")
	e := export("west", "web")
	west.store.Set(e)
	east.holds(t, e)
}
