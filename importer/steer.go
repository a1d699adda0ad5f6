package importer

import (
	"cmp"
	"math"
	"slices"

	"github.com/hansa-mcs/hansa/federation"
)

// Place is where a client is; what it does not say is empty, and near to nothing.
type Place struct {
	Cluster      federation.ClusterID
	Region, Zone string
}

// Candidate is the endpoints of one cluster in one zone, as they serve one port.
type Candidate struct {
	Place
	Demoted bool  // its cluster is not heard: it comes after those that are
	Drained uint8 // how many percent of its traffic its cluster has lost, 100 for all
	Ready   int   // how many can be used
	Unready int   // how many there are beside them, without those that terminate
}

// Choice is what becomes of a Candidate.
type Choice struct {
	Tier int    // who is used while one of its tier is: from 0, and none left out; Nowhere for one that gets nothing
	Load uint32 // how much of the traffic of its tier it gets beside the others; at least 1
}

// Nowhere is the tier of who gets no traffic.
const Nowhere = -1

// mostLoad bounds the sum of all loads: clients add them up in 32 bits.
const mostLoad = math.MaxInt32

// Steer decides which endpoints serve a client and in which order, and how they share the traffic: as an owner wishes it,
// for all doors. It depends on nothing else.
//
// A cluster of weight 0 serves only where no other one that is heard can. Where the tier that is nearest is less
// healthy than is wished, the next serves beside it, with what is missing: of two thirds of 70 percent, the nearest gets
// two thirds of the traffic. So it is where the nearest loses its traffic little by little.
func Steer(wish *federation.Steering, client Place, list []Candidate) []Choice {
	s := steerer{wish: wish, list: list, choices: make([]Choice, len(list))}
	if s.weights, s.drains = weigh(wish, list); s.drains {
		s.taken = map[federation.ClusterID]float64{}
	}
	ranks := make([]int, len(list))
	var order []int
	for i := range list {
		s.choices[i].Tier = Nowhere
		if s.weights[i] > 0 && list[i].Ready+list[i].Unready > 0 {
			ranks[i] = rank(wish, client, &list[i])
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(ranks[a], ranks[b]) })
	for len(order) > 0 {
		n := 1
		for n < len(order) && ranks[order[n]] == ranks[order[0]] {
			n++
		}
		s.rank(order[:n])
		order = order[n:]
	}
	s.close()
	s.fit()
	return s.choices
}

// weigh returns what an endpoint of each candidate counts for: its weight, without what its cluster has lost. Where all that
// count for something are of no use, or are not heard, all count the same, and none drains.
func weigh(wish *federation.Steering, list []Candidate) (weights []uint64, drains bool) {
	weights = make([]uint64, len(list))
	drains = slices.ContainsFunc(list, func(c Candidate) bool { return c.Drained > 0 })
	useful := false
	for i := range list {
		weights[i] = uint64(wish.Of(list[i].Cluster))
		if drains {
			weights[i] *= uint64(100 - min(100, list[i].Drained))
		}
		useful = useful || weights[i] > 0 && list[i].Ready > 0 && !list[i].Demoted
	}
	if (drains || len(wish.Weights) > 0) && useful {
		return weights, drains
	}
	for i := range weights {
		weights[i] = 1
	}
	return weights, false
}

// rank returns how near a candidate is to a client, by what the owner prefers: 0 first, and who is not heard last.
func rank(wish *federation.Steering, client Place, c *Candidate) int {
	prefer := wish.Prefer
	if len(prefer) == 0 {
		prefer = preferred
	}
	if c.Demoted {
		return len(prefer) + 1
	}
	last := len(prefer)
	for i, p := range prefer {
		if p == federation.NearAny {
			last = i
		} else if client.near(p, &c.Place) {
			return i
		}
	}
	return last
}

var preferred = federation.DefaultPrefer()

// near reports whether a place is what a preference names. A zone is one of a region, where both are known.
func (p Place) near(preference string, o *Place) bool {
	switch preference {
	case federation.NearZone:
		return o.Cluster == p.Cluster && p.Zone != "" && p.Zone == o.Zone && (p.Region == o.Region || p.Region == "" || o.Region == "")
	case federation.NearCluster:
		return o.Cluster == p.Cluster
	case federation.NearRegion:
		return p.Region != "" && p.Region == o.Region
	}
	return string(o.Cluster) == preference
}

// steerer makes tiers of ranks, of which it is told the nearest first.
type steerer struct {
	wish    *federation.Steering
	list    []Candidate
	weights []uint64
	drains  bool // some have lost traffic
	choices []Choice

	tier int
	open []layer // of the tier
	sum  float64 // of what they take
	// taken is what each cluster takes of it, while some drain.
	taken map[federation.ClusterID]float64
}

// layer is those of one rank that are in a tier.
type layer struct {
	members []int
	take    float64 // of the traffic, 1 for all
}

// rank puts those of the next rank into the tier that is open, which it closes when they suffice.
func (s *steerer) rank(members []int) {
	if s.list[members[0]].Demoted {
		s.close()
	}
	ready, all := 0, 0
	for _, i := range members {
		ready += s.list[i].Ready
		all += s.list[i].Ready + s.list[i].Unready
	}
	members = slices.DeleteFunc(slices.Clone(members), func(i int) bool { return s.list[i].Ready == 0 })
	if len(members) == 0 {
		return
	}
	take := s.left(members)
	if s.wish.MinHealthy > 0 {
		take *= min(1, 100*float64(ready)/float64(all)/float64(s.wish.MinHealthy))
	}
	take = min(take, 1-s.sum)
	s.open, s.sum = append(s.open, layer{members, take}), s.sum+take
	s.note(members, take)
	if s.sum > 1-1e-9 {
		s.close()
	}
}

// left returns how much of its traffic a rank still takes: all, while one of it does that has lost none. A cluster that is in
// several ranks of a tier, as one of several zones is, takes no more in all of them.
func (s *steerer) left(members []int) float64 {
	if !s.drains {
		return 1
	}
	left := 0.0
	for _, i := range members {
		c := &s.list[i]
		left = max(left, float64(100-min(100, c.Drained))/100-s.taken[c.Cluster])
	}
	return left
}

// note counts what clusters take in the tier.
func (s *steerer) note(members []int, take float64) {
	if !s.drains {
		return
	}
	total := 0.0
	for _, i := range members {
		total += float64(s.load(i))
	}
	for _, i := range members {
		s.taken[s.list[i].Cluster] += take * float64(s.load(i)) / total
	}
}

// fine is what the load of a tier of several ranks adds up to, about.
const fine = 100_000

// close gives those of the tier their loads.
func (s *steerer) close() {
	for _, p := range s.open {
		total := uint64(0)
		for _, i := range p.members {
			total += s.load(i)
		}
		for _, i := range p.members {
			load := s.load(i)
			if len(s.open) > 1 {
				load = max(1, uint64(fine*p.take/s.sum*float64(load)/float64(total)))
			}
			s.choices[i] = Choice{Tier: s.tier, Load: uint32(min(load, mostLoad))}
		}
	}
	if len(s.open) > 0 {
		s.tier++
	}
	s.open, s.sum = nil, 0
	clear(s.taken)
}

func (s *steerer) load(i int) uint64 { return uint64(s.list[i].Ready) * s.weights[i] }

// fit makes loads smaller that add up to too much.
func (s *steerer) fit() {
	sum := uint64(0)
	for i := range s.choices {
		sum += uint64(s.choices[i].Load)
	}
	if sum <= mostLoad {
		return
	}
	for i := range s.choices {
		if c := &s.choices[i]; c.Tier != Nowhere {
			c.Load = max(1, uint32(uint64(c.Load)*(mostLoad/2)/sum))
		}
	}
}
