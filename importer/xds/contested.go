package xds

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/hansa-mcs/hansa/federation"
)

// settle returns portions without the addresses that go to other clusters. One that several clusters claim goes to our own,
// else to the lowest cluster ID: whatever the conditions are, so that nobody gets the traffic of an address by calling it
// ready (design section 5). Where the addresses of clusters lie apart, as they do where pods can reach each other, that is
// seen without looking at one; elsewhere just those are looked for whose claimants are not those of before, which is what
// settle returned last. Both are sorted by cluster.
func settle(portions, before []*portion, own federation.ClusterID) []*portion {
	settled := slices.Clone(portions)
	for _, i := range overlapping(portions) {
		if portions[i].claims == nil {
			p := *portions[i]
			p.claims = p.addresses()
			settled[i] = &p
		}
	}
	asked := reclaimed(before, settled)
	lost := losers(settled, asked, own)
	for i, p := range settled {
		without := lost[p.export.Cluster]
		if former := portionOf(before, p.export.Cluster); former != nil {
			without = union(without, except(former.without, asked))
		}
		if !slices.Equal(p.without, without) {
			settled[i] = newPortion(p.source, without)
			settled[i].claims = p.claims
		}
	}
	return settled
}

// overlapping returns the indices of the portions with addresses between those of another.
func overlapping(portions []*portion) []int {
	suspect := make([]bool, len(portions))
	var all []int
	for family := range families {
		at := func(i int) extent { return portions[i].extents[family] }
		var byLowest []int
		for i := range portions {
			if at(i).lowest.IsValid() {
				byLowest = append(byLowest, i)
			}
		}
		slices.SortFunc(byLowest, func(i, j int) int { return at(i).lowest.Compare(at(j).lowest) })
		furthest := 0 // of those before, the one that reaches furthest
		for n := 1; n < len(byLowest); n++ {
			i, j := byLowest[furthest], byLowest[n]
			if at(i).overlaps(at(j)) {
				suspect[i], suspect[j] = true, true
			}
			if at(j).highest.Compare(at(i).highest) > 0 {
				furthest = n
			}
		}
	}
	for i := range portions {
		if suspect[i] {
			all = append(all, i)
		}
	}
	return all
}

// reclaimed returns, sorted, the addresses that a cluster claims now and did not before, or the other way round.
func reclaimed(before, now []*portion) []netip.AddrPort {
	var all []netip.AddrPort
	for _, p := range now {
		var claims []netip.AddrPort
		former := portionOf(before, p.export.Cluster)
		if former == p {
			continue
		}
		if former != nil {
			claims = former.claims
		}
		all = appendDiffering(all, claims, p.claims)
	}
	for _, former := range before {
		if portionOf(now, former.export.Cluster) == nil {
			all = append(all, former.claims...)
		}
	}
	slices.SortFunc(all, netip.AddrPort.Compare)
	return slices.Compact(all)
}

// losers returns which of the addresses asked for several claim, sorted: for each of them but the one that gets it.
func losers(portions []*portion, asked []netip.AddrPort, own federation.ClusterID) map[federation.ClusterID][]netip.AddrPort {
	type claim struct {
		address netip.AddrPort
		cluster federation.ClusterID
	}
	var claims []claim
	for _, p := range portions {
		for _, a := range common(p.claims, asked) {
			claims = append(claims, claim{a, p.export.Cluster})
		}
	}
	rank := func(c federation.ClusterID) federation.ClusterID {
		if c == own {
			return ""
		}
		return c
	}
	slices.SortFunc(claims, func(a, b claim) int {
		return cmp.Or(a.address.Compare(b.address), cmp.Compare(rank(a.cluster), rank(b.cluster)))
	})
	lost := map[federation.ClusterID][]netip.AddrPort{}
	for i := 1; i < len(claims); i++ {
		if c := claims[i]; c.address == claims[i-1].address {
			lost[c.cluster] = append(lost[c.cluster], c.address)
		}
	}
	return lost
}

// common returns what two sorted lists both have. It is quick where one of them is short.
func common(a, b []netip.AddrPort) (both []netip.AddrPort) {
	if len(a) > len(b) {
		a, b = b, a
	}
	for _, address := range a {
		i, found := slices.BinarySearchFunc(b, address, netip.AddrPort.Compare)
		if found {
			both = append(both, address)
		}
		b = b[i:]
	}
	return both
}

// except returns what a has and b has not; both are sorted.
func except(a, b []netip.AddrPort) []netip.AddrPort {
	both := common(a, b)
	if len(both) == 0 {
		return a
	}
	return appendDiffering(nil, a, both)
}

// union returns what is in one of two sorted lists that have nothing in common.
func union(a, b []netip.AddrPort) []netip.AddrPort {
	if len(a) == 0 {
		return b
	}
	return appendDiffering(nil, a, b)
}

// appendDiffering appends what just one of two sorted lists has, in order.
func appendDiffering(list, a, b []netip.AddrPort) []netip.AddrPort {
	for len(a) > 0 && len(b) > 0 {
		switch c := a[0].Compare(b[0]); {
		case c < 0:
			list, a = append(list, a[0]), a[1:]
		case c > 0:
			list, b = append(list, b[0]), b[1:]
		default:
			a, b = a[1:], b[1:]
		}
	}
	return append(append(list, a...), b...)
}
