package federation

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// patchTo returns an update that patches what is held of one service of "east", from a record with that hash.
func patchTo(s *Store, base Hash, before, after *Export) *Update {
	keys, _ := touched(before, after)
	v := s.Version("east")
	u := &Update{Owner: "east", From: v, To: Version{v.Term, v.Seq + 1}, Patched: []Patch{patch(base, Sealed(after), keys)}}
	leadsTo(s, u)
	return u
}

func firstTerminating(e *Export) { e.Subsets[0].Endpoints[0].Conditions = Terminating }

// A patch of what is not held is none: nothing of its update is taken.
func TestAPatchNeedsItsBase(t *testing.T) {
	e, another := big("east", "big", 9), big("east", "big", 12)
	after := edited(e, firstTerminating)
	base := Sealed(e).Hash
	for what, held := range map[string][]*Export{
		"no record":      {web("east", "web")},
		"another record": {web("east", "web"), another},
	} {
		s := announced()
		mustApply(t, s, whole(s, "east", Version{1, 1}, held...))
		u := patchTo(s, base, e, after)
		u.Put = sealed([]*Export{web("east", "web", "10.0.0.1"), web("east", "new")})
		leadsTo(s, u)
		t.Run(what, func(t *testing.T) {
			refuse(t, s, u, ErrGap)
			u.More = true
			refuse(t, s, u, ErrGap)
		})
	}
	s := announced()
	mustApply(t, s, whole(s, "east", Version{1, 1}, e))
	mustApply(t, s, patchTo(s, base, e, after))
	if !s.Export("east", e.Name).Equal(after) || !e.Equal(big("east", "big", 9)) {
		t.Error("the patch of what is held is not what was meant, or wrote to it")
	}
}

// Of two ways in which a record may come, the later finds it there.
func TestAPatchThatIsAppliedAlreadyIsFine(t *testing.T) {
	s := announced()
	e := big("east", "big", 9)
	after := edited(e, firstTerminating)
	mustApply(t, s, whole(s, "east", Version{1, 1}, e))
	u := patchTo(s, Sealed(e).Hash, e, after)
	mustApply(t, s, u)
	held, changed := s.Export("east", e.Name), s.Changed()
	mustApply(t, s, u)
	if woken(changed) || s.Export("east", e.Name) != held {
		t.Error("changed again")
	}
	mustApply(t, s, patchTo(s, Sealed(e).Hash, e, after))
	if s.Export("east", e.Name) != held || s.Version("east") != (Version{1, 3}) {
		t.Errorf("at %s, and another pointer", s.Version("east"))
	}
}

// The bound of one record holds for what a patch makes, too; the rest of the update is taken.
func TestAPatchBeyondTheBoundIsRefusedAlone(t *testing.T) {
	full, ok := big("east", "full", MaxEndpoints), big("east", "ok", 9)
	s := announced()
	mustApply(t, s, whole(s, "east", Version{1, 1}, full, ok))
	beyond := edited(full, func(e *Export) {
		e.Subsets[0].Endpoints = append(e.Subsets[0].Endpoints, Endpoint{Address: netip.MustParseAddr("192.168.0.1")})
	})
	u := patchTo(s, Sealed(full).Hash, full, beyond)
	u.Patched = append(u.Patched, patchTo(s, Sealed(ok).Hash, ok, edited(ok, firstTerminating)).Patched...)
	u.Put = sealed([]*Export{web("east", "new")})
	leadsTo(s, u)
	refused, err := s.Apply(u)
	if err != nil || len(refused) != 1 || !strings.Contains(refused[0].Error(), "100001 endpoints: want at most 100000") {
		t.Fatalf("error %v, refused %v", err, refused)
	}
	if s.Head("east") != (Head{u.To, u.Digest, 3}) || s.Export("east", full.Name) != full {
		t.Errorf("head %+v, want %x, and the former record to stay", s.Head("east"), u.Digest)
	}
	if s.Export("east", named("new")) == nil || s.Export("east", ok.Name) == ok {
		t.Error("the rest of the update is not taken")
	}
	if slices.Contains(s.Hashes("east"), Sealed(beyond).Hash) {
		t.Error("what was refused counts as held")
	}
	mustApply(t, s, whole(s, "east", Version{2, 1}, full)) // which can be patched to as many as it has
	moved := edited(full, firstTerminating)
	mustApply(t, s, patchTo(s, Sealed(full).Hash, full, moved))
	if !s.Export("east", full.Name).Equal(moved) {
		t.Error("at the bound: not taken")
	}
}

// owning returns a Store of that cluster which says these exports at that version.
func owning(cluster ClusterID, v Version, exports ...*Export) *Store {
	s := NewStore(cluster)
	s.Announce(v.Term, exports)
	return s
}

// Many changes of few endpoints: what came and went in between would make the patch longer than the record.
func TestAPatchIsNeverLongerThanTheRecord(t *testing.T) {
	e := big("own", "big", 8)
	owner := announced(e)
	has := owner.Head("own")
	for i := range 100 {
		e = edited(e, func(e *Export) { e.Subsets[0].Endpoints[0].Address = netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}) })
		owner.Set(e)
	}
	if u, _ := owner.SeenBy(owner.Self()).Since("own", has, true); u == nil || len(u.Put) != 1 || len(u.Patched) != 0 {
		t.Errorf("%+v, want the record", u)
	}
	flapping, has := big("own", "flapping", 60), owner.Head("own")
	owner.Set(flapping)
	before := owner.Head("own")
	for i := range 100 {
		owner.Set(edited(flapping, func(e *Export) { e.Subsets[0].Endpoints[0].Conditions = Conditions(i % 8) }))
	}
	if u, _ := owner.SeenBy(owner.Self()).Since("own", before, true); u == nil || len(u.Patched) != 1 || u.Patched[0].EndpointCount() != 1 {
		t.Errorf("%+v, want a patch with the one endpoint that flapped", u)
	}
	if u, _ := owner.SeenBy(owner.Self()).Since("own", has, true); u == nil || len(u.Put) != 1 {
		t.Errorf("%+v, want the record that is new", u)
	}
}

// The node of an endpoint counts for its own cluster alone: another one is a change without a difference to others.
func TestAnotherNodeIsAChangeThatCostsNothing(t *testing.T) {
	e := big("own", "big", 20)
	owner, follower := announced(e), NewStore("east")
	catchUp(t, owner, follower, "own")
	digest := owner.Head("own").Digest
	owner.Set(edited(e, func(e *Export) { e.Subsets[0].Endpoints[0].Node = "node-2" }))
	u, ask := owner.SeenBy(owner.Self()).Since("own", follower.Head("own"), true)
	if u == nil || ask || u.Digest != digest || owner.Version("own") != (Version{1, 2}) {
		t.Fatalf("%+v, ask %t", u, ask)
	}
	mustApply(t, follower, u)
	if follower.Head("own") != owner.Head("own") {
		t.Errorf("head %+v, want %+v", follower.Head("own"), owner.Head("own"))
	}
}

// What an update brings a record of is not stale, even if its sender says so of the record before.
func TestAPatchedRecordIsNotStale(t *testing.T) {
	s := announced()
	e := big("east", "big", 9)
	mustApply(t, s, whole(s, "east", Version{1, 1}, e, web("east", "goes")))
	u := patchTo(s, Sealed(e).Hash, e, edited(e, firstTerminating))
	u.From, u.Stale, u.Digest = Version{}, s.Hashes("east"), Digest(u.Patched[0].Hash)
	mustApply(t, s, u)
	if len(said(s, "east")) != 1 || s.Head("east") != (Head{u.To, sum(said(s, "east")), 1}) {
		t.Errorf("head %+v, held %v", s.Head("east"), said(s, "east"))
	}
}
