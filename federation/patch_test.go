package federation

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"testing"
)

// anyBig returns a normalized export with up to 60 endpoints in up to four subsets, some with host names; the same
// address may be in several.
func anyBig(r *rand.Rand, cluster ClusterID, name string) *Export {
	e := web(cluster, name)
	for range r.IntN(60) {
		addEndpoint(r, e)
	}
	e.Normalize()
	return e
}

func addEndpoint(r *rand.Rand, e *Export) {
	ports := []TargetPort{{"http", TCP, uint16(8080 + r.IntN(3))}}
	if r.IntN(3) == 0 {
		ports = append(ports, TargetPort{"metrics", TCP, 9090})
	}
	ep := Endpoint{Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(50))}), Zone: "z1", Conditions: Conditions(r.IntN(8))}
	if r.IntN(8) == 0 {
		ep.Address = netip.AddrFrom16([16]byte{0: 0xfd, 15: byte(r.IntN(10))})
	}
	if r.IntN(3) == 0 {
		ep.Hostname = "web-" + strconv.Itoa(r.IntN(3))
	}
	e.Subsets = append(e.Subsets, Subset{ports, []Endpoint{ep}})
}

// anyEdit changes, adds and removes few endpoints, rarely many, and sometimes what is no endpoint.
func anyEdit(r *rand.Rand, e *Export) *Export {
	return edited(e, func(e *Export) {
		for range r.IntN(4) {
			addEndpoint(r, e)
		}
		for range r.IntN(4) {
			if ep := anyEndpoint(r, e); ep != nil {
				ep.Conditions, ep.Zone = Conditions(r.IntN(8)), []string{"z1", "z2"}[r.IntN(2)]
			}
		}
		for range r.IntN(3) {
			if len(e.Subsets) > 0 {
				s := &e.Subsets[r.IntN(len(e.Subsets))]
				if i := r.IntN(len(s.Endpoints) + 1); i < len(s.Endpoints) {
					s.Endpoints = slices.Delete(s.Endpoints, i, i+1)
				}
			}
		}
		switch {
		case r.IntN(5) == 0:
			e.Labels = map[string]string{"team": strconv.Itoa(r.IntN(9))}
		case r.IntN(10) == 0 && len(e.Subsets) > 0:
			e.Subsets = slices.Delete(e.Subsets, 0, 1)
		case r.IntN(10) == 0:
			e.Extra = []byte{byte(r.IntN(3))}
		}
	})
}

func anyEndpoint(r *rand.Rand, e *Export) *Endpoint {
	if len(e.Subsets) == 0 {
		return nil
	}
	list := e.Subsets[r.IntN(len(e.Subsets))].Endpoints
	if len(list) == 0 {
		return nil
	}
	return &list[r.IntN(len(list))]
}

// deep returns a copy that shares nothing that a patch could write to.
func deep(e *Export) *Export { return edited(e, func(*Export) {}) }

// Promise 5: a patch makes of what was just what is, and changes neither; so does one over several changes, made
// of the endpoints of all of them.
func TestPatchMakesWhatIsOfWhatWas(t *testing.T) {
	r := random(t)
	patched := 0
	for range 3000 {
		first := anyBig(r, "own", "big")
		now, few := first, true
		var keys []endpointKey
		for range 1 + r.IntN(4) {
			next := anyEdit(r, now)
			k, ok := touched(now, next)
			keys, few = append(keys, k...), few && ok
			now = next
		}
		if !few {
			continue
		}
		patched++
		before, after := deep(first), deep(now)
		p := patch(Sealed(first).Hash, Sealed(now), distinct(keys))
		made, err := p.apply(first)
		if err != nil || !made.Equal(now) || Sealed(made).Hash != p.Hash || p.Base != before.hash() {
			t.Fatalf("patch %+v of\n%+v\nmakes\n%+v (%v)\nwant\n%+v", p, first, made, err, now)
		}
		if !first.Equal(before) || !now.Equal(after) {
			t.Fatal("what was or what is has changed")
		}
		checkPatchIsNormal(t, &p)
	}
	if patched < 300 {
		t.Errorf("only %d patches: the edits are too wild to show anything", patched)
	}
}

// checkPatchIsNormal checks what the receiver of a patch relies on, and that it holds only what differs.
func checkPatchIsNormal(t *testing.T, p *Patch) {
	t.Helper()
	for _, list := range [][]Subset{p.Subsets, p.Removed} {
		e := Export{Subsets: list}
		if !deep(&e).Equal(&Export{Created: deep(&e).Created, Subsets: list}) {
			t.Fatalf("not normalized: %+v", list)
		}
	}
	for _, s := range p.Removed {
		if len(without(s.Endpoints, p.Subsets, s.Ports)) != len(s.Endpoints) {
			t.Fatalf("an endpoint is there and removed: %+v", p)
		}
	}
}

// Whoever holds any version that the log reaches gets just what the owner says now.
func TestFollowersOfAnyVersionArePatchedToTheNewest(t *testing.T) {
	r := random(t)
	for range 20 {
		e := anyBig(r, "own", "big")
		owner := announced(e, big("own", "other", 30))
		var followers []*Store
		for range 25 {
			f := NewStore("east")
			catchUp(t, owner, f, "own")
			followers = append(followers, f)
			e = anyEdit(r, e)
			owner.Set(e)
		}
		for i, f := range followers {
			u, ask := owner.SeenBy(owner.Self()).Since("own", f.Head("own"), true)
			if ask || u == nil && f.Head("own") != owner.Head("own") {
				t.Fatalf("%d changes behind: update %+v, ask %t", len(followers)-i, u, ask)
			}
			if u != nil {
				mustApply(t, f, u)
			}
			if f.Head("own") != owner.Head("own") || !sameSay(said(f, "own"), said(owner, "own")) {
				t.Fatalf("%d changes behind: got %v, want %v", len(followers)-i, said(f, "own"), said(owner, "own"))
			}
		}
	}
}

// Promise 7: one change in a service of thousands does not resend them.
func TestOneEndpointOfThousandsIsSentAlone(t *testing.T) {
	at := func(e *Export, i int) *Endpoint { return &e.Subsets[0].Endpoints[i] }
	for what, c := range map[string]struct {
		edit          func(*Export)
		sent, removed int
	}{
		"changed": {func(e *Export) { at(e, 2500).Conditions = Terminating }, 1, 0},
		"added": {func(e *Export) {
			e.Subsets[0].Endpoints = append(e.Subsets[0].Endpoints, Endpoint{Address: netip.MustParseAddr("10.9.0.1")})
		}, 1, 0},
		"removed": {func(e *Export) { e.Subsets[0].Endpoints = slices.Delete(e.Subsets[0].Endpoints, 7, 8) }, 0, 1},
		"moved":   {func(e *Export) { at(e, 0).Hostname = "web-0" }, 1, 1},
		"a label": {func(e *Export) { e.Labels["team"] = "other" }, 0, 0},
	} {
		e := big("own", "big", 5000)
		owner, follower := announced(e), NewStore("east")
		catchUp(t, owner, follower, "own")
		owner.Set(edited(e, c.edit))
		u, _ := owner.SeenBy(owner.Self()).Since("own", follower.Head("own"), true)
		if u == nil || len(u.Put)+len(u.Withdrawn) != 0 || len(u.Patched) != 1 {
			t.Errorf("%s: %+v, want one patch", what, u)
			continue
		}
		removed := Export{Subsets: u.Patched[0].Removed}
		if u.Patched[0].EndpointCount() != c.sent || removed.EndpointCount() != c.removed {
			t.Errorf("%s: %d sent and %d removed, want %d and %d", what, u.Patched[0].EndpointCount(), removed.EndpointCount(), c.sent, c.removed)
		}
		catchUp(t, owner, follower, "own")
	}
}

// Where a patch would save little the whole record goes.
func TestSmallOrManyChangesAreSentWhole(t *testing.T) {
	for _, c := range []struct {
		n, changed int
		patched    bool
	}{{patchWorth - 1, 1, false}, {patchWorth, 1, true}, {patchWorth, 2, true}, {patchWorth, 3, false}, {400, 100, true}, {400, 101, false}} {
		e := big("own", "big", c.n)
		owner := announced(e)
		has := owner.Head("own")
		owner.Set(edited(e, func(e *Export) {
			for i := range c.changed {
				e.Subsets[0].Endpoints[i].Zone = "z9"
			}
		}))
		if u, _ := owner.SeenBy(owner.Self()).Since("own", has, true); u == nil || len(u.Patched) == 1 != c.patched || len(u.Patched)+len(u.Put) != 1 {
			t.Errorf("%d of %d endpoints changed: %+v", c.changed, c.n, u)
		}
	}
}
