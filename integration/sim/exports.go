package sim

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

func (w *world) anyName() federation.ServiceName {
	n := w.r.IntN(w.scene.Names)
	return federation.ServiceName{Namespace: []string{"shop", "bank"}[n%2], Name: fmt.Sprintf("s-%d", n)}
}

// anyExport returns a normalized export, of which no other has the like: so one that turns up somewhere tells who
// wrote it. Exports of one name disagree with one another as often as they agree.
func (w *world) anyExport(cluster federation.ClusterID, name federation.ServiceName) *federation.Export {
	r := w.r
	e := &federation.Export{
		Cluster: cluster, Name: name,
		Created:               epoch.Add(time.Duration(r.IntN(5)) * time.Second),
		Type:                  pick(r, federation.ClusterSetIP, federation.ClusterSetIP, federation.Headless),
		IPFamilies:            []federation.IPFamily{federation.IPv4},
		SessionAffinity:       pick(r, "None", "None", "ClientIP"),
		InternalTrafficPolicy: pick(r, "", "", "Local"),
		Labels:                w.mark(),
		Consumers:             w.anyConsumers(),
		Quiet:                 w.anyQuiet(),
		Steering:              w.anySteering(),
	}
	var targets []federation.TargetPort
	for i := range 1 + r.IntN(3) {
		p := federation.Port{Name: fmt.Sprintf("p-%d", i), Protocol: federation.TCP, Number: uint16(80 + i + r.IntN(2))}
		e.Ports = append(e.Ports, p)
		targets = append(targets, federation.TargetPort{Name: p.Name, Protocol: p.Protocol, Number: 8000 + p.Number})
	}
	subset := federation.Subset{Ports: targets}
	for range r.IntN(pick(r, 2, 5, 5, 40)) {
		subset.Endpoints = append(subset.Endpoints, w.anyEndpoint())
	}
	e.Subsets = []federation.Subset{subset}
	e.Normalize()
	return e
}

// anyConsumers returns IDs and globs, none for everybody.
func (w *world) anyConsumers() (list []string) {
	if !w.chance(w.scene.Private) {
		return nil
	}
	for range 1 + w.r.IntN(3) {
		n := w.r.IntN(w.scene.Members)
		list = append(list, pick(w.r, fmt.Sprintf("c-%03d", n), fmt.Sprintf("c-%03d", n), fmt.Sprintf("*%d", n%10), fmt.Sprintf("c-%d*", n/100), "nobody"))
	}
	return list
}

func (w *world) mark() map[string]string {
	w.exports++
	return map[string]string{"n": fmt.Sprint(w.exports)}
}

func (w *world) anyEndpoint() federation.Endpoint {
	return federation.Endpoint{
		Address:    netip.AddrFrom4([4]byte{10, byte(w.r.IntN(4)), byte(w.r.IntN(256)), byte(w.r.IntN(256))}),
		Zone:       pick(w.r, "", "z1", "z2"),
		Conditions: federation.Conditions(w.r.IntN(8)),
	}
}

// edit returns a copy of e with a few endpoints gone, come or changed, as patches are made of.
func (w *world) edit(e *federation.Export) *federation.Export {
	c := *e
	c.Subsets = nil
	for _, s := range e.Subsets {
		c.Subsets = append(c.Subsets, federation.Subset{Ports: s.Ports, Endpoints: slices.Clone(s.Endpoints)})
	}
	for i := range c.Subsets {
		list := &c.Subsets[i].Endpoints
		switch n := w.r.IntN(len(*list) + 1); {
		case n == len(*list):
			*list = append(*list, w.anyEndpoint())
		case w.chance(30):
			*list = slices.Delete(*list, n, n+1)
		default:
			(*list)[n].Conditions ^= federation.Ready
		}
	}
	if len(c.Subsets) == 0 {
		c.Labels = w.mark()
	}
	if w.chance(15) {
		c.Consumers = w.anyConsumers() // others lose sight of it, or come to see it
	}
	c.Normalize()
	return &c
}
