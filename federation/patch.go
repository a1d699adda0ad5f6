package federation

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Patch makes of the record whose hash is Base the one whose hash is that of Record, so that one changed endpoint
// of thousands does not resend them.
type Patch struct {
	Base Hash
	// Record is the new record, but for endpoints that stay as they were.
	Record
	// Removed are endpoints that went; of each only its address and host name count.
	Removed []Subset
}

// endpointKey tells apart the endpoints of one Export.
type endpointKey struct {
	ports    []TargetPort // of the subset
	address  netip.Addr
	hostname string
}

func (k endpointKey) compare(o endpointKey) int {
	return cmp.Or(slices.CompareFunc(k.ports, o.ports, compareTargetPorts), k.address.Compare(o.address), strings.Compare(k.hostname, o.hostname))
}

// patchWorth is the number of endpoints below which a record is always sent whole.
const patchWorth = 8

// touched returns the keys of the endpoints in which two records of one service differ; false when they differ
// in so many that a patch would save little. Both are normalized.
func touched(before, after *Export) ([]endpointKey, bool) {
	total := after.EndpointCount()
	if total < patchWorth {
		return nil, false
	}
	var keys []endpointKey
	most := total / 4
	note := func(s *Subset, ep *Endpoint) bool {
		keys = append(keys, endpointKey{s.Ports, ep.Address, ep.Hostname})
		return len(keys) <= most
	}
	a, b := before.Subsets, after.Subsets
	for len(a) > 0 || len(b) > 0 {
		var x, y *Subset
		switch order := compareHeads(a, b, compareSubsets); {
		case order < 0:
			x, a = &a[0], a[1:]
		case order > 0:
			y, b = &b[0], b[1:]
		default:
			x, y, a, b = &a[0], &b[0], a[1:], b[1:]
		}
		if !touchedSubset(x, y, note) {
			return nil, false
		}
	}
	return keys, true
}

// touchedSubset notes each endpoint that differs between two subsets of the same ports, of which one may be nil,
// until note returns false.
func touchedSubset(x, y *Subset, note func(*Subset, *Endpoint) bool) bool {
	var a, b []Endpoint
	if x != nil {
		a = x.Endpoints
	}
	if y != nil {
		b = y.Endpoints
	}
	for len(a) > 0 || len(b) > 0 {
		going := true
		switch order := compareHeads(a, b, compareEndpoints); {
		case order < 0:
			going, a = note(x, &a[0]), a[1:]
		case order > 0:
			going, b = note(y, &b[0]), b[1:]
		default:
			if a[0] != b[0] {
				going = note(y, &b[0])
			}
			a, b = a[1:], b[1:]
		}
		if !going {
			return false
		}
	}
	return true
}

// compareHeads orders two sorted lists by their first elements; an empty list comes last.
func compareHeads[T any](a, b []T, compare func(a, b T) int) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	}
	return compare(a[0], b[0])
}

// distinct returns the keys sorted, and each once; the list given stays as it is.
func distinct(keys []endpointKey) []endpointKey {
	sorted := slices.SortedFunc(slices.Values(keys), endpointKey.compare)
	return slices.CompactFunc(sorted, func(a, b endpointKey) bool { return a.compare(b) == 0 })
}

// patch returns what makes of the record with the hash base the one that is now, where only the endpoints of
// these keys, sorted and each once, may differ.
func patch(base Hash, now Record, keys []endpointKey) Patch {
	shape := *now.Export
	shape.Subsets = nil
	p := Patch{Base: base, Record: Record{&shape, now.Hash}}
	for _, k := range keys {
		if ep := now.find(k); ep != nil {
			shape.Subsets = appendTo(shape.Subsets, k.ports, *ep)
		} else {
			p.Removed = appendTo(p.Removed, k.ports, Endpoint{Address: k.address, Hostname: k.hostname})
		}
	}
	return p
}

// appendTo adds an endpoint to the last subset, or to a new one if that is of other ports.
func appendTo(list []Subset, ports []TargetPort, ep Endpoint) []Subset {
	if n := len(list); n == 0 || slices.CompareFunc(list[n-1].Ports, ports, compareTargetPorts) != 0 {
		list = append(list, Subset{Ports: ports})
	}
	last := &list[len(list)-1]
	last.Endpoints = append(last.Endpoints, ep)
	return list
}

// find returns the endpoint of that key, nil if there is none.
func (e *Export) find(k endpointKey) *Endpoint {
	i, found := findSubset(e.Subsets, k.ports)
	if !found {
		return nil
	}
	list := e.Subsets[i].Endpoints
	j, found := slices.BinarySearchFunc(list, Endpoint{Address: k.address, Hostname: k.hostname}, compareEndpoints)
	if !found {
		return nil
	}
	return &list[j]
}

func findSubset(list []Subset, ports []TargetPort) (int, bool) {
	return slices.BinarySearchFunc(list, Subset{Ports: ports}, compareSubsets)
}

// apply returns the record that the patch makes of before, which is left as it is. Both lists of the patch are
// normalized and have passed Check.
func (p *Patch) apply(before *Export) (*Export, error) {
	after := *p.Export
	after.Subsets = nil
	for i := range before.Subsets {
		s := &before.Subsets[i]
		kept := without(without(s.Endpoints, p.Removed, s.Ports), p.Subsets, s.Ports)
		after.Subsets = append(after.Subsets, Subset{Ports: s.Ports, Endpoints: kept})
	}
	stays := len(after.Subsets)
	for _, s := range p.Subsets {
		if i, found := findSubset(after.Subsets[:stays], s.Ports); found {
			after.Subsets[i].Endpoints = merged(after.Subsets[i].Endpoints, s.Endpoints)
		} else {
			after.Subsets = append(after.Subsets, s)
		}
	}
	slices.SortFunc(after.Subsets, compareSubsets)
	after.Subsets = slices.DeleteFunc(after.Subsets, func(s Subset) bool { return len(s.Endpoints) == 0 })
	if n := after.EndpointCount(); n > MaxEndpoints {
		return nil, fmt.Errorf("%d endpoints: want at most %d", n, MaxEndpoints)
	}
	if n := len(after.Subsets); n > MaxSubsets {
		return nil, fmt.Errorf("%d subsets: want at most %d", n, MaxSubsets)
	}
	if before.sameShape(&after) {
		return &after, nil
	}
	return &after, after.Check() // what stayed must still fit what is new
}

// without returns the endpoints that are not in the subset of that list with these ports; the same slice if all
// stay.
func without(endpoints []Endpoint, list []Subset, ports []TargetPort) []Endpoint {
	i, found := findSubset(list, ports)
	if !found {
		return endpoints
	}
	goes := list[i].Endpoints
	kept := make([]Endpoint, 0, len(endpoints))
	for _, ep := range endpoints {
		if _, found := slices.BinarySearchFunc(goes, ep, compareEndpoints); !found {
			kept = append(kept, ep)
		}
	}
	return kept
}

// merged returns two sorted lists, that have no endpoint in common, as one.
func merged(a, b []Endpoint) []Endpoint {
	out := make([]Endpoint, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if compareEndpoints(a[0], b[0]) < 0 {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// EndpointCount returns how many endpoints all subsets have.
func (e *Export) EndpointCount() (n int) {
	for i := range e.Subsets {
		n += len(e.Subsets[i].Endpoints)
	}
	return n
}
