package stream

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// needle is what would tell of a service.
type needle struct {
	what    string
	bytes   []byte
	written bool // it stands like that in what a cluster is sent that may see the service
}

func text(what, s string) needle { return needle{what + " " + s, []byte(s), true} }

// needles are all that would tell of a service, in each form that it could have.
func needles(e *federation.Export) []needle {
	hash := uint64(federation.Sealed(e).Hash)
	list := []needle{
		text("name", e.Name.Name), text("namespace", e.Name.Namespace),
		{"hash of " + e.Name.String(), binary.LittleEndian.AppendUint64(nil, hash), true},
		{"hash of " + e.Name.String(), binary.BigEndian.AppendUint64(nil, hash), false},
		{"hash of " + e.Name.String(), fmt.Appendf(nil, "%x", hash), false},
	}
	for _, c := range e.Consumers {
		list = append(list, text("consumer", c))
	}
	for _, s := range e.Subsets {
		for _, ep := range s.Endpoints {
			list = append(list, text("host name", ep.Hostname), text("zone", ep.Zone), text("region", ep.Region),
				needle{"address " + ep.Address.String(), ep.Address.AsSlice(), true},
				needle{"text of address " + ep.Address.String(), []byte(ep.Address.String()), false},
				needle{"text of address " + ep.Address.String(), []byte(ep.Address.StringExpanded()), false})
		}
	}
	return list
}

// holds reports whether a needle is in what was written, as it went or as it was meant.
func (c *capture) holds(n needle) bool {
	return bytes.Contains(c.raw, n.bytes) || bytes.Contains(c.plain, n.bytes)
}

// kept returns an export of a namespace of its own, of a dozen endpoints in both families, with names that nothing
// else has. Each n has others.
func kept(namespace, name string, n int, consumers ...string) *federation.Export {
	var list []string
	for i := range 6 {
		list = append(list, fmt.Sprintf("10.77.%d.%d", n, 200+i), fmt.Sprintf("fd77:1234::%x:%x", n+1, 0xabc0+i))
	}
	e := export("east", name, list...)
	e.Name.Namespace = namespace
	e.Consumers = consumers
	for i := range e.Subsets[0].Endpoints {
		ep := &e.Subsets[0].Endpoints[i]
		ep.Hostname, ep.Zone, ep.Region = fmt.Sprintf("%s-host-%d-%d", name, n, i), name+"-zone", name+"-region"
	}
	e.Normalize()
	return e
}

// scene is east, with a leader and a standby, north, which may see all, and west, which may not.
type scene struct {
	*tap
	t                            *testing.T
	leader, standby, north, west *member
	secrets                      []needle
	visible                      int
}

func newScene(t *testing.T, exports ...*federation.Export) *scene {
	s := &scene{tap: &tap{network: newNetwork()}, t: t}
	members := []Member{{"west", "west"}, {"north", "north"}}
	east := func() *federation.Store {
		store := federation.NewStore("east")
		rule, err := federation.ParseNamespaceRule("west=cellar")
		if err != nil {
			t.Fatal(err)
		}
		store.Withhold(federation.Namespaces{Deny: []federation.NamespaceRule{rule}})
		return store
	}
	s.north = s.run(t, newStore("north"), "north", Standing{Leads: true})
	s.west = s.run(t, newStore("west"), "west", Standing{Leads: true})
	first, second := east(), east()
	first.Announce(1, append(many("east", 60), exports...))
	s.leader = s.run(t, first, "east-0", Standing{Leads: true}, members...)
	s.standby = s.run(t, second, "east-1", Standing{Leader: "east-0"}, members...)
	for _, e := range exports {
		s.north.holds(t, e)
		s.standby.holds(t, e)
		s.keep(e)
	}
	s.settle()
	return s
}

// stop ends all agents.
func (s *scene) stop() {
	for _, m := range []*member{s.standby, s.north, s.west, s.leader} {
		m.stop()
	}
}

// keep notes that west may not learn of a record, nor of a digest that counts it.
func (s *scene) keep(e *federation.Export) {
	s.secrets = append(s.secrets, needles(e)...)
	own, wests := s.leader.store.Head("east"), s.leader.store.SeenBy("west").Head("east")
	if own.Digest == wests.Digest {
		s.t.Errorf("%s is not hidden from west", e.Name)
	}
	s.secrets = append(s.secrets, needle{"digest of all", binary.LittleEndian.AppendUint64(nil, uint64(own.Digest)), false})
}

// hide says a record that west may not learn of, and waits until who may has it.
func (s *scene) hide(e *federation.Export) {
	s.t.Helper()
	s.leader.store.Set(e)
	s.keep(e)
	s.north.holds(s.t, e)
	s.standby.holds(s.t, e)
}

// settle changes what all may see, and waits until all have it: what was said before was said to them by then, or
// never will be.
func (s *scene) settle() {
	s.t.Helper()
	s.visible++
	e := export("east", "open", fmt.Sprintf("10.9.0.%d", s.visible))
	s.leader.store.Set(e)
	for _, m := range []*member{s.standby, s.north, s.west} {
		m.holds(s.t, e)
	}
	synctest.Wait()
}

// takeOver makes the standby lead, which says those exports, that west may not learn of, and what it holds.
func (s *scene) takeOver(term uint64, hidden ...*federation.Export) {
	s.t.Helper()
	former, next := s.leader, s.standby
	former.store.Follow()
	former.standing.set(Standing{Leader: next.address})
	all := slices.DeleteFunc(everything(next.store, "east"), func(e *federation.Export) bool {
		return slices.ContainsFunc(hidden, func(h *federation.Export) bool { return h.Name == e.Name })
	})
	next.store.Announce(term, append(all, hidden...))
	next.standing.set(Standing{Leads: true})
	s.leader, s.standby = next, former
	for _, e := range hidden {
		s.keep(e)
		s.north.holds(s.t, e)
		s.standby.holds(s.t, e)
	}
}

func everything(store *federation.Store, owner federation.ClusterID) (list []*federation.Export) {
	for _, r := range holds(store, owner).Put {
		list = append(list, r.Export)
	}
	return list
}

// Whatever happens between two clusters, one that may not see a service is sent nothing that tells of it: neither
// name nor address, nor a hash, nor a digest that counts it. Gossip cannot tell either, as what it is given are
// versions: its Config has no way to a record.
func TestNothingTellsOfWhatAClusterMayNotSee(t *testing.T) {
	rule.Covers(t, "E1")
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, kept("vault", "ledger", 1, "nor*h"), kept("cellar", "wine", 2))
		defer s.stop()
		s.changes()
		s.narrows()
		s.reconnects()
		s.repairs()
		s.takeOver(2)
		s.settle()
		s.takeOver(3, kept("vault", "ledger", 8, "nor*h"), kept("cellar", "wine", 9))
		s.settle()
		s.meetsAnotherTerm()

		west := s.toward(t, "west")
		for _, n := range s.secrets {
			if west.holds(n) {
				t.Errorf("west is told the %s", n.what)
			}
		}
		if west.compressed == 0 || !bytes.Contains(west.plain, []byte("open")) {
			t.Errorf("%d messages to west are compressed", west.compressed)
		}
		s.finds("north", s.secrets)
		s.finds("east", s.secrets)

		widened := kept("vault", "ledger", 12)
		s.leader.store.Set(widened)
		s.west.holds(t, widened)
		s.finds("west", needles(widened))
	})
}

// finds fails unless what was written toward a cluster holds all that stands in what tells of a service.
func (s *scene) finds(to federation.ClusterID, list []needle) {
	s.t.Helper()
	c := s.toward(s.t, to)
	for _, n := range list {
		if n.written && !c.holds(n) {
			s.t.Errorf("%s is not told the %s, or the capture misses it", to, n.what)
		}
	}
}

// changes changes a few endpoints of a service, then most of them, and withdraws another one.
func (s *scene) changes() {
	s.t.Helper()
	for i := range 3 {
		s.hide(flipped(kept("vault", "ledger", 1, "nor*h"), i))
	}
	s.hide(kept("vault", "ledger", 3, "nor*h"))
	s.hide(kept("vault", "fleeting", 4, "nor*h"))
	s.leader.store.Withdraw(federation.ServiceName{Namespace: "vault", Name: "fleeting"})
	s.settle()
}

// narrows hides a service that west saw: that it went is the last that west is told.
func (s *scene) narrows() {
	s.t.Helper()
	known := kept("drawer", "diary", 5)
	s.leader.store.Set(known)
	s.west.holds(s.t, known)
	s.hide(kept("drawer", "diary", 6, "nor*h"))
	s.west.lacks(s.t, known.Name)
	s.hide(kept("drawer", "diary", 7, "nor*h"))
	knew := needles(known)
	s.secrets = slices.DeleteFunc(s.secrets, func(n needle) bool {
		return slices.ContainsFunc(knew, func(k needle) bool { return bytes.Equal(n.bytes, k.bytes) })
	})
	s.settle()
}

// reconnects lets west miss changes, of what it may see too.
func (s *scene) reconnects() {
	s.t.Helper()
	s.west.stop()
	s.hide(flipped(kept("cellar", "wine", 2), 3))
	s.hide(kept("vault", "ledger", 7, "nor*h"))
	s.leader.store.Set(export("east", "another", "10.9.1.1"))
	s.west = s.run(s.t, s.west.store, "west", Standing{Leads: true})
	s.settle()
}

// repairs makes west hold what east never said, which a heartbeat brings to light, and hashes put right.
func (s *scene) repairs() {
	s.t.Helper()
	r, head := federation.Sealed(export("east", "stray", "10.8.0.1")), s.west.store.Head("east")
	u := &federation.Update{Owner: "east", To: head.Version, Put: []federation.Record{r}, Digest: head.Digest + federation.Digest(r.Hash)}
	if refused, err := s.west.store.Apply(u); err != nil || len(refused) > 0 || s.west.store.Export("east", r.Name) == nil {
		s.t.Fatalf("refused %v, error %v", refused, err)
	}
	s.west.lacks(s.t, r.Name)
	told := slices.ContainsFunc(s.toward(s.t, "east").messages, func(m *wire.Message) bool { return m.GetHashes() != nil })
	if !told {
		s.t.Error("west did not tell hashes")
	}
	s.settle()
}

// meetsAnotherTerm lets west come back to a leader of another term, whose set has changed: only hashes tell how.
func (s *scene) meetsAnotherTerm() {
	s.t.Helper()
	s.west.stop()
	s.takeOver(4, kept("vault", "ledger", 10, "nor*h"))
	s.hide(kept("cellar", "wine", 11))
	s.leader.store.Set(export("east", "another", "10.9.1.2"))
	s.west = s.run(s.t, s.west.store, "west", Standing{Leads: true})
	s.settle()
}

// Who loses sight of a service is sent its withdrawal, and nobody else is; who gains it is sent the whole, and nobody
// else again.
func TestNarrowingWithdrawsThereAndNowhereElse(t *testing.T) {
	rule.Covers(t, "E1")
	synctest.Test(t, func(t *testing.T) {
		all := kept("drawer", "diary", 1)
		s := newScene(t)
		defer s.stop()
		s.leader.store.Set(all)
		s.west.holds(t, all)
		s.settle()
		narrow, wide := kept("drawer", "diary", 1, "north"), kept("drawer", "diary", 1, "north", "west")
		before := s.told()
		s.leader.store.Set(narrow)
		s.north.holds(t, narrow)
		s.standby.holds(t, narrow)
		s.west.lacks(t, narrow.Name)
		s.settle()
		s.expects(before, "withdrawn", "patched")

		before = s.told()
		s.leader.store.Set(wide)
		for _, m := range []*member{s.north, s.standby, s.west} {
			m.holds(t, wide)
		}
		s.settle()
		s.expects(before, "put", "patched")
	})
}

// told returns what each cluster was told of the diary, in order.
func (s *scene) told() map[federation.ClusterID][]string {
	list := map[federation.ClusterID][]string{}
	for _, to := range []federation.ClusterID{"west", "north", "east"} {
		for _, m := range s.toward(s.t, to).messages {
			list[to] = append(list[to], saysOf(m.GetUpdate(), "diary")...)
		}
	}
	return list
}

// expects fails unless of the diary west was told the one thing since, and north and the standby the other, once.
func (s *scene) expects(since map[federation.ClusterID][]string, west, others string) {
	s.t.Helper()
	want := map[federation.ClusterID]string{"west": west, "north": others, "east": others}
	for to, list := range s.told() {
		if got := list[len(since[to]):]; !slices.Equal(got, []string{want[to]}) {
			s.t.Errorf("%s is told %v, want %s", to, got, want[to])
		}
	}
}

// saysOf returns what an update does to services of a name.
func saysOf(u *wire.Update, name string) (list []string) {
	note := func(what string, n *wire.Name) {
		if n.GetName() == name {
			list = append(list, what)
		}
	}
	for _, r := range u.GetPut() {
		note("put", r.GetName())
	}
	for _, p := range u.GetPatched() {
		note("patched", p.GetRecord().GetName())
	}
	for _, n := range u.GetWithdrawn() {
		note("withdrawn", n)
	}
	for _, x := range u.GetUnread() {
		note("unread", x.GetName())
	}
	return list
}
