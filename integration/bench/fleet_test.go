package main

import (
	"net/netip"
	"testing"
)

func TestReceivedAreWholeExportsOfOneCluster(t *testing.T) {
	const text = `# TYPE hansa_cluster_received_records_total counter
hansa_cluster_received_records_total{cluster="east"} 100
hansa_cluster_received_records_total{cluster="west"} 1e+06
hansa_cluster_received_patches_total{cluster="east"} 3
hansa_cluster_received_bytes_total{cluster="east"} 1.5e+06
`
	for of, want := range map[string]int{"east": 100, "west": 1e6, "north": 0} {
		if got, err := receivedOf(text, of); err != nil || got != want {
			t.Errorf("of %s: %d (%v), want %d", of, got, err, want)
		}
	}
	if _, err := receivedOf("hansa_cluster_received_records_total{cluster=\"east\"} many\n", "east"); err == nil {
		t.Error("what is no number is read as one")
	}
}

func TestKnownAddressesDiffer(t *testing.T) {
	seen := map[netip.Addr]bool{}
	for _, cluster := range []string{"east", "west"} {
		for i := range knownServices {
			for n := range knownEndpoints {
				seen[knownAddress(cluster, i, n)] = true
			}
		}
	}
	if want := 2 * knownServices * knownEndpoints; len(seen) != want {
		t.Errorf("%d addresses, want %d", len(seen), want)
	}
}

func TestLacksCountsWhatIsNotThere(t *testing.T) {
	a, b, c := netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:1"), netip.MustParseAddrPort("10.0.0.3:1")
	for _, test := range []struct {
		got  []netip.AddrPort
		want int
	}{{nil, 2}, {[]netip.AddrPort{b}, 1}, {[]netip.AddrPort{a, b, c}, 0}} {
		if n := lacks(test.got, []netip.AddrPort{b, a}); n != test.want {
			t.Errorf("%v lacks %d, want %d", test.got, n, test.want)
		}
	}
}
