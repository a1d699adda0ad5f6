package integration

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
)

// dnsZone is the zone of the clusterset, and dnsTTL how long its answers last, where agents are not told otherwise.
const (
	dnsZone = "clusterset.local."
	dnsTTL  = 5 * time.Second
)

// question is what is asked.
type question struct {
	name         string
	qtype, class uint16
}

func (q question) String() string {
	return fmt.Sprintf("%s %s %s", q.name, dns.Class(q.class), dns.Type(q.qtype))
}

// before returns the labels before the zone, in lower case; nil outside of the zone.
func (q question) before() []string {
	rest, inside := strings.CutSuffix(strings.ToLower(q.name), "."+dnsZone)
	if !inside {
		return nil
	}
	return strings.Split(rest, ".")
}

// usualTypes are those that clients of services ask for, and otherTypes some of the rest, also of no record.
var (
	usualTypes = []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypeTXT}
	otherTypes = []uint16{
		dns.TypeMX, dns.TypeHTTPS, dns.TypeNS, dns.TypeSOA, dns.TypePTR, dns.TypeCNAME, dns.TypeCAA, dns.TypeDS, 65280, dns.TypeANY, dns.TypeAXFR,
	}
)

// questions are every name of the scene, its near misses and half as many names by chance, each with the usual types
// and some others, and each spelt by chance; always the same for a seed.
func questions(scene []exported, clusters []string, seed uint64) (all []question) {
	random := rand.New(rand.NewPCG(seed, 0))
	names := map[string]int{} // and how many of the other types are asked for
	for _, e := range scene {
		e.names(clusters, func(labels ...string) { names[strings.Join(append(labels, ""), ".")+dnsZone] = 3 })
	}
	aroundServices(func(name string) { names[name] = len(otherTypes) })
	made := slices.Sorted(maps.Keys(names))
	for range len(made) / 2 {
		name := mutant(random, made)
		names[name] = max(names[name], 3)
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if _, valid := dns.IsDomainName(name); !valid {
			continue
		}
		types := slices.Clone(usualTypes)
		for _, i := range random.Perm(len(otherTypes))[:names[name]] {
			types = append(types, otherTypes[i])
		}
		for _, qtype := range types {
			all = append(all, question{spell(random, name), qtype, dns.ClassINET})
		}
		if random.IntN(20) == 0 {
			all = append(all, question{name, dns.TypeTXT, dns.ClassCHAOS})
		}
	}
	return all
}

// names tells every name of one service in one cluster, and those that one might take for such.
func (e exported) names(clusters []string, tell func(labels ...string)) {
	of := func(labels ...string) { tell(append(labels, e.name, e.namespace, "svc")...) }
	of()
	of("x")
	of("_x")
	of("x", "y")
	tell(e.name, e.namespace)
	tell(e.name, e.namespace, "pod")
	tell(e.name+"x", e.namespace, "svc")
	tell(e.name, e.namespace+"x", "svc")
	of("_tcp")
	of("_udp")
	for _, p := range e.ports {
		e.portNames(p, of)
	}
	for _, c := range append(clusters, "south") {
		of(c)
		of("_tcp", c)
		of("_http", "_tcp", c)
		for _, s := range e.slices {
			for _, endpoint := range s.Endpoints[:min(3, len(s.Endpoints))] {
				for _, label := range endpointLabels(endpoint.Addresses[0], endpoint.Hostname) {
					of(label, c)
					of(label)
					of("x", label, c)
					of("_http", "_tcp", label, c)
					of(c, label)
					of(label+"x", c)
				}
			}
		}
	}
}

// portNames tells the names of one port.
func (e exported) portNames(p corev1.ServicePort, of func(labels ...string)) {
	protocol := strings.ToLower(string(p.Protocol))
	other := map[string]string{"tcp": "udp", "udp": "tcp"}[protocol]
	number := fmt.Sprint(p.Port)
	of("_"+p.Name, "_"+protocol)
	of("_"+p.Name, "_"+other)
	of("_"+p.Name, "_sctp")
	of("_"+number, "_"+protocol)
	of("_"+p.Name+"x", "_"+protocol)
	of("_", "_"+protocol)
	of("_", "_")
	of("_" + p.Name)
	of("x", "_"+p.Name, "_"+protocol)
	if p.Name != "" {
		of("_"+p.Name, "_")
		of("_"+protocol, "_"+p.Name)
		of(p.Name, protocol)
		of("_"+p.Name, protocol)
		of(p.Name, "_"+protocol)
		of(p.Name)
	}
}

// endpointLabels are the labels by which an endpoint may be called, and one that is not its.
func endpointLabels(address string, hostname *string) []string {
	dashed := strings.NewReplacer(".", "-", ":", "-").Replace(address)
	labels := []string{dashed}
	if strings.HasSuffix(dashed, "-") {
		labels = append(labels, dashed+"0")
	}
	if hostname != nil {
		labels = append(labels, *hostname)
	}
	return labels
}

// aroundServices tells the names of the zone that are of no service, and some that are not in it.
func aroundServices(tell func(name string)) {
	for _, name := range []string{
		"", "svc.", "pod.", "x.", "dns-version.", "x.dns-version.", "dns.", "ns.dns.", "x.ns.dns.", "apex.dns.", "hostmaster.", "any.any.svc.",
		"shop.svc.", "svc.svc.", "2nd.svc.", "far.svc.", "default.svc.", "kube-system.svc.", "none.svc.", "shop.pod.", "10-1-0-1.shop.pod.",
		"*.shop.svc.", "*.", "web.*.svc.", "zone-a.pin._zone.db.shop.svc.", "_zone.db.shop.svc.", "pin._zone.db.shop.svc.",
		`web\.shop.svc.`, `web\.shop.svc.svc.`, `\000.shop.svc.`, `web.shop.svc\.`, `web.shop.\115vc.`, "web.shop.svc.cluster.local.",
	} {
		tell(name + dnsZone)
	}
	for _, name := range []string{
		".", "local.", "xclusterset.local.", "cluster.local.", "web.shop.svc.cluster.local.", "1.0.1.10.in-addr.arpa.", "example.com.",
		"web.shop.svc.clusterset.local.example.com.", "clusterset.", "clusterset.local.local.",
	} {
		tell(name)
	}
}

// mutant is a name that differs from one of those by one step: a label less, more, doubled, exchanged or misspelt.
func mutant(random *rand.Rand, names []string) string {
	pick := func() []string { return dns.SplitDomainName(names[random.IntN(len(names))]) }
	labels, other := pick(), pick()
	if len(labels) == 0 || len(other) == 0 {
		return dnsZone
	}
	at := random.IntN(max(1, len(labels)-1)) // mostly within the zone
	switch random.IntN(5) {
	case 0:
		labels = slices.Delete(labels, at, at+1)
	case 1:
		labels = slices.Insert(labels, at, other[0])
	case 2:
		labels[at] = other[random.IntN(len(other))]
	case 3:
		by := random.IntN(len(labels))
		labels[at], labels[by] = labels[by], labels[at]
	case 4:
		labels[at] = fmt.Sprintf("%s%c", labels[at][:random.IntN(len(labels[at]))], 'a'+rune(random.IntN(26)))
	}
	return strings.Join(labels, ".") + "."
}

// spell writes a name as it is, in capitals, or by chance.
func spell(random *rand.Rand, name string) string {
	if strings.Contains(name, `\`) {
		return name
	}
	switch random.IntN(3) {
	case 0:
		return name
	case 1:
		return strings.ToUpper(name)
	}
	b := []byte(name)
	for i := range b {
		if random.IntN(2) == 0 {
			b[i] = strings.ToUpper(string(b[i]))[0]
		}
	}
	return string(b)
}
