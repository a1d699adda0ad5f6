package stream

import (
	"slices"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
)

// What catching up may cost, in bytes of frames, both ways.
const (
	mostOfTheSame  = 4_000
	mostOfOneOther = 300_000
	mostOfOnePatch = 1_000
)

// A stream that begins anew with 10,000 records that both hold costs next to nothing: with the same leader, with
// another one, and with a follower that remembers them from before a restart.
func TestReconnectWithTheSameRecordsCostsLittle(t *testing.T) {
	set := many("east", 10_000)
	a, b := talk(newStore("east", set...), newStore("west"))
	a.settle(t)
	for _, c := range []struct {
		about  string
		change func()
	}{
		{"nothing changed", func() {}},
		{"another leader", func() {
			a.store = federation.NewStore("east")
			a.store.Announce(2, set)
		}},
		{"the next term of the same leader", func() { a.store.Renew(3) }},
		{"a follower that restarted", func() {
			b.store = newStore("west")
			b.store.Restore("east", set)
		}},
		{"both restarted", func() {
			a.store, b.store = federation.NewStore("east"), newStore("west")
			a.store.Announce(4, set)
			b.store.Restore("east", set)
		}},
	} {
		c.change()
		a.exchanged()
		a.reconnect()
		a.resettle(t)
		n := a.exchanged()
		t.Logf("%s: %d bytes", c.about, n)
		if n > mostOfTheSame {
			t.Errorf("%s: %d bytes were exchanged, want at most %d", c.about, n, mostOfTheSame)
		}
		a.agrees(t)
	}
}

// Where one record of 10,000 differs, it is found by hashes and sent alone.
func TestReconnectWithOneRecordDifferingCostsItsHashes(t *testing.T) {
	set := many("east", 10_000)
	one := append(slices.Clone(set[:9_999]), flipped(set[9_999], 0))
	a, b := talk(newStore("east", set...), newStore("west"))
	a.settle(t)
	for _, c := range []struct {
		about  string
		change func()
	}{
		{"another leader", func() {
			a.store = federation.NewStore("east")
			a.store.Announce(2, one)
		}},
		{"a follower that restarted", func() {
			b.store = newStore("west")
			b.store.Restore("east", set)
		}},
	} {
		c.change()
		a.exchanged()
		a.reconnect()
		a.resettle(t)
		n := a.exchanged()
		t.Logf("%s: %d bytes", c.about, n)
		if n > mostOfOneOther {
			t.Errorf("%s: %d bytes were exchanged, want at most %d", c.about, n, mostOfOneOther)
		}
		a.agrees(t)
	}
}

// One endpoint of thousands does not resend the others: neither one change, nor a hundred of a few endpoints that met
// while the peer was slow, nor those that a peer missed which comes back.
func TestOneEndpointOfThousandsIsSentAlone(t *testing.T) {
	large := export("east", "web", addresses(5_000)...)
	a, b := talk(newStore("east", large), newStore("west"))
	a.settle(t)
	change := func(times, endpoints int) {
		for i := range times {
			large = flipped(large, 1000*(i%endpoints)+i/endpoints%2)
			a.store.Set(large)
		}
	}
	for _, c := range []struct {
		about  string
		change func()
		most   int
	}{
		{"one change", func() { change(1, 1) }, mostOfOnePatch},
		{"a hundred changes of three endpoints and their neighbours", func() { change(100, 3) }, mostOfOnePatch},
		{"one endpoint gone", func() {
			large = edited(large, func(e *federation.Export) {
				e.Subsets[0].Endpoints = slices.Delete(e.Subsets[0].Endpoints, 7, 8)
			})
			a.store.Set(large)
		}, mostOfOnePatch},
		{"one endpoint more", func() {
			large = edited(large, func(e *federation.Export) {
				e.Subsets[0].Endpoints = append(e.Subsets[0].Endpoints, export("east", "x", "10.99.0.1").Subsets[0].Endpoints...)
			})
			a.store.Set(large)
		}, mostOfOnePatch},
		{"a label", func() {
			large = edited(large, func(e *federation.Export) { e.Labels["tier"] = "1" })
			a.store.Set(large)
		}, mostOfOnePatch},
		{"a change during a short break", func() {
			change(1, 1)
			a.reconnect()
		}, mostOfOnePatch},
	} {
		a.exchanged()
		c.change()
		a.settle(t)
		n := a.exchanged()
		t.Logf("%s: %d bytes", c.about, n)
		if n > c.most {
			t.Errorf("%s: %d bytes were exchanged, want at most %d", c.about, n, c.most)
		}
		if got := b.store.Export("east", webName); !got.Equal(large) {
			t.Errorf("%s: west holds %d endpoints of another kind", c.about, len(got.Subsets[0].Endpoints))
		}
		a.agrees(t)
	}
}
