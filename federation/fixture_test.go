package federation

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random tests, to play a failure again; 0 draws one")

// random returns a generator whose seed is told when the test fails.
func random(t *testing.T) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("play it again with -seed=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

func named(name string) ServiceName { return ServiceName{Namespace: "shop", Name: name} }

// web returns a normalized export with one endpoint for each address, all of one subset.
func web(cluster ClusterID, name string, addresses ...string) *Export {
	e := &Export{
		Cluster:         cluster,
		Name:            named(name),
		Created:         time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Type:            ClusterSetIP,
		Ports:           []Port{{Name: "http", Protocol: TCP, AppProtocol: "http", Number: 80}},
		IPFamilies:      []IPFamily{IPv4},
		SessionAffinity: "None",
		Labels:          map[string]string{"team": "shop"},
	}
	for _, a := range addresses {
		e.Subsets = append(e.Subsets, Subset{
			Ports:     []TargetPort{{Name: "http", Protocol: TCP, Number: 8080}},
			Endpoints: []Endpoint{{Address: netip.MustParseAddr(a), Zone: "z1", Region: "r1", Conditions: Ready | Serving}},
		})
	}
	e.Normalize()
	return e
}

// big returns a normalized export of one subset with n endpoints.
func big(cluster ClusterID, name string, n int) *Export {
	e := web(cluster, name)
	e.Subsets = []Subset{{Ports: []TargetPort{{Name: "http", Protocol: TCP, Number: 8080}}, Endpoints: endpoints(n)}}
	return e
}

// edited returns a copy of e in which edit changed something, normalized; e is left as it is.
func edited(e *Export, edit func(*Export)) *Export {
	c := *e
	c.Ports, c.Labels = slices.Clone(e.Ports), maps.Clone(e.Labels)
	c.Subsets = make([]Subset, len(e.Subsets))
	for i, s := range e.Subsets {
		c.Subsets[i] = Subset{slices.Clone(s.Ports), slices.Clone(s.Endpoints)}
	}
	edit(&c)
	c.Normalize()
	return &c
}

// whole returns the update that makes of what s holds of a cluster the complete set at that version, as an owner
// makes it who was told the hashes of s.
func whole(s *Store, cluster ClusterID, to Version, exports ...*Export) *Update {
	owner := NewStore(cluster)
	owner.Announce(1, exports)
	u := owner.SeenBy(owner.Self()).Against(cluster, s.Hashes(cluster))
	u.To = to
	return u
}

// step returns an update of what s holds of a cluster by these changes alone, with the digest that they lead to.
func step(s *Store, cluster ClusterID, from, to Version, put []*Export, withdrawn ...ServiceName) *Update {
	u := &Update{Owner: cluster, From: from, To: to, Put: sealed(put), Withdrawn: withdrawn}
	leadsTo(s, u)
	return u
}

// leadsTo gives the update the digest that it leads to in s.
func leadsTo(s *Store, u *Update) {
	hashes := map[ServiceName]Hash{}
	for name, h := range records(s, u.Owner) {
		hashes[name] = h.hash
	}
	for _, name := range u.Withdrawn {
		delete(hashes, name)
	}
	for _, r := range u.Put {
		hashes[r.Name] = r.Hash
	}
	for i := range u.Patched {
		hashes[u.Patched[i].Name] = u.Patched[i].Hash
	}
	for _, r := range u.Unread {
		hashes[r.Name] = r.Hash
	}
	u.Digest = 0
	for _, h := range hashes {
		u.Digest += Digest(h)
	}
}

// mustApply applies an update of which nothing may be refused.
func mustApply(t *testing.T, s *Store, u *Update) {
	t.Helper()
	if refused, err := s.Apply(u); err != nil || len(refused) > 0 {
		t.Fatalf("error %v, refused %v", err, refused)
	}
}

// refuse applies an update that must be refused for that reason, and leave no trace.
func refuse(t *testing.T, s *Store, u *Update, want error) {
	t.Helper()
	changed, head, held := s.Changed(), s.Head(u.Owner), records(s, u.Owner)
	refused, err := s.Apply(u)
	if err == nil || len(refused) > 0 || !is(err, want) {
		t.Errorf("error %v, refused %v: want %v", err, refused, want)
	}
	if woken(changed) || s.Head(u.Owner) != head || !maps.Equal(records(s, u.Owner), held) {
		t.Errorf("refused with %v, but it left traces: %+v", err, s.Head(u.Owner))
	}
}

var errOther = errors.New("any other error")

// is reports whether err is the one that callers may ask for; errOther stands for none of them.
func is(err, want error) bool {
	if errors.Is(want, errOther) {
		return err != nil && !is(err, ErrOwnWord) && !is(err, ErrOlder) && !is(err, ErrGap)
	}
	return errors.Is(err, want)
}

// records returns what s holds of one cluster, by name.
func records(s *Store, cluster ClusterID) map[ServiceName]held {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if o := s.owners[cluster]; o != nil {
		return maps.Clone(o.records)
	}
	return nil
}

// said returns the exports that s holds of one cluster, by name.
func said(s *Store, cluster ClusterID) map[ServiceName]*Export {
	exports := map[ServiceName]*Export{}
	for name, h := range records(s, cluster) {
		if h.export != nil {
			exports[name] = h.export
		}
	}
	return exports
}

// visible returns those of the exports that said returns which a viewer may see.
func visible(s *Store, cluster, viewer ClusterID) map[ServiceName]*Export {
	exports := said(s, cluster)
	maps.DeleteFunc(exports, func(_ ServiceName, e *Export) bool {
		return viewer != s.self && !(&Namespaces{}).Audience(e).Has(viewer)
	})
	return exports
}

// sameSay reports whether both hold equal exports under the same names.
func sameSay(a, b map[ServiceName]*Export) bool { return maps.EqualFunc(a, b, (*Export).Equal) }

// sum returns the digest of a set by its definition.
func sum(exports map[ServiceName]*Export) (d Digest) {
	for _, e := range exports {
		d += Digest(Sealed(e).Hash)
	}
	return d
}

// woken reports whether the channel is closed.
func woken(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// names returns n different service names.
func names(n int) []ServiceName {
	list := make([]ServiceName, n)
	for i := range list {
		list[i] = named(fmt.Sprintf("s-%d", i))
	}
	return list
}

// catchUp brings what to holds of a cluster to what from holds, as a stream does that starts: by heads, and by
// hashes when heads do not tell.
func catchUp(t *testing.T, from, to *Store, cluster ClusterID) {
	t.Helper()
	u, ask := from.SeenBy(to.Self()).Since(cluster, to.Head(cluster), true)
	if u != nil {
		if _, err := to.Apply(u); err != nil && !is(err, ErrGap) {
			t.Fatal(err)
		} else if err != nil {
			ask = true
		}
	}
	if ask {
		mustApply(t, to, from.SeenBy(to.Self()).Against(cluster, to.Hashes(cluster)))
	}
	if head, want := from.SeenBy(to.Self()).Head(cluster), visible(from, cluster, to.Self()); head != to.Head(cluster) || !sameSay(want, said(to, cluster)) {
		t.Fatalf("caught up to %+v with\n%v\nwant %+v with\n%v", to.Head(cluster), said(to, cluster), head, want)
	}
}
