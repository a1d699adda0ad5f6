package dns

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/federationtest"
	"github.com/hansa-mcs/hansa/importer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is what the clusters export and what this one, east, adds to it.
type world struct {
	exports []*federation.Export
	ips     map[string][]netip.Addr // of services in shop, by name
	silent  bool                    // clusters are not heard since agesAgo, but for those in heard
	heard   []federation.ClusterID
}

// agesAgo is a time for which a silent cluster has been silent: too long to be served beside others, not long enough to
// be withdrawn, unless a service is less patient.
const agesAgo = 2 * time.Hour

// notHere is a namespace that this cluster does not have. It has all others.
const notHere = "elsewhere"

// importer returns a running importer of the world.
func (w world) importer(t testing.TB) *importer.Importer {
	store := federation.NewStore("east")
	if w.silent {
		store.KeepTime(func() time.Time { return time.Now().Add(-agesAgo) })
	}
	byCluster := map[federation.ClusterID][]*federation.Export{}
	for _, e := range w.exports {
		e.Normalize()
		if err := e.Check(); err != nil {
			t.Fatal(err)
		}
		byCluster[e.Cluster] = append(byCluster[e.Cluster], e)
	}
	for id, exports := range byCluster {
		if id == store.Self() {
			store.Announce(1, exports)
			continue
		}
		if err := federationtest.Say(store, id, federation.Version{Term: 1, Seq: 1}, exports...); err != nil {
			t.Fatal(err)
		}
	}
	if w.silent {
		federationtest.Pass(store, time.Now().Add(-agesAgo), time.Now())
	}
	for _, id := range w.heard {
		store.Heard(id, time.Now())
	}
	i := importer.New(store, importer.Config{Patience: federation.Patience{Demote: agesAgo / 2, Withdraw: 2 * agesAgo}})
	for _, e := range w.exports {
		i.SetNamespace(e.Name.Namespace, e.Name.Namespace != notHere)
	}
	for name, ips := range w.ips {
		i.SetIPs(federation.ServiceName{Namespace: "shop", Name: name}, ips)
	}
	i.Open()
	start(t, i.Start)
	<-i.Ready()
	return i
}

// start runs f until the test ends, and fails the test if f does.
func start(t testing.TB, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// export returns an Export of a service in shop, whose name is cluster/name.
func export(name string, typ federation.ServiceType, ports []federation.Port, subsets ...federation.Subset) *federation.Export {
	cluster, service, _ := strings.Cut(name, "/")
	return &federation.Export{
		Cluster:         federation.ClusterID(cluster),
		Name:            federation.ServiceName{Namespace: "shop", Name: service},
		Created:         time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		Type:            typ,
		Ports:           ports,
		SessionAffinity: "None",
		Subsets:         subsets,
	}
}

func tcp(name string, number uint16) federation.Port {
	return federation.Port{Name: name, Protocol: federation.TCP, Number: number}
}

func udp(name string, number uint16) federation.Port {
	return federation.Port{Name: name, Protocol: federation.UDP, Number: number}
}

// subset returns endpoints, each "address" or "address hostname", that serve ports at the numbers given.
// One with an exclamation mark before it is not ready.
func subset(targets []federation.Port, endpoints ...string) federation.Subset {
	var s federation.Subset
	for _, p := range targets {
		s.Ports = append(s.Ports, federation.TargetPort{Name: p.Name, Protocol: p.Protocol, Number: p.Number})
	}
	for _, text := range endpoints {
		text, unready := strings.CutPrefix(text, "!")
		address, hostname, _ := strings.Cut(text, " ")
		e := federation.Endpoint{Address: netip.MustParseAddr(address), Hostname: hostname, Conditions: federation.Ready | federation.Serving}
		if unready {
			e.Conditions = federation.Serving
		}
		s.Endpoints = append(s.Endpoints, e)
	}
	return s
}

func ports(p ...federation.Port) []federation.Port { return p }

func ips(texts ...string) []netip.Addr {
	var list []netip.Addr
	for _, s := range texts {
		list = append(list, netip.MustParseAddr(s))
	}
	return list
}

// zone is the zone of the tests.
var zone = func() Zone {
	z, err := ParseZone(DefaultZone, DefaultTTL)
	if err != nil {
		panic(err)
	}
	z.self = "east"
	return z
}()

// here is where the tests' questions arrive.
var here = netip.MustParseAddr("192.0.2.53")

// question reads "name TYPE", where a name without final dot is relative to the zone.
func question(text string) dns.Question {
	name, typ, _ := strings.Cut(text, " ")
	if !strings.HasSuffix(name, ".") {
		name += "." + zone.origin
	}
	return dns.Question{Name: name, Qtype: dns.StringToType[typ], Qclass: dns.ClassINET}
}

// plain returns the line of a record, with one space between its fields.
func plain(rr dns.RR) string { return strings.Join(strings.Fields(rr.String()), " ") }

// render writes a reply as the zone lines that a person would, the zone itself left out of names. The
// SOA that each denial carries is short.
func render(r Reply) string {
	var lines []string
	if r.Rcode != dns.RcodeSuccess {
		lines = append(lines, dns.RcodeToString[r.Rcode])
	}
	section := func(title string, records []dns.RR) {
		if len(records) > 0 && title != "" {
			lines = append(lines, title)
		}
		for _, rr := range records {
			line := plain(rr)
			lines = append(lines, strings.ReplaceAll(line, "."+zone.origin, ""))
		}
	}
	section("", r.Answer)
	if r.Denial {
		lines = append(lines, "+ SOA")
	}
	section("; additional", r.Extra)
	return strings.Join(lines, "\n")
}

const denialSOA = "clusterset.local. 5 IN SOA ns.dns.clusterset.local. hostmaster.clusterset.local. 1 7200 1800 86400 5"

// sorted sorts the lines of a rendered reply, section by section, for those that turn.
func sorted(text string) string {
	sections := strings.Split(text, "; additional\n")
	for i, s := range sections {
		lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
		slices.Sort(lines)
		sections[i] = strings.Join(lines, "\n")
	}
	return strings.Join(sections, "\n; additional\n")
}
