package xds

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// assignment is who serves one port of a host: a ClusterLoadAssignment for each Audience.
type assignment struct {
	name   string
	own    federation.ClusterID
	gone   bool // its cluster went
	wish   *federation.Steering
	shares []share // by cluster

	mu     sync.Mutex
	made   []*portion // of shares, once somebody asked
	before []*portion // of the assignment that this one stands for, to take what did not change; nil once made
}

// share is what one cluster gives.
type share struct {
	source
	demoted bool  // it comes after those that are not
	lost    uint8 // percent of its traffic
}

// newAssignment returns who serves p of s. What clusters give that gave the same to before, nil for none, is not encoded
// again.
func newAssignment(name string, s *importer.Service, p importer.Port, own federation.ClusterID, before *assignment) *assignment {
	a := &assignment{name: name, own: own, wish: wishOf(s), shares: make([]share, 0, len(s.Exports))}
	for i, e := range s.Exports {
		if fate := s.Fate(i); fate != federation.Withdrawn {
			a.shares = append(a.shares, share{source{e, p}, fate == federation.Demoted, s.Lost(i)})
		}
	}
	slices.SortFunc(a.shares, func(x, y share) int { return cmp.Compare(x.export.Cluster, y.export.Cluster) })
	if before != nil {
		a.before = before.encoded()
	}
	return a
}

// unsaid is what most services wish, in one place for all.
var unsaid federation.Steering

func wishOf(s *importer.Service) *federation.Steering {
	if !s.Steering.Given() {
		return &unsaid
	}
	return new(s.Steering)
}

// emptied is the assignment of a cluster that went.
func emptied(name string) *assignment { return &assignment{name: name, gone: true, wish: &unsaid} }

func (a *assignment) equal(o content) bool {
	other, ok := o.(*assignment)
	return ok && a.gone == other.gone && a.own == other.own && a.wish.Equal(other.wish) && slices.Equal(a.shares, other.shares)
}

// narrow leaves where clients are: what they are does not bear on who serves.
func (a *assignment) narrow(of Audience) Audience { return Audience{Region: of.Region, Zone: of.Zone} }

// encoded returns what is encoded of the assignment, or of the last one before it of which anything is.
func (a *assignment) encoded() []*portion {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.made == nil {
		return a.before
	}
	return a.made
}

// portions returns what each share gives, without the addresses that go to other clusters.
func (a *assignment) portions() []*portion {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.made != nil {
		return a.made
	}
	made := make([]*portion, len(a.shares))
	for i, s := range a.shares {
		if made[i] = portionOf(a.before, s.export.Cluster); made[i] == nil || made[i].source != s.source {
			made[i] = newPortion(s.source, nil)
		}
	}
	a.made, a.before = settle(made, a.before, a.own), nil
	return a.made
}

// encode steers the Audience to the endpoints. Only the ready ones are told; where no cluster has any, those that still
// serve while they terminate. The error says how many there are too many to tell them all.
func (a *assignment) encode(of Audience) (*body, error) {
	groups, left := trim(a.steer(of))
	b := assemble(a.name, groups)
	if b.gone = a.gone; left == 0 {
		return b, nil
	}
	told := 0
	for _, g := range groups {
		told += int(g.count)
	}
	return b, fmt.Errorf("%d of its %d endpoints are not told: with them it has more than the %d bytes that a gRPC client takes", left, told+left, maxAssignment)
}

// steer returns the localities that an Audience is sent to, the nearest first.
func (a *assignment) steer(of Audience) []group {
	portions := a.portions()
	leave := !slices.ContainsFunc(portions, func(p *portion) bool { return len(p.ready) > 0 })
	var groups []group
	var candidates, ill []importer.Candidate
	for i, p := range portions {
		candidate := func(f *fragment) importer.Candidate {
			return importer.Candidate{Place: importer.Place{Cluster: p.export.Cluster, Region: f.region, Zone: f.zone}, Demoted: a.shares[i].demoted, Drained: a.shares[i].lost}
		}
		fragments := p.ready
		if leave {
			fragments = p.leaving
		}
		for j := range fragments {
			c := candidate(&fragments[j])
			c.Ready = int(fragments[j].count)
			groups, candidates = append(groups, group{fragment: &fragments[j], cluster: string(p.export.Cluster)}), append(candidates, c)
		}
		for j := range p.unready {
			c := candidate(&p.unready[j])
			c.Unready = int(p.unready[j].count)
			ill = append(ill, c)
		}
	}
	choices := importer.Steer(a.wish, importer.Place{Cluster: a.own, Region: of.Region, Zone: of.Zone}, append(candidates, ill...))
	sent := groups[:0]
	for i, g := range groups {
		if c := choices[i]; c.Tier != importer.Nowhere {
			g.priority, g.load = uint32(c.Tier), c.Load
			sent = append(sent, g)
		}
	}
	compact(sent)
	return sent
}

// group is a locality as a client is told it.
type group struct {
	*fragment
	cluster  string
	priority uint32
	load     uint32 // how much of the traffic of its priority it gets beside the others
}

// compact sorts groups, and makes their priorities begin at 0 and leave none out, as where trim took all of one: gRPC refuses
// an assignment with a gap.
func compact(groups []group) {
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), strings.Compare(a.region, b.region), strings.Compare(a.zone, b.zone),
			strings.Compare(a.cluster, b.cluster))
	})
	next, former := uint32(0), uint32(0)
	for i := range groups {
		if i > 0 && groups[i].priority != former {
			next++
		}
		former, groups[i].priority = groups[i].priority, next
	}
}
