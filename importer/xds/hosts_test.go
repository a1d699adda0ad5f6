package xds

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// scene is a cluster "own" whose Views are shown to a store one by one, beside a plain model of what must be there.
type scene struct {
	*world
	server  *Server
	view    *importer.View
	box     *mailbox // of a stream that wants all there is
	own     map[string]*federation.Export
	exports map[federation.ClusterID]map[string]*federation.Export
	gates   importer.Gates
}

// stays is the name of the service that never leaves its cluster.
const stays = "db"

// newScene is for a bubble of synctest.
func newScene(t *testing.T) *scene {
	c := &scene{
		world: newWorld(t), view: importer.Empty(), box: newMailbox(func() {}), gates: importer.DefaultGates(),
		own: map[string]*federation.Export{}, exports: map[federation.ClusterID]map[string]*federation.Export{"own": {}, "b": {}, "c": {}},
	}
	c.store.Announce(1, nil)
	c.importer.Open() // from when on what is the cluster's own makes Views
	c.server = c.newServer()
	for k := range kinds {
		c.server.store.subscribe(c.box, interest{kind: k, startAll: true})
	}
	c.server.store.take(nil, c.box)
	return c
}

func (c *scene) newServer() *Server {
	s := &Server{store: newStore(), config: Config{
		Cluster: "own", Domain: DefaultDomain, ClusterDomain: DefaultClusterDomain, View: c.importer.View,
		Stays: func(name federation.ServiceName) bool { return name.Name == stays },
	}}
	s.store.apply(fixtures())
	return s
}

// named is an export of a service in shop with so many endpoints, each of whose addresses tells the cluster.
func named(r *rand.Rand, cluster federation.ClusterID, name string) *federation.Export {
	var spots []federation.Endpoint
	for range r.IntN(4) {
		spots = append(spots, spot(fmt.Sprintf("z%d/10.%d.0.%d", r.IntN(2), cluster[0], r.IntN(5)), ready))
	}
	e := export(cluster, spots...)
	e.Name.Name = name
	return e
}

// change makes a Service or an export come, change or go, or turns a gate.
func (c *scene) change(t *testing.T, r *rand.Rand) {
	name := []string{"web", "api", stays}[r.IntN(3)]
	cluster := []federation.ClusterID{"own", "b", "c"}[r.IntN(3)]
	switch r.IntN(6) {
	case 0, 1:
		c.own[name] = named(r, "own", name)
		if r.IntN(3) == 0 {
			delete(c.own, name)
		}
		c.importer.SetOwn(federation.ServiceName{Namespace: "shop", Name: name}, c.own[name])
	case 2, 3:
		said := c.exports[cluster]
		said[name] = named(r, cluster, name)
		if r.IntN(3) == 0 {
			delete(said, name)
		}
		if cluster == "own" {
			c.store.Announce(c.store.LeastTerm(), slices.Collect(maps.Values(said)))
		} else {
			c.say(t, cluster, slices.Collect(maps.Values(said))...)
		}
	default:
		gate := []*bool{&c.gates.Discovery, &c.gates.Hosts, &c.gates.ClusterLocal}[r.IntN(3)]
		*gate = !*gate
		c.importer.SetGates(c.gates)
	}
}

// want is the model: the addresses behind each host.
func (c *scene) want() map[string][]string {
	hosts := map[string][]string{}
	add := func(name, domain string, list ...*federation.Export) {
		host, there := name+".shop.svc."+domain, false
		addresses := map[string]bool{}
		for _, e := range list {
			if e == nil {
				continue
			}
			there = true
			for _, s := range e.Subsets {
				for _, ep := range s.Endpoints {
					addresses[ep.Address.String()] = true
				}
			}
		}
		if there {
			hosts[host] = slices.Sorted(maps.Keys(addresses))
		}
	}
	for _, name := range []string{"web", "api", stays} {
		own, all := c.own[name], []*federation.Export{c.exports["own"][name], c.exports["b"][name], c.exports["c"][name]}
		if c.gates.Discovery && c.gates.Hosts {
			add(name, "clusterset.local", all...)
		}
		switch {
		case c.gates.ClusterLocal || !c.gates.Discovery || name == stays:
			add(name, "cluster.local", own)
		case own != nil:
			add(name, "cluster.local", own, all[1], all[2])
		default:
			add(name, "cluster.local", all...)
		}
	}
	return hosts
}

// hosts returns the addresses behind each host that a store has.
func hosts(t *testing.T, s *store) map[string][]string {
	t.Helper()
	list, resources := map[string][]string{}, 0
	for k, e := range s.every() {
		if k.name == EgressName {
			continue
		}
		resources++
		host := strings.TrimPrefix(strings.TrimSuffix(k.name, ":80"), "outbound|80||")
		if e.current == nil {
			t.Errorf("%s has no resource", k.name)
			continue
		}
		if k.kind != assignmentKind {
			continue
		}
		b, err := e.current.encode(near)
		if err != nil {
			t.Fatal(err)
		}
		var a endpointv3.ClusterLoadAssignment
		if err := proto.Unmarshal(b.value(), &a); err != nil {
			t.Fatal(err)
		}
		list[host] = nil
		for _, l := range a.GetEndpoints() {
			for _, ep := range l.GetLbEndpoints() {
				list[host] = append(list[host], ep.GetEndpoint().GetAddress().GetSocketAddress().GetAddress())
			}
		}
		slices.Sort(list[host])
	}
	if resources != len(list)*3 {
		t.Errorf("%d resources of %d hosts", resources, len(list))
	}
	return list
}

func contents(s *store) map[key]*resource {
	list := map[key]*resource{}
	for k, e := range s.every() {
		list[k] = e.current
	}
	return list
}

// TestEachHostHoldsWhatTheGatesLetItHold plays any changes of Services, exports and gates. After each, the hosts are those
// of the model: cluster.local holds nothing of another cluster but where MCSClusterLocal is off and the name does not stay;
// and whoever subscribes is told of what changed alone: whichever gate turns, what stays the same is not touched.
func TestEachHostHoldsWhatTheGatesLetItHold(t *testing.T) {
	rule.Covers(t, "I10")
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			c := newScene(t)
			for step := range 100 {
				for range 1 + r.IntN(2) {
					c.change(t, r)
				}
				synctest.Wait()
				before := contents(c.server.store)
				c.view = c.server.show(c.view)
				c.compare(t, before)
				if t.Failed() {
					t.Fatalf("seed %d, step %d, gates %+v", seed, step, c.gates)
				}
			}
		})
	}
}

func (c *scene) compare(t *testing.T, before map[key]*resource) {
	t.Helper()
	if got, want := hosts(t, c.server.store), c.want(); !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	fresh := c.newServer()
	fresh.show(importer.Empty())
	now, anew := contents(c.server.store), contents(fresh.store)
	if !maps.EqualFunc(now, anew, (*resource).equal) {
		t.Errorf("it has %v, a server that starts now %v", slices.Collect(maps.Keys(now)), slices.Collect(maps.Keys(anew)))
	}
	told, changed := map[key]*resource{}, map[key]*resource{}
	for _, change := range c.server.store.take(nil, c.box) {
		told[change.key] = change.now
	}
	for k, r := range before {
		if !r.equal(now[k]) {
			changed[k] = now[k]
		} else if r != now[k] {
			t.Errorf("%s is another one of the same content", k.name)
		}
	}
	for k, r := range now {
		if before[k] == nil {
			changed[k] = r
		}
	}
	if !maps.Equal(told, changed) {
		t.Errorf("told of %v, and these changed: %v", slices.Collect(maps.Keys(told)), slices.Collect(maps.Keys(changed)))
	}
}

// TestAHostOfThisClusterHasThePortsOfItsService shows the two hosts of a name side by side.
func TestAHostOfThisClusterHasThePortsOfItsService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newScene(t)
		own := export("own", spot("z1/10.0.0.1", ready), spot("z2/10.0.0.2", 0))
		own.Ports = append(own.Ports, federation.Port{Name: "dns", Protocol: federation.UDP, Number: 53})
		c.importer.SetOwn(webName, own)
		other := admin("c", "z1/10.2.0.1")
		c.say(t, "b", export("b", spot("z1/10.1.0.1", ready)))
		c.say(t, "c", other)
		for _, gates := range []struct {
			importer.Gates
			want []string
		}{
			{importer.Gates{Discovery: true, Hosts: true, ClusterLocal: true}, []string{
				"80||web.shop.svc.cluster.local r1/z1/own weight 1: 10.0.0.1:8080",
				"80||web.shop.svc.clusterset.local r1/z1/b weight 1: 10.1.0.1:8080",
				"9000||web.shop.svc.clusterset.local r1/z1/c weight 1: 10.2.0.1:9000",
			}},
			{importer.Gates{Discovery: true, ClusterLocal: false}, []string{
				"80||web.shop.svc.cluster.local r1/z1/b weight 1 at last: 10.1.0.1:8080",
				"80||web.shop.svc.cluster.local r1/z1/own weight 1: 10.0.0.1:8080",
			}},
			{importer.Gates{Hosts: true, ClusterLocal: false}, []string{"80||web.shop.svc.cluster.local r1/z1/own weight 1: 10.0.0.1:8080"}},
		} {
			c.importer.SetGates(gates.Gates)
			synctest.Wait()
			c.view = c.server.show(c.view)
			var got []string
			for k, e := range c.server.store.every() {
				if k.kind == assignmentKind {
					b, err := e.current.encode(Audience{})
					if err != nil {
						t.Fatal(err)
					}
					for _, place := range lines(t, b.told(k.kind)) {
						got = append(got, strings.TrimPrefix(k.name, "outbound|")+" "+place)
					}
				}
			}
			if slices.Sort(got); !slices.Equal(got, gates.want) {
				t.Errorf("%+v: got %q\nwant %q", gates.Gates, got, gates.want)
			}
		}
	})
}
