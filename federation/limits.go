package federation

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrLimit is why a record is refused that would take more than its cluster may.
var ErrLimit = errors.New("beyond a limit")

// Limits bound what one other cluster may make this one hold. A record beyond them is refused, and the others go
// on. Zero stands for the default.
type Limits struct {
	Services  int
	Endpoints int
	// Bytes is about the memory that the records take.
	Bytes int
}

// DefaultLimits are ten times what the largest clusters of the field export: who is beyond has made a mistake, or
// is hostile.
var DefaultLimits = Limits{Services: 20_000, Endpoints: 1_000_000, Bytes: 512 << 20}

// unlimited is for what this cluster itself says.
var unlimited = Limits{Services: math.MaxInt, Endpoints: math.MaxInt, Bytes: math.MaxInt}

func (l Limits) orDefault() Limits {
	pick := func(n, otherwise int) int {
		if n == 0 {
			return otherwise
		}
		return n
	}
	return Limits{
		Services:  pick(l.Services, DefaultLimits.Services),
		Endpoints: pick(l.Endpoints, DefaultLimits.Endpoints),
		Bytes:     pick(l.Bytes, DefaultLimits.Bytes),
	}
}

// usage is what the Exports of one owner take, in the units of Limits; serving are those that have endpoints.
type usage struct{ services, endpoints, bytes, serving int }

func (u usage) plus(e *Export) usage { return u.add(e, 1) }

func (u usage) minus(e *Export) usage { return u.add(e, -1) }

func (u usage) add(e *Export, n int) usage {
	if e == nil {
		return u
	}
	endpoints, serving := e.EndpointCount(), 0
	if endpoints > 0 {
		serving = 1
	}
	return usage{u.services + n, u.endpoints + n*endpoints, u.bytes + n*e.size(), u.serving + n*serving}
}

// check returns why a step from one usage to another may not be, or nil. What takes no more than before always
// may.
func (l Limits) check(before, after usage) error {
	over := func(what string, before, after, most int) error {
		if after <= most || after <= before {
			return nil
		}
		return fmt.Errorf("%s: %w: want at most %d in all of one cluster", what, ErrLimit, most)
	}
	for _, err := range []error{
		over("one service more", before.services, after.services, l.Services),
		over("its endpoints", before.endpoints, after.endpoints, l.Endpoints),
		over("its size", before.bytes, after.bytes, l.Bytes),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// fitting returns those of an owner's records that fit, and why the others are refused. As where an owner says all anew, it
// is in the order of the names that they take what there is.
func (l Limits) fitting(records []Record) (fit []Record, refused []error) {
	slices.SortFunc(records, func(a, b Record) int { return a.Name.Compare(b.Name) })
	var use usage
	for _, r := range records {
		next := use.plus(r.Export)
		if err := l.check(use, next); err != nil {
			refused = append(refused, refusal(r.Name, r.Cluster, err))
			continue
		}
		use, fit = next, append(fit, r)
	}
	return fit, refused
}

func refusal(name ServiceName, owner ClusterID, why error) error {
	return fmt.Errorf("record %s of %s: %w", name, owner, why)
}

// bare bounds how many services of one owner may be known by name alone. A limit that is lower than what an owner
// exports, however much, is to leave what is within it alone.
func (l Limits) bare() int { return max(l.Services, DefaultLimits.Services) }

const (
	recordSize   = 512 // of an Export without what is counted below, with its places in maps
	endpointSize = 96
	pairSize     = 32
)

// size is about how many bytes of memory an Export takes.
func (e *Export) size() int {
	n := recordSize + len(e.TrafficDistribution) + len(e.Network) + len(e.Extra)
	for _, c := range e.Consumers {
		n += 16 + len(c)
	}
	for _, p := range e.Steering.Prefer {
		n += 16 + len(p)
	}
	for i := range e.Steering.Weights {
		n += 24 + len(e.Steering.Weights[i].Cluster)
	}
	for i := range e.Ports {
		n += 64 + len(e.Ports[i].Name) + len(e.Ports[i].AppProtocol)
	}
	for _, pairs := range []map[string]string{e.Labels, e.Annotations} {
		for k, v := range pairs {
			n += pairSize + len(k) + len(v)
		}
	}
	for i := range e.Subsets {
		s := &e.Subsets[i]
		for j := range s.Ports {
			n += 48 + len(s.Ports[j].Name)
		}
		for j := range s.Endpoints {
			n += endpointSize + len(s.Endpoints[j].Hostname) + len(s.Endpoints[j].Zone) + len(s.Endpoints[j].Region)
		}
	}
	return n
}
