package dns

import (
	"cmp"
	"slices"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// Share is a run of answers of one cluster. Which of the answers of a tier comes first is chance, by the loads.
type Share struct {
	End  int // behind the last of its answers
	Tier int
	Load uint32 // at least 1
}

// served is a cluster whose endpoints are answered with.
type served struct {
	index   int // of the Service's Exports
	cluster federation.ClusterID
	importer.Choice
}

// steer returns the clusters whose ready endpoints are answered with, as the service's owner wishes it, the first first.
// Those that usable counts of the Exports at an index are meant, ready ones and others. What is demoted is none of them:
// others have ready ones, see importer.Service. Where in this cluster the client is, nobody knows.
func (c *conversation) steer(s *importer.Service, usable func(i int) (ready, unready int)) []served {
	var candidates []importer.Candidate
	var list []served
	for i, x := range s.Exports {
		if s.Fate(i) != federation.Served {
			continue
		}
		ready, unready := usable(i)
		candidates = append(candidates, importer.Candidate{Place: importer.Place{Cluster: x.Cluster}, Drained: s.Lost(i), Ready: ready, Unready: unready})
		list = append(list, served{index: i, cluster: x.Cluster})
	}
	for i, choice := range importer.Steer(&s.Steering, importer.Place{Cluster: c.zone.self}, candidates) {
		list[i].Choice = choice
	}
	list = slices.DeleteFunc(list, func(s served) bool { return s.Tier == importer.Nowhere })
	slices.SortStableFunc(list, func(a, b served) int { return cmp.Compare(a.Tier, b.Tier) })
	return list
}

// steerPort is steer with those that serve a port, so that one which a drained cluster alone serves has answers. Its tiers
// are from one on.
func (c *conversation) steerPort(s *importer.Service, p importer.Port, from int) []served {
	list := c.steer(s, func(i int) (ready, unready int) {
		for b := range s.BackendsOf(i, p) {
			switch conditions := b.Endpoint.Conditions; {
			case conditions.Has(federation.Ready):
				ready++
			case !conditions.Has(federation.Terminating):
				unready++
			}
		}
		return ready, unready
	})
	for i := range list {
		list[i].Tier += from
	}
	return list
}

// runs are the Shares of answers that come cluster by cluster.
type runs struct {
	shares []Share
	last   federation.ClusterID
}

// count counts the answer that is the last of n to the cluster that it is of.
func (r *runs) count(of served, n int) {
	if len(r.shares) == 0 || r.last != of.cluster || r.shares[len(r.shares)-1].Tier != of.Tier {
		r.shares, r.last = append(r.shares, Share{Tier: of.Tier, Load: of.Load}), of.cluster
	}
	r.shares[len(r.shares)-1].End = n
}

// parts appends to list the answers in the order of a turn, any number, as runs from one to before another.
func (p *packed) parts(list [][2]int, turn uint32) [][2]int {
	rest := p.shares
	if len(rest) == 0 {
		rest = []Share{{End: p.answer.len(), Load: 1}}
	}
	for from := 0; len(rest) > 0; {
		n, load := 0, uint64(0)
		for n < len(rest) && rest[n].Tier == rest[0].Tier {
			load += uint64(rest[n].Load)
			n++
		}
		first, end := begin(rest[:n], from, float64(load)*float64(turn)/(1<<32)), rest[n-1].End
		list = append(list, [2]int{first, end}, [2]int{from, first})
		from, rest = end, rest[n:]
	}
	return list
}

// begin returns with which answer of a tier, whose first is from, a turn begins; the turn is from 0 to below the tier's load.
func begin(shares []Share, from int, turn float64) int {
	for _, s := range shares {
		if load := float64(s.Load); turn >= load {
			from, turn = s.End, turn-load
			continue
		}
		return from + int(turn/float64(s.Load)*float64(s.End-from))
	}
	return from
}
