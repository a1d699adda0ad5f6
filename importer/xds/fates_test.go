package xds

import (
	"slices"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/federationtest"
	"github.com/hansa-mcs/hansa/importer"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// admin is web with one more port, which only this cluster has.
func admin(cluster federation.ClusterID, zoneAndAddress string) *federation.Export {
	e := export(cluster, spot(zoneAndAddress, ready))
	e.Ports = []federation.Port{{Name: "admin", Protocol: federation.TCP, Number: 9000}}
	e.Subsets[0].Ports = []federation.TargetPort{{Name: "admin", Protocol: federation.TCP, Number: 9000}}
	return e
}

// Clients refuse an assignment in which a priority is left out, so the lowest is 0 where it is the only one.
func TestEndpointsOfSilentClustersComeLast(t *testing.T) {
	rule.Covers(t, "S10", "#41")
	one := func(cluster federation.ClusterID, zoneAndAddress string, c federation.Conditions) *federation.Export {
		return export(cluster, spot(zoneAndAddress, c))
	}
	for name, tt := range map[string]struct {
		exports []*federation.Export
		fates   []federation.Fate
		want    []string
	}{
		"demoted ones at the lower priority, each in its locality": {
			[]*federation.Export{
				export("a", spot("z1/10.0.0.1", ready), spot("z2/10.0.0.2", ready)),
				one("b", "z1/10.1.0.1", ready), one("c", "z1/10.2.0.1", ready),
			},
			[]federation.Fate{federation.Demoted, federation.Served, federation.Demoted},
			[]string{"r1/z1/b weight 1: 10.1.0.1:8080", "r1/z1/a weight 1 at last: 10.0.0.1:8080", "r1/z1/c weight 1 at last: 10.2.0.1:8080", "r1/z2/a weight 1 at last: 10.0.0.2:8080"},
		},
		"withdrawn ones not at all": {
			[]*federation.Export{one("a", "z1/10.0.0.1", ready), one("b", "z1/10.1.0.1", ready)},
			[]federation.Fate{federation.Withdrawn, federation.Served},
			[]string{"r1/z1/b weight 1: 10.1.0.1:8080"},
		},
		"nobody when all are withdrawn": {
			[]*federation.Export{one("a", "z1/10.0.0.1", ready), one("b", "z1/10.1.0.1", ready)},
			[]federation.Fate{federation.Withdrawn, federation.Withdrawn},
			nil,
		},
		"demoted ones first where no other serves the port": {
			[]*federation.Export{one("a", "z1/10.0.0.1", ready), admin("b", "z1/10.1.0.1")},
			[]federation.Fate{federation.Demoted, federation.Served},
			[]string{"r1/z1/a weight 1: 10.0.0.1:8080"},
		},
		"demoted ones that are ready before others that terminate": {
			[]*federation.Export{one("a", "z1/10.0.0.1", ready), one("b", "z1/10.1.0.1", terminating)},
			[]federation.Fate{federation.Demoted, federation.Served},
			[]string{"r1/z1/a weight 1: 10.0.0.1:8080"},
		},
		"demoted ones that terminate not beside others that are ready": {
			[]*federation.Export{one("a", "z1/10.0.0.1", terminating), one("b", "z1/10.1.0.1", ready)},
			[]federation.Fate{federation.Demoted, federation.Served},
			[]string{"r1/z1/b weight 1: 10.1.0.1:8080"},
		},
		"an address that two claim: the lower cluster ID, though it is demoted": {
			[]*federation.Export{one("a", "z1/10.0.0.1", ready), export("b", spot("z2/10.0.0.1", ready), spot("z2/10.1.0.1", ready))},
			[]federation.Fate{federation.Demoted, federation.Served},
			[]string{"r1/z2/b weight 1: 10.1.0.1:8080", "r1/z1/a weight 1 at last: 10.0.0.1:8080"},
		},
		"an address that two claim: not by one that is withdrawn": {
			[]*federation.Export{one("a", "z1/10.0.0.1", ready), one("b", "z2/10.0.0.1", ready)},
			[]federation.Fate{federation.Withdrawn, federation.Served},
			[]string{"r1/z2/b weight 1: 10.0.0.1:8080"},
		},
		"an address that two claim: our own, before one that is demoted": {
			[]*federation.Export{one("a", "z1/10.0.0.1", ready), one("own", "z2/10.0.0.1", ready)},
			[]federation.Fate{federation.Demoted, federation.Served},
			[]string{"r1/z2/own weight 1: 10.0.0.1:8080"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := importer.Merge(tt.exports)
			s.Fates = tt.fates
			if got := lines(t, resources(t, s, "own", "clusterset.local", Audience{})[1]); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// A client leaves the endpoints of a cluster that is not heard as soon as another has some, turns to them by itself
// when those cannot be reached, and by our word when they are withdrawn.
func TestGRPCTurnsToASilentClusterLast(t *testing.T) {
	rule.Covers(t, "S10", "#41")
	const long = time.Hour
	store := federation.NewStore("own")
	store.KeepTime(func() time.Time { return time.Now().Add(-2 * long) }) // who is not heard is silent since then
	w := newWorldOf(t, store, federation.Patience{Demote: long})
	b1, c1, c2 := newBackend(t), newBackend(t), newBackend(t)
	store.Announce(1, nil)
	federationtest.Pass(store, time.Now().Add(-2*long), time.Now())
	w.say(t, "b", behind("b", b1))
	w.open(t)
	s, _ := w.serve(t, "127.0.0.1:0")
	c := newCaller(t, s)
	c.reach(b1) // there is nobody else

	store.Heard("c", time.Now())
	w.say(t, "c", behind("c", c1, c2))
	c.reach(c1, c2)
	for range 50 {
		if id, err := c.call(); err != nil || id == b1.address.String() {
			t.Fatalf("answered by %s, error %v, though others are heard", id, err)
		}
	}

	c1.leave()
	c2.leave()
	c.reach(b1)

	c3 := newBackend(t)
	w.say(t, "c", behind("c", c3))
	c.reach(c3)
	w.say(t, "c")
	c.reach(b1)

	w.say(t, "c", behind("c", c3))
	c.reach(c3)
	store.Heard("b", time.Now())
	c.reach(b1, c3)
	if n := s.Refusals(); n != 0 {
		t.Errorf("%d responses refused", n)
	}
}
