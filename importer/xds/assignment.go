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
	gone   bool    // its cluster went
	shares []share // by cluster

	mu     sync.Mutex
	made   []*portion // of shares, once somebody asked
	before []*portion // of the assignment that this one stands for, to take what did not change; nil once made
}

// share is what one cluster gives.
type share struct {
	source
	demoted bool // it comes after those that are not
}

// newAssignment returns who serves p of s. What clusters give that gave the same to before, nil for none, is not encoded
// again.
func newAssignment(name string, s *importer.Service, p importer.Port, own federation.ClusterID, before *assignment) *assignment {
	a := &assignment{name: name, own: own, shares: make([]share, 0, len(s.Exports))}
	for i, e := range s.Exports {
		if fate := s.Fate(i); fate != federation.Withdrawn {
			a.shares = append(a.shares, share{source{e, p}, fate == federation.Demoted})
		}
	}
	slices.SortFunc(a.shares, func(x, y share) int { return cmp.Compare(x.export.Cluster, y.export.Cluster) })
	if before != nil {
		a.before = before.encoded()
	}
	return a
}

// emptied is the assignment of a cluster that went.
func emptied(name string) *assignment { return &assignment{name: name, gone: true} }

func (a *assignment) equal(o content) bool {
	other, ok := o.(*assignment)
	return ok && a.gone == other.gone && a.own == other.own && slices.Equal(a.shares, other.shares)
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

// encode orders the endpoints by how near they are to the Audience. Only the ready ones are told; where no cluster has
// any, those that still serve while they terminate. The error says how many there are too many to tell them all.
func (a *assignment) encode(of Audience) (*body, error) {
	portions := a.portions()
	leave := !slices.ContainsFunc(portions, func(p *portion) bool { return len(p.ready) > 0 })
	var groups []group
	for i, p := range portions {
		fragments := p.ready
		if leave {
			fragments = p.leaving
		}
		for j := range fragments {
			g := group{fragment: &fragments[j], cluster: string(p.export.Cluster)}
			g.priority = distance(of, a.own, p.export.Cluster, fragments[j].region, fragments[j].zone, a.shares[i].demoted)
			groups = append(groups, g)
		}
	}
	compact(groups)
	groups, left := trim(groups)
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

// distance says how far endpoints are from a client: 0 for its zone in this cluster, 1 for this cluster, 2 for its region, 3
// for the rest, 4 for those of clusters that are not heard. Who does not say where it is is in no zone and no region.
func distance(of Audience, own, cluster federation.ClusterID, region, zone string, demoted bool) uint32 {
	near := of.Region != "" && of.Region == region
	switch {
	case demoted:
		return 4
	case cluster == own && of.Zone != "" && of.Zone == zone && (near || of.Region == "" || region == ""):
		return 0
	case cluster == own:
		return 1
	case near:
		return 2
	}
	return 3
}

// group is a locality as a client is told it.
type group struct {
	*fragment
	cluster  string
	priority uint32
}

// compact sorts groups, and makes their priorities begin at 0 and leave none out: gRPC refuses an assignment with a gap.
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
