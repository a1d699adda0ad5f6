package kube

import (
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/hansa-mcs/hansa/federation"
)

// packing lays groups of endpoints of one cluster into slices and collects the writes.
type packing struct {
	name    federation.ServiceName
	cluster federation.ClusterID
	decided bool            // its complete set came, or it was awaited for too long; until then nothing that a slice holds may go
	taken   map[string]bool // slice names in use
	changes []Change
}

// lay puts the group into the slices that it has, into new ones what does not fit, and removes slices
// that end up empty, but for one when the group has no endpoint.
func (p *packing) lay(g group, now []*discoveryv1.EndpointSlice) {
	bins, homeless := settle(g.endpoints, now)
	for i := range bins {
		room := min(maxEndpoints-len(bins[i]), len(homeless))
		bins[i], homeless = append(bins[i], homeless[:room]...), homeless[room:]
	}
	for chunk := range slices.Chunk(homeless, maxEndpoints) {
		bins = append(bins, chunk)
	}
	if len(bins) == 0 {
		bins = append(bins, nil)
	}
	filled := len(g.endpoints) > 0
	for i, bin := range bins {
		switch {
		case i >= len(now):
			p.write(g, p.freeName(g.family), bin, nil)
		case len(bin) > 0 || !filled && i == 0:
			p.write(g, now[i].Name, bin, now[i])
		default:
			p.remove(now[i])
		}
	}
}

// settle leaves every endpoint in the slice that lists its address and host name, and returns those
// that none lists.
func settle(endpoints []discoveryv1.Endpoint, now []*discoveryv1.EndpointSlice) (bins [][]discoveryv1.Endpoint, homeless []discoveryv1.Endpoint) {
	bins = make([][]discoveryv1.Endpoint, len(now))
	home := map[[2]string]int{}
	for i, s := range now {
		for _, ep := range s.Endpoints {
			home[identity(ep)] = i
		}
	}
	for _, ep := range endpoints {
		if i, ok := home[identity(ep)]; ok && len(bins[i]) < maxEndpoints {
			bins[i] = append(bins[i], ep)
		} else {
			homeless = append(homeless, ep)
		}
	}
	return bins, homeless
}

func identity(ep discoveryv1.Endpoint) [2]string {
	var id [2]string
	if len(ep.Addresses) > 0 {
		id[0] = ep.Addresses[0]
	}
	if ep.Hostname != nil {
		id[1] = *ep.Hostname
	}
	return id
}

func (p *packing) write(g group, name string, endpoints []discoveryv1.Endpoint, now *discoveryv1.EndpointSlice) {
	slices.SortFunc(endpoints, compareEndpoints)
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  sliceMeta(p.name, p.cluster, name, g),
		AddressType: g.family,
		Ports:       g.ports,
		Endpoints:   endpoints,
	}
	if now != nil && (sameSlice(s, now) || !p.decided && loses(now, s)) {
		return
	}
	p.changes = append(p.changes, Change{Verb: Apply, Object: s, First: now == nil})
}

func (p *packing) remove(now *discoveryv1.EndpointSlice) {
	if p.decided {
		p.changes = append(p.changes, deletion(now)...)
	}
}

// loses reports whether now has an endpoint that want lacks.
func loses(now, want *discoveryv1.EndpointSlice) bool {
	return slices.ContainsFunc(now.Endpoints, func(ep discoveryv1.Endpoint) bool {
		return !slices.ContainsFunc(want.Endpoints, func(o discoveryv1.Endpoint) bool { return identity(o) == identity(ep) })
	})
}

func sameSlice(want, now *discoveryv1.EndpointSlice) bool {
	return sameLabels(want.Labels, now.Labels) && sameLabels(want.Annotations, now.Annotations) &&
		samePorts(want.Ports, now.Ports) && equality.Semantic.DeepEqual(want.Endpoints, now.Endpoints)
}

func (p *packing) freeName(family discoveryv1.AddressType) string {
	for n := 0; ; n++ {
		name := sliceName(p.name, p.cluster, family, n)
		if !p.taken[name] {
			p.taken[name] = true
			return name
		}
	}
}
