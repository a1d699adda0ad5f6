package integration

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	discoveryv1 "k8s.io/api/discovery/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa/corefile"
	"github.com/hansa-mcs/hansa/integration/coredns"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// crowded is how many endpoints the headless service has that both clusters have: more than fit into a message by UDP.
const crowded = 100

// The two ways in, as `hansa dns snippet` writes them: CoreDNS forwards the zone to the agents, or reads the objects that
// they write. One real CoreDNS goes each way in cluster east, beside the zone of the cluster, with its own service account.
func TestWaysIn(t *testing.T) {
	binary := buildCoreDNS(t)
	s := tell(t, "east", "west")
	for _, cluster := range []string{"east", "west"} {
		s.create(cluster, namespace())
	}
	// In east two private Services have the names of those that west exports later.
	s.create("east", service("web"), slice("web", "web", "10.1.0.1"), service("db", headless), hosts(slice("db", "db", "10.1.1.1")))
	account := s.asCoreDNS("east")
	s.createAll("east", coreDNSRole)
	access := newAccess(t, s.Member("east"))
	access.await(coreDNSAccount, "watch discovery.k8s.io/endpointslices", true)
	const imports = "watch multicluster.x-k8s.io/serviceimports"
	access.check(coreDNSAccount, imports, false)
	s.createAll("east", corefile.Role)
	access.await(coreDNSAccount, imports, true)
	access.check(coreDNSAccount, "watch multicluster.x-k8s.io/serviceexports", false)
	access.check(coreDNSAccount, "patch multicluster.x-k8s.io/serviceimports", false)

	ways := map[string]*coredns.Server{}
	for name, block := range map[string]string{
		"forward":      corefile.Forward(dnsZone, []string{s.Member("east").DNS}),
		"multicluster": corefile.Multicluster(dnsZone, dnsTTL),
	} {
		ways[name] = startCoreDNS(t, coredns.Config{Binary: binary, Corefile: clusterLocal + block, Kubeconfig: account})
	}
	before := map[string][]byte{}
	for name, server := range ways {
		before[name] = answers(t, server.Address)
		if private := []byte{10, 1, 1, 1}; !bytes.Contains(before[name], private) {
			t.Fatalf("no answer has the endpoint of the private db: %q", before[name])
		}
	}
	s.exportCrowd()
	for _, name := range slices.Sorted(maps.Keys(ways)) {
		w := way{&story{s.Clusterset, t}, ways[name].Address}
		t.Run(name+": services of the clusterset resolve, by UDP and by TCP", w.in(way.resolves))
		t.Run(name+": D13 #54 cluster.local is byte for byte as before", w.in(func(w way) { w.unchanged(before[name]) }))
	}
	t.Run("forward: #54 the agent answers for its own zone alone", func(t *testing.T) {
		way{&story{s.Clusterset, t}, ways["forward"].Address}.ownZone()
	})
	t.Run("forward: a change of endpoints is in the next answer", func(t *testing.T) {
		way{&story{s.Clusterset, t}, ways["forward"].Address}.changesAtOnce("10.2.9.1")
	})
	t.Run("multicluster: a change of endpoints comes", func(t *testing.T) {
		way{&story{s.Clusterset, t}, ways["multicluster"].Address}.changes("10.2.9.2")
	})
}

// hosts names the endpoints of a slice after its service.
func hosts(s *discoveryv1.EndpointSlice) *discoveryv1.EndpointSlice {
	for i := range s.Endpoints {
		s.Endpoints[i].Hostname = new(fmt.Sprintf("%s-%d", s.Name, i))
	}
	return s
}

// exportCrowd exports from west services of the names that east has, and one more, and waits until east has them.
func (s *story) exportCrowd() {
	s.t.Helper()
	var addresses []string
	for i := range crowded {
		addresses = append(addresses, fmt.Sprintf("10.2.1.%d", i+1))
	}
	s.create("west", service("web"), slice("web", "web", "10.2.0.1"), exportOf("web"))
	s.create("west", service("away"), slice("away", "away", "10.2.2.1"), exportOf("away"))
	s.create("west", service("db", headless), hosts(slice("db", "db", addresses...)), exportOf("db"))
	for _, name := range []string{"web", "away", "db"} {
		s.awaitImport("east", name, "west")
	}
	await(s, "east", "the slices of db", &discoveryv1.EndpointSliceList{}, func(e *discoveryv1.EndpointSlice) bool {
		return e.Labels[mcsv1beta1.LabelServiceName] == "db" && len(e.Endpoints) == crowded
	})
}

// way is one CoreDNS of a story.
type way struct {
	*story
	address string
}

func (w way) in(part func(way)) func(*testing.T) {
	return func(t *testing.T) { part(way{&story{w.Clusterset, t}, w.address}) }
}

// until asks by UDP until the answer is as wanted, as nobody tells when a CoreDNS has seen what was written.
func (w way) until(what, name string, qtype uint16, want func(*dns.Msg) bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for {
		reply := exchange(w.t, "udp", w.address, name, qtype)
		if want(reply) {
			return
		}
		if ctx.Err() != nil {
			w.t.Fatalf("%s: the last answer is\n%s", what, reply)
		}
	}
}

// data is the data of an answer's records, sorted.
func data(records []dns.RR) (all []string) {
	for _, r := range records {
		all = append(all, strings.TrimPrefix(r.String(), r.Header().String()))
	}
	slices.Sort(all)
	return all
}

func (w way) resolves() {
	for _, name := range []string{"web", "db"} {
		w.until(name+" is there", name+".shop.svc."+dnsZone, dns.TypeA, func(m *dns.Msg) bool { return len(m.Answer) > 0 })
	}
	for _, network := range []string{"udp", "tcp"} {
		web := w.awaitImport("east", "web", "west")
		if got := exchange(w.t, network, w.address, "web.shop.svc."+dnsZone, dns.TypeA); !slices.Equal(data(got.Answer), web.Spec.IPs) {
			w.t.Errorf("by %s: web is\n%s\nwant the addresses %v of its import", network, got, web.Spec.IPs)
		}
		srv := exchange(w.t, network, w.address, "_http._tcp.web.shop.svc."+dnsZone, dns.TypeSRV)
		if got := data(srv.Answer); len(got) != 1 || !strings.HasSuffix(got[0], " 80 web.shop.svc."+dnsZone) {
			w.t.Errorf("by %s: the port of web is\n%s", network, srv)
		}
		one := exchange(w.t, network, w.address, "db-7.west.db.shop.svc."+dnsZone, dns.TypeA)
		if got := data(one.Answer); !slices.Equal(got, []string{"10.2.1.8"}) {
			w.t.Errorf("by %s: one endpoint is\n%s", network, one)
		}
		none := exchange(w.t, network, w.address, "none.shop.svc."+dnsZone, dns.TypeA)
		if none.Rcode != dns.RcodeNameError || len(none.Ns) != 1 || none.Ns[0].Header().Rrtype != dns.TypeSOA {
			w.t.Errorf("by %s: what is not there is\n%s\nwant NXDOMAIN with the zone's SOA", network, none)
		}
	}
	if m := exchange(w.t, "udp", w.address, "db.shop.svc."+dnsZone, dns.TypeA); !m.Truncated || m.Len() > 1232 {
		w.t.Errorf("by UDP: %d endpoints in %d bytes, truncated %t; want that the client is told to come by TCP", len(m.Answer), m.Len(), m.Truncated)
	}
	if m := exchange(w.t, "tcp", w.address, "db.shop.svc."+dnsZone, dns.TypeA); m.Truncated || len(slices.Compact(data(m.Answer))) != crowded {
		w.t.Errorf("by TCP: %d endpoints, want all %d", len(slices.Compact(data(m.Answer))), crowded)
	}
}

// unchanged compares what CoreDNS says of the cluster's own zone with what it said before there were imports. It has seen
// all that the agent wrote when it has seen a Service that came later.
func (w way) unchanged(before []byte) {
	rule.Covers(w.t, "D13", "#54")
	later := "later-" + strings.ToLower(strings.ReplaceAll(w.address, ":", "-"))
	later = strings.ReplaceAll(later, ".", "-")
	w.create("east", service(later))
	w.until("a local Service is there", later+".shop.svc.cluster.local.", dns.TypeA, func(m *dns.Msg) bool { return len(m.Answer) == 1 })
	if after := answers(w.t, w.address); !bytes.Equal(after, before) {
		w.t.Errorf("cluster.local is not as it was:\n%q\nwas\n%q", after, before)
	}
}

// ownZone checks that the agent has nothing to say of the cluster's own zone, and names the specification through CoreDNS.
func (w way) ownZone() {
	rule.Covers(w.t, "D2", "D13", "#54")
	for _, name := range []string{"web.shop.svc.cluster.local.", "cluster.local.", "1.0.1.10.in-addr.arpa.", "."} {
		for _, qtype := range usualTypes {
			if m := exchange(w.t, "udp", w.Member("east").DNS, name, qtype); m.Rcode != dns.RcodeRefused || len(m.Answer)+len(m.Ns) > 0 {
				w.t.Errorf("the agent answers for %s:\n%s", name, m)
			}
		}
	}
	if m := exchange(w.t, "udp", w.address, "dns-version."+dnsZone, dns.TypeTXT); !slices.Equal(data(m.Answer), []string{`"1.0.0"`}) || m.Answer[0].Header().Ttl != 28800 {
		w.t.Errorf("dns-version is\n%s", m)
	}
}

// changesAtOnce adds an endpoint in west, and asks CoreDNS once when the agent answers with it.
func (w way) changesAtOnce(address string) {
	agent := way{w.story, w.Member("east").DNS}
	agent.changes(address)
	name := "late.west.db.shop.svc." + dnsZone
	want, got := exchange(w.t, "udp", agent.address, name, dns.TypeA), exchange(w.t, "udp", w.address, name, dns.TypeA)
	if !slices.Equal(data(got.Answer), data(want.Answer)) {
		w.t.Errorf("CoreDNS answers\n%s\nwhen the agent answers\n%s", got, want)
	}
}

// changes adds an endpoint in west, and waits until it resolves.
func (w way) changes(address string) {
	w.t.Helper()
	name := "late.west.db.shop.svc." + dnsZone
	exchange(w.t, "udp", w.address, name, dns.TypeA) // so that a cache would hold what is there before
	added := slice("db", "late-"+strings.ReplaceAll(address, ".", "-"), address)
	added.Endpoints[0].Hostname = new("late")
	w.create("west", added)
	w.until("the new endpoint", name, dns.TypeA, func(m *dns.Msg) bool { return slices.Contains(data(m.Answer), address) })
}
