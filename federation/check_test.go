package federation

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/validation"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	kubevalidation "k8s.io/apimachinery/pkg/util/validation"

	"github.com/hansa-mcs/hansa/integration/rule"
)

func text(n int) string { return strings.Repeat("x", n) }

func ports(n int) (list []Port) {
	for i := range n {
		list = append(list, Port{Name: fmt.Sprintf("p-%d", i), Protocol: TCP, Number: uint16(i + 1)})
	}
	return list
}

func targets(n int) (list []TargetPort) {
	for _, p := range ports(n) {
		list = append(list, TargetPort{p.Name, p.Protocol, p.Number})
	}
	return list
}

func endpoints(n int) (list []Endpoint) {
	for i := range n {
		list = append(list, Endpoint{Address: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})})
	}
	return list
}

// pairs returns n labels of size bytes altogether.
func pairs(n, size int) map[string]string {
	m := map[string]string{}
	for i := range n {
		rest := size / n
		if i == 0 {
			rest += size % n
		}
		value := min(rest/2, maxLabel)
		name := fmt.Sprintf("/k%03d", i)
		m[text(rest-value-len(name))+name] = text(value)
	}
	return m
}

// Every bound holds to the last one allowed, and refuses the next.
func TestEveryLimitHoldsAndIsTheLimit(t *testing.T) {
	for _, c := range []struct {
		what string
		most int
		set  func(e *Export, n int)
	}{
		{"ports", MaxPorts, func(e *Export, n int) { e.Ports = ports(n) }},
		{"target ports", MaxPorts, func(e *Export, n int) { e.Subsets[0].Ports = targets(n) }},
		{"endpoints", MaxEndpoints, func(e *Export, n int) { e.Subsets[0].Endpoints = endpoints(n) }},
		{"endpoints over all subsets", MaxEndpoints, func(e *Export, n int) {
			e.Subsets = []Subset{{Endpoints: endpoints(n / 2)}, {Endpoints: endpoints(n - n/2)}}
		}},
		{"subsets", MaxSubsets, func(e *Export, n int) { e.Subsets = make([]Subset, n) }},
		{"consumers", MaxConsumers, func(e *Export, n int) { e.Consumers = slices.Repeat([]string{"west"}, n) }},
		{"length of a consumer", maxLabel, func(e *Export, n int) { e.Consumers = []string{text(n)} }},
		{"seconds until it is demoted", int(MaxDelay / time.Second), func(e *Export, n int) {
			e.Quiet.Demote = Delay{Given: true, After: time.Duration(n) * time.Second}
		}},
		{"seconds until it is withdrawn", int(MaxDelay / time.Second), func(e *Export, n int) {
			e.Quiet.Withdraw = Delay{Given: true, After: time.Duration(n) * time.Second}
		}},
		{"preferences", MaxPrefer, func(e *Export, n int) {
			for i := range n {
				e.Steering.Prefer = append(e.Steering.Prefer, fmt.Sprint("c", i))
			}
		}},
		{"weights", MaxWeights, func(e *Export, n int) {
			for i := range n {
				e.Steering.Weights = append(e.Steering.Weights, Weight{Cluster: ClusterID(fmt.Sprintf("c%03d", i))})
			}
		}},
		{"weight", MaxWeight, func(e *Export, n int) { e.Steering.Weights = []Weight{{"west", uint16(n)}} }},
		{"healthy share", 100, func(e *Export, n int) { e.Steering.MinHealthy = uint8(n) }},
		{"labels", MaxPairs, func(e *Export, n int) { e.Labels = pairs(n, 1000) }},
		{"annotations", MaxPairs, func(e *Export, n int) { e.Annotations = pairs(n, 1000) }},
		{"bytes of labels", MaxPairBytes, func(e *Export, n int) { e.Labels = pairs(60, n) }},
		{"bytes of annotations", MaxPairBytes, func(e *Export, n int) { e.Annotations = map[string]string{"a": text(n - 1)} }},
		{"label's prefix", MaxText, func(e *Export, n int) { e.Labels = map[string]string{text(n) + "/a": ""} }},
		{"label's name", maxLabel, func(e *Export, n int) { e.Labels = map[string]string{"a/" + text(n): ""} }},
		{"label's value", maxLabel, func(e *Export, n int) { e.Labels = map[string]string{"a": text(n)} }},
		{"annotation's prefix", MaxText, func(e *Export, n int) { e.Annotations = map[string]string{text(n) + "/a": ""} }},
		{"annotation's name", maxLabel, func(e *Export, n int) { e.Annotations = map[string]string{text(n): ""} }},
		{"affinity timeout", 86400, func(e *Export, n int) { e.SessionAffinitySeconds = int32(n) }},
		{"IP families", 2, func(e *Export, n int) { e.IPFamilies = []IPFamily{IPv4, IPv6, IPv4}[:n] }},
		{"traffic distribution", MaxText, func(e *Export, n int) { e.TrafficDistribution = text(n) }},
		{"network", MaxText, func(e *Export, n int) { e.Network = text(n) }},
		{"app protocol", maxLabel, func(e *Export, n int) { e.Ports[0].AppProtocol = text(n) }},
		{"app protocol's prefix", MaxText, func(e *Export, n int) { e.Ports[0].AppProtocol = text(n) + "/a" }},
		{"zone", MaxText, func(e *Export, n int) { e.Subsets[0].Endpoints[0].Zone = text(n) }},
		{"region", MaxText, func(e *Export, n int) { e.Subsets[0].Endpoints[0].Region = text(n) }},
		{"node", MaxText, func(e *Export, n int) { e.Subsets[0].Endpoints[0].Node = text(n) }},
		{"host name", maxLabel, func(e *Export, n int) { e.Subsets[0].Endpoints[0].Hostname = text(n) }},
		{"port name", maxLabel, func(e *Export, n int) { e.Ports[0].Name = text(n) }},
		{"target port name", maxLabel, func(e *Export, n int) { e.Subsets[0].Ports[0].Name = text(n) }},
		{"cluster", maxLabel, func(e *Export, n int) { e.Cluster = ClusterID(text(n)) }},
		{"namespace", maxLabel, func(e *Export, n int) { e.Name.Namespace = text(n) }},
		{"name", maxLabel, func(e *Export, n int) { e.Name.Name = text(n) }},
		{"year of creation", 9999, func(e *Export, n int) { e.Created = time.Date(n, 1, 1, 0, 0, 0, 0, time.UTC) }},
	} {
		e := web("east", "web", "10.0.0.1")
		c.set(e, c.most)
		if err := e.Check(); err != nil {
			t.Errorf("%s of %d: %v", c.what, c.most, err)
		}
		c.set(e, c.most+1)
		if err := e.Check(); err == nil || len(err.Error()) > 500 {
			t.Errorf("%s of %d: error %.600v", c.what, c.most+1, err)
		}
	}
}

// Words that are not known, and numbers that mean nothing, are refused.
func TestUnknownWordsAreRefused(t *testing.T) {
	for what, spoil := range map[string]func(*Export){
		"no type":                func(e *Export) { e.Type = "" },
		"another type":           func(e *Export) { e.Type = "ExternalName" },
		"an address and no port": func(e *Export) { e.Ports, e.Subsets = nil, nil },
		"no affinity":            func(e *Export) { e.SessionAffinity = "" },
		"another affinity":       func(e *Export) { e.SessionAffinity = "Cookie" },
		"a negative timeout":     func(e *Export) { e.SessionAffinitySeconds = -1 },
		"no protocol":            func(e *Export) { e.Ports[0].Protocol = "" },
		"a lower-case protocol":  func(e *Export) { e.Ports[0].Protocol = "tcp" },
		"another target's":       func(e *Export) { e.Subsets[0].Ports[0].Protocol = "QUIC" },
		"another family":         func(e *Export) { e.IPFamilies = []IPFamily{"IPv5"} },
		"one family twice":       func(e *Export) { e.IPFamilies = []IPFamily{IPv4, IPv4} },
		"port 0":                 func(e *Export) { e.Ports[0].Number = 0 },
		"target port 0":          func(e *Export) { e.Subsets[0].Ports[0].Number = 0 },
		"a port name twice":      func(e *Export) { e.Ports = append(ports(2), ports(1)...) },
		"two unnamed ports":      func(e *Export) { e.Ports = []Port{{"", TCP, "", 1}, {"", TCP, "", 2}} },
		"a port name by grammar": func(e *Export) { e.Ports[0].Name = "Http" },
		"a host name of two":     func(e *Export) { e.Subsets[0].Endpoints[0].Hostname = "web-0.shop" },
		"no cluster":             func(e *Export) { e.Cluster = "" },
		"no name":                func(e *Export) { e.Name = ServiceName{} },
		"a time before 1970":     func(e *Export) { e.Created = time.Unix(-1, 0).UTC() },
		"no time":                func(e *Export) { e.Created = time.Time{} },
	} {
		e := web("east", "web", "10.0.0.1")
		if err := e.Check(); err != nil {
			t.Fatal(err)
		}
		if spoil(e); e.Check() == nil {
			t.Errorf("%s: taken", what)
		}
	}
}

// An address that means another host in every cluster would let a peer point at us or at our neighbours.
func TestHostileAddressesAreRefused(t *testing.T) {
	for what, address := range map[string]netip.Addr{
		"none":                  {},
		"loopback":              netip.MustParseAddr("127.0.0.1"),
		"loopback's far end":    netip.MustParseAddr("127.255.255.254"),
		"IPv6 loopback":         netip.MustParseAddr("::1"),
		"metadata service":      netip.MustParseAddr("169.254.169.254"),
		"link-local":            netip.MustParseAddr("fe80::1"),
		"zoned link-local":      netip.MustParseAddr("fe80::1%eth0"),
		"zoned":                 netip.MustParseAddr("fd00::1%eth0"),
		"multicast":             netip.MustParseAddr("224.0.0.1"),
		"IPv6 multicast":        netip.MustParseAddr("ff02::1"),
		"global IPv6 multicast": netip.MustParseAddr("ff0e::1"),
		"unspecified":           netip.MustParseAddr("0.0.0.0"),
		"IPv6 unspecified":      netip.MustParseAddr("::"),
		"broadcast":             netip.MustParseAddr("255.255.255.255"),
		"IPv4-mapped":           netip.MustParseAddr("::ffff:10.0.0.1"),
		"IPv4-mapped loopback":  netip.MustParseAddr("::ffff:127.0.0.1"),
	} {
		e := web("east", "web", "10.0.0.1")
		e.Subsets[0].Endpoints[0].Address = address
		if Reachable(address) || e.Check() == nil {
			t.Errorf("%s: %s is taken", what, address)
		}
	}
	for _, address := range []string{"10.0.0.1", "192.168.1.1", "100.64.0.1", "8.8.8.8", "fd00::1", "2001:db8::1"} {
		if !Reachable(netip.MustParseAddr(address)) {
			t.Errorf("%s is refused", address)
		}
	}
}

// Keys that name nothing, and keys that somebody owns, differ: only the former are refused, with the key and
// what is expected.
func TestABadPairIsToldByItsKey(t *testing.T) {
	rule.Covers(t, "E8")
	const key = "want [prefix/]name: a DNS subdomain of at most 253 characters as prefix, and a name of 1 to 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"
	for _, c := range []struct {
		labels, annotations map[string]string
		want                string
	}{
		{labels: map[string]string{"team": "red", "empty": "", "Example/x": "y", "_": "z"}, want: `exportedLabels "Example/x": key: ` + key},
		{labels: map[string]string{"team": "red blue"}, want: `exportedLabels "team": value "red blue": want at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends`},
		{annotations: map[string]string{"a/b/c": "x"}, want: `exportedAnnotations "a/b/c": key: ` + key},
		{annotations: map[string]string{"note": "\xff"}, want: `exportedAnnotations "note": value "\xff": want UTF-8`},
		{annotations: map[string]string{"Example.ORG/Note": "grüß\n\tGott"}},
		{
			labels:      map[string]string{"hansa.dev/a": "b", "multicluster.kubernetes.io/service-name": "web"},
			annotations: map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"},
		},
	} {
		e := web("east", "web", "10.0.0.1")
		e.Labels, e.Annotations = c.labels, c.annotations
		switch err := e.Check(); {
		case err == nil && c.want != "", err != nil && err.Error() != c.want:
			t.Errorf("labels %q, annotations %q:\n%v\nwant\n%s", c.labels, c.annotations, err, c.want)
		}
	}
}

// TestReservedKeys: what somebody reads as its own is left out on the other side, and nothing else, however near.
func TestReservedKeys(t *testing.T) {
	rule.Covers(t, "E8")
	for key, want := range map[string]bool{
		"hansa.dev/a": true, "x.hansa.dev/a": true, "a.b.hansa.dev/": true, "multicluster.kubernetes.io/service-name": true,
		"multicluster.x-k8s.io/a": true, "kubectl.kubernetes.io/last-applied-configuration": true,

		"": false, "team": false, "hansa.dev": false, "x.hansa.dev": false, "kubectl.kubernetes.io": false, "nothansa.dev/a": false, "hansa.dev.example.org/a": false,
		"kubernetes.io/a": false, "app.kubernetes.io/name": false, "x.kubectl.kubernetes.io/a": false, "example.org/hansa.dev": false,
	} {
		if got := Reserved(key); got != want {
			t.Errorf("%q is reserved: %t, want %t", key, got, want)
		}
	}
}

// What we take as exported labels, annotations and application protocols, every API server takes, and the
// other way round: neither does an import fail for them, nor is a user refused what Kubernetes has.
func FuzzPairsAreWhatAPIServersTake(f *testing.F) {
	for _, seed := range []string{
		"", "a", "-", "a-", "/", "a/", "/a", "a/b", "A/b", "a/b/c", "a..b/c", "a.-b/c", "a_b/c", "a/B_.-c", "a.b/c", "\u212a8s.io/x",
		"İ/x", "a\n", "a b", "\xff", "a/\xff", "hansa.dev/x", text(63), text(64), text(253) + "/a", text(254) + "/a", "a/" + text(63), "a/" + text(64),
	} {
		f.Add(seed, seed)
	}
	f.Fuzz(agree)
}

func TestRandomPairsAreWhatAPIServersTake(t *testing.T) {
	rule.Covers(t, "E8")
	r := random(t)
	taken := 0
	for range 20_000 {
		k, v := randomKey(r), randomKey(r)
		if agree(t, k, v); t.Failed() {
			return
		}
		if checkLabelPair(k, v) == nil {
			taken++
		}
	}
	if taken < 500 || taken > 19_500 {
		t.Fatalf("%d of 20000 taken: the pairs are too wild or too tame to show anything", taken)
	}
}

func randomKey(r *rand.Rand) string {
	parts := []string{"a", "a", "a", "b", "0", "A", "-", ".", "_", "/", "\u212a", " ", "\n", "\xff", text(60), text(250)}
	var b strings.Builder
	for range r.IntN(7) {
		b.WriteString(parts[r.IntN(len(parts))])
	}
	return b.String()
}

func agree(t *testing.T, k, v string) {
	pair := map[string]string{k: v}
	if ours, theirs := checkLabelPair(k, v), metavalidation.ValidateLabels(pair, nil); (ours == nil) != (len(theirs) == 0) {
		t.Errorf("label %q: %q: %v, Kubernetes says %v", k, v, ours, theirs)
	}
	// Kubernetes never sees bytes that are no UTF-8: reading the request replaces them.
	if ours, theirs := checkAnnotation(k, v), validation.ValidateAnnotations(pair, nil); utf8.ValidString(v) && (ours == nil) != (len(theirs) == 0) {
		t.Errorf("annotation %q: %v, Kubernetes says %v", k, ours, theirs)
	}
	if theirs := kubevalidation.IsQualifiedName(k); qualified(k) != (len(theirs) == 0) {
		t.Errorf("application protocol %q: %t, Kubernetes says %v", k, qualified(k), theirs)
	}
}
