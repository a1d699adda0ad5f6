package stream

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// ours is what an agent of a cluster whose Services have addresses in 10.96.0.0/16 leaves out.
func ours(a netip.Addr) bool { return netip.MustParsePrefix("10.96.0.0/16").Contains(a) }

// spread returns west's web with n endpoints outside of our ranges, and these.
func spread(n int, others ...string) *federation.Export {
	return export("west", "web", append(addresses(n), others...)...)
}

// What another cluster gives out as its endpoints and is one of our own Services' addresses is left out, of records as
// of patches. To the owner the set is the same, so nothing is sent again; the standby is passed on what was left.
func TestOurOwnServicesAddressesAreLeftOut(t *testing.T) {
	west, east := talk(newStore("west", spread(20, "10.96.0.1")), newStore("east"))
	east.session.drop = ours
	x, standby := feed(east.store, federation.NewStore("east"))
	for about, said := range map[string]struct{ says, held *federation.Export }{
		"a record":                   {spread(20, "10.96.0.1"), spread(20)},
		"a patch that brings one":    {spread(20, "10.96.0.1", "10.96.0.2"), spread(20)},
		"a patch that takes one":     {spread(20, "10.96.0.2"), spread(20)},
		"a patch of both kinds":      {spread(21, "10.96.0.1"), spread(21)},
		"a patch that leaves nobody": {spread(0, "10.96.0.1"), spread(0)},
		"nobody but ours":            {spread(0, "10.96.0.7"), spread(0)},
	} {
		west.store.Set(said.says)
		west.settle(t)
		x.settle(t)
		for _, s := range []*federation.Store{east.store, standby.store} {
			if got := s.Export("west", webName); !got.Equal(said.held) {
				t.Errorf("%s: held %+v", about, got)
			}
			if s.Head("west") != west.store.Head("west") {
				t.Errorf("%s: at %+v, want %+v", about, s.Head("west"), west.store.Head("west"))
			}
		}
		west.exchanged()
		west.resettle(t)
		if n := west.exchanged(); n > 250 {
			t.Errorf("%s: %d bytes for a heartbeat", about, n)
		}
	}
}

// An endpoint that is held from before the ranges were known goes when its owner says anything of it.
func TestAnAddressThatBecameOursGoesWithItsNextPatch(t *testing.T) {
	west, east := talk(newStore("west", spread(20, "10.96.0.1")), newStore("east"))
	west.settle(t)
	east.session.drop = ours
	before := west.store.Export("west", webName)
	at := slices.IndexFunc(before.Subsets[0].Endpoints, func(ep federation.Endpoint) bool { return ours(ep.Address) })
	west.store.Set(flipped(before, at))
	west.settle(t)
	if got := east.store.Export("west", webName); !got.Equal(spread(20)) || east.store.Head("west") != west.store.Head("west") {
		t.Errorf("held %+v", got)
	}
}

// What a leader passes on of its own cluster is never looked through: links of both other roles leave nothing out.
func TestOnlyWhatPeersSayIsLookedThrough(t *testing.T) {
	x := New(Config{Store: federation.NewStore("east"), Drop: ours, Log: quiet})
	for role, cluster := range map[Role]federation.ClusterID{Peer: "west", Leader: "east", Standby: "east"} {
		l := x.newLink(nil, cluster, role, "east", nil)
		if (l.session.drop != nil) != (role == Peer) {
			t.Errorf("of a %s", role)
		}
	}
	s := NewSession(federation.NewStore("east"), "east", Leader, epoch)
	hello := &wire.Frame{Kind: &wire.Frame_Hello{Hello: &wire.Hello{MinVersion: 1, MaxVersion: 1, Cluster: "east"}}}
	if err := handleAll(s, hello, says(t, wholeSet("east", federation.Version{Term: 1, Seq: 1}, export("east", "web", "10.96.0.1")))); err != nil {
		t.Fatal(err)
	}
	if got := s.store.Export("east", webName); got.Subsets == nil {
		t.Error("something was left out")
	}
}
