package xds

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"
)

// hosting is the virtual host of web in a namespace, to one cluster or another.
func hosting(n, port int) virtualHost {
	host := fmt.Sprintf("web.n%d.svc.clusterset.local", n)
	return virtualHost{name: host + ":80", bare: host, cluster: fmt.Sprintf("outbound|%d||%s", port, host)}
}

// TestRoutesAreAMap plays random changes on routes and on a plain map. Routes that were taken before stay as they were.
func TestRoutesAreAMap(t *testing.T) {
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		var r routes
		model := map[string]virtualHost{}
		for step := range 60 {
			changes := map[string]virtualHost{}
			differ := false
			for range rnd.IntN(6) {
				h := hosting(rnd.IntN(12), 80+rnd.IntN(2))
				changes[h.name] = h
				if rnd.IntN(3) == 0 {
					changes[h.name] = virtualHost{}
				}
			}
			given := maps.Clone(changes)
			for name, h := range changes {
				differ = differ || model[name] != h
				if model[name] = h; h.name == "" {
					delete(model, name)
				}
			}
			before := specs(r)
			next, changed := r.with(changes)
			if changed != differ || !changed && !next.equal(r) {
				t.Fatalf("seed %d, step %d: changed is %t, want %t", seed, step, changed, differ)
			}
			if !maps.Equal(changes, given) || !slices.Equal(specs(r), before) {
				t.Fatalf("seed %d, step %d: what was given was changed", seed, step)
			}
			r = next
			checkRoutes(t, r, model)
		}
	}
}

func specs(r routes) (all []virtualHost) {
	for _, h := range r.hosts {
		all = append(all, h.spec)
	}
	return all
}

func checkRoutes(t *testing.T, r routes, model map[string]virtualHost) {
	t.Helper()
	var want []virtualHost
	for _, name := range slices.Sorted(maps.Keys(model)) {
		want = append(want, model[name])
	}
	if got := specs(r); !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for n := range 12 {
		name := hosting(n, 80).name
		if got := r.find(name); got != model[name] {
			t.Fatalf("%s: found %v, want %v", name, got, model[name])
		}
	}
}

func TestRoutesAreTheirVirtualHosts(t *testing.T) {
	all := map[string]virtualHost{}
	var want []*routev3.VirtualHost
	for n := range 3 {
		h := hosting(n, 80)
		all[h.name] = h
		want = append(want, h.message())
	}
	r, _ := routes{}.with(all)
	var got routev3.RouteConfiguration
	b, err := r.encode(Audience{Kind: Envoy})
	if err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(b.value(), &got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(&got, &routev3.RouteConfiguration{Name: EgressName, VirtualHosts: want}) {
		t.Errorf("got %v", &got)
	}
	if err := judge(&got); err != nil {
		t.Errorf("not valid as a whole: %v", err)
	}
	same, _ := routes{}.with(all)
	if again, _ := same.encode(Audience{Kind: Envoy}); again.version != b.version {
		t.Error("the same virtual hosts have another version in another replica")
	}
	delete(all, hosting(2, 80).name)
	fewer, _ := routes{}.with(all)
	if other, _ := fewer.encode(Audience{Kind: Envoy}); other.version == b.version {
		t.Error("fewer virtual hosts have the same version")
	}
	if !same.equal(r) || fewer.equal(r) || r.equal(egress{}) {
		t.Error("equal says something else than the virtual hosts do")
	}
}

// What did not change is not encoded again.
func TestRoutesShareTheirVirtualHosts(t *testing.T) {
	stays, comes := hosting(1, 80), hosting(2, 80)
	before, _ := routes{}.with(map[string]virtualHost{stays.name: stays})
	after, _ := before.with(map[string]virtualHost{comes.name: comes})
	if len(after.hosts) != 2 || after.hosts[0] != before.hosts[0] {
		t.Errorf("%v became %v", specs(before), specs(after))
	}
}

func TestRoutesAreOfEnvoyAlone(t *testing.T) {
	for _, k := range []ClientKind{Other, GRPC} {
		if b, err := (routes{}).encode(Audience{Kind: k}); b != nil || err != nil {
			t.Errorf("%s is told routes", k)
		}
	}
	if b, err := (routes{}).encode(Audience{Kind: Envoy}); b == nil || err != nil {
		t.Errorf("Envoy is told nothing (%v), which leaves its listener without an answer", err)
	}
}
