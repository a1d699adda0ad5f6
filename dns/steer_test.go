package dns

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/hansa-mcs/hansa/federation"
)

// steered is a headless service of three clusters, of which the oldest wishes something. This cluster is east.
func steered(t *testing.T, wish federation.Steering) world {
	t.Helper()
	sql := ports(tcp("sql", 5432))
	w := world{exports: []*federation.Export{
		export("east/db", federation.Headless, sql, subset(sql, "10.1.0.1 a", "!10.1.0.2 b")),
		export("north/db", federation.Headless, sql, subset(sql, "10.2.0.1 a", "10.2.0.2 b")),
		export("west/db", federation.Headless, sql, subset(sql, "10.3.0.1 a", "10.3.0.2 b")),
	}}
	w.exports[0].Steering = wish
	return w
}

func TestAnswersAreSteered(t *testing.T) {
	weights := func(text string) []federation.Weight {
		list, err := federation.ParseWeights(text)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	for _, test := range []struct {
		what string
		wish federation.Steering
		want string // the tiers, by the last two numbers of addresses
	}{
		{"our own first", federation.Steering{}, "1.1 | 2.1 2.2 3.1 3.2"},
		{"all alike", federation.Steering{Prefer: []string{"any"}}, "1.1 2.1 2.2 3.1 3.2"},
		{"in that order", federation.Steering{Prefer: []string{"west", "any", "east"}}, "3.1 3.2 | 2.1 2.2 | 1.1"},
		{"a drained one is none of them", federation.Steering{Weights: weights("east=0,west=0")}, "2.1 2.2"},
		{"unless nobody else is there", federation.Steering{Weights: weights("east=0,north=0,west=0")}, "1.1 | 2.1 2.2 3.1 3.2"},
		{"half of our own is not enough", federation.Steering{MinHealthy: 60}, "1.1 2.1 2.2 3.1 3.2"},
		{"half is enough", federation.Steering{MinHealthy: 50}, "1.1 | 2.1 2.2 3.1 3.2"},
	} {
		view := steered(t, test.wish).importer(t).View()
		for _, asked := range []string{"db.shop.svc A", "_sql._tcp.db.shop.svc SRV", "db.shop.svc SRV"} {
			reply := Answer(view, Complete, zone, question(asked), here)
			var got []string
			for i, rr := range reply.Answer {
				if i > 0 && tierOf(reply, i) != tierOf(reply, i-1) {
					got = append(got, "|")
				}
				got = append(got, ending(t, rr))
			}
			if got := strings.Join(got, " "); got != test.want {
				t.Errorf("%s: %s: %s, want %s", test.what, asked, got, test.want)
			}
		}
	}
}

// tierOf returns the tier of an answer.
func tierOf(reply Reply, answer int) int {
	return reply.Shares[slices.IndexFunc(reply.Shares, func(s Share) bool { return answer < s.End })].Tier
}

// ending returns the last two numbers of the address of a record, or of the target of one.
func ending(t *testing.T, rr dns.RR) string {
	t.Helper()
	switch rr := rr.(type) {
	case *dns.A:
		address := netip.MustParseAddr(rr.A.String()).As4()
		return fmt.Sprintf("%d.%d", address[1], address[3])
	case *dns.SRV:
		labels := dns.SplitDomainName(rr.Target)
		return fmt.Sprintf("%d.%d", slices.Index([]string{"", "east", "north", "west"}, labels[1]), slices.Index([]string{"", "a", "b"}, labels[0]))
	}
	t.Fatalf("%v is neither A nor SRV", rr)
	return ""
}

// TestFirstAnswersAreByWeight: over all turns each answer comes first as often as its cluster's weight says, and no turn
// loses one.
func TestFirstAnswersAreByWeight(t *testing.T) {
	wish := federation.Steering{Prefer: []string{"any"}, Weights: []federation.Weight{{Cluster: "east", Weight: 200}, {Cluster: "west", Weight: 50}}}
	reply := Answer(steered(t, wish).importer(t).View(), Complete, zone, question("db.shop.svc A"), here)
	p, err := pack(reply, question("db.shop.svc").Name)
	if err != nil {
		t.Fatal(err)
	}
	const turns = 1000
	first := make([]int, len(reply.Answer))
	for i := range turns {
		var order []int
		for _, part := range p.parts(nil, uint32(i*(1<<32/turns))) {
			for n := part[0]; n < part[1]; n++ {
				order = append(order, n)
			}
		}
		first[order[0]]++
		if slices.Sort(order); !slices.Equal(order, []int{0, 1, 2, 3, 4}) {
			t.Fatalf("turn %d has the answers %v", i, order)
		}
	}
	// 200 for the one of east, 100 for each of north, 50 for each of west.
	for i, want := range []int{400, 200, 200, 100, 100} {
		if first[i] < want-2 || first[i] > want+2 {
			t.Errorf("answer %d is first in %d of %d turns, want %d", i, first[i], turns, want)
		}
	}
}

// TestPortsAreSteeredEach: a port that a drained cluster alone serves has its answers, and each port tiers of its own.
func TestPortsAreSteeredEach(t *testing.T) {
	sql, both := ports(tcp("sql", 5432)), ports(tcp("admin", 9000), tcp("sql", 5432))
	w := world{exports: []*federation.Export{
		export("east/db", federation.Headless, both, subset(both, "10.1.0.1 a")),
		export("north/db", federation.Headless, sql, subset(sql, "10.2.0.1 a")),
		export("west/db", federation.Headless, sql, subset(sql, "10.3.0.1 a")),
	}}
	w.exports[0].Steering = federation.Steering{Prefer: []string{"west"}, Weights: []federation.Weight{{Cluster: "east"}}}
	view := w.importer(t).View()
	for asked, want := range map[string][]string{
		"db.shop.svc A":               {"3.1 of 0", "2.1 of 1"},
		"_sql._tcp.db.shop.svc SRV":   {"3.1 of 0", "2.1 of 1"},
		"_admin._tcp.db.shop.svc SRV": {"1.1 of 0"},
		"db.shop.svc SRV":             {"1.1 of 0", "3.1 of 1", "2.1 of 2"},
	} {
		reply := Answer(view, Complete, zone, question(asked), here)
		var got []string
		for i, rr := range reply.Answer {
			got = append(got, fmt.Sprintf("%s of %d", ending(t, rr), tierOf(reply, i)))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", asked, got, want)
		}
	}
}
