package kube

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/hansa-mcs/hansa/federation"
)

// endpoints returns those from 10.1.0.0 + from up to before to.
func endpoints(from, to int) []federation.Endpoint {
	var list []federation.Endpoint
	for i := from; i < to; i++ {
		list = append(list, federation.Endpoint{
			Address:    netip.AddrFrom4([4]byte{10, 1, byte(i / 250), byte(i % 250)}),
			Conditions: federation.Ready | federation.Serving,
		})
	}
	return list
}

// having makes the one cluster of a world export web with these endpoints.
func (w *world) having(list []federation.Endpoint) {
	e := saying{Cluster: "a", Ports: []string{"http 80/TCP"}}.export(w.t)
	e.Subsets = []federation.Subset{{Ports: []federation.TargetPort{{Name: "http", Protocol: "TCP", Number: 8080}}, Endpoints: list}}
	e.Normalize()
	w.exports = []*federation.Export{e}
}

// packed returns how many endpoints each slice has.
func (w *world) packed() []int {
	var counts []int
	for _, s := range w.server.current().Slices {
		counts = append(counts, len(s.Endpoints))
	}
	return counts
}

// writes returns the changes as verb and name of the slice.
func writes(changes []Change) []string {
	var out []string
	for _, c := range changes {
		out = append(out, fmt.Sprint(c.Verb, " ", c.Object.GetName()))
	}
	return out
}

func sliceOf(n int) string { return sliceName(web, "a", discoveryv1.AddressTypeIPv4, n) }

func (w *world) want(counts []int, changes ...string) {
	w.t.Helper()
	if got := writes(w.round()); !slices.Equal(got, changes) {
		w.t.Fatalf("written is %v, want %v", got, changes)
	}
	if got := w.packed(); !slices.Equal(got, counts) {
		w.t.Fatalf("the slices have %v endpoints, want %v", got, counts)
	}
}

// packedWorld has 250 endpoints in three slices.
func packedWorld(t *testing.T) *world {
	w := newWorld(t)
	w.having(endpoints(0, 250))
	w.settle()
	if got := w.packed(); !slices.Equal(got, []int{100, 100, 50}) {
		t.Fatalf("250 endpoints are packed as %v", got)
	}
	return w
}

func TestAnEndpointThatGoesTouchesItsSliceOnly(t *testing.T) {
	w := packedWorld(t)
	w.having(slices.Delete(endpoints(0, 250), 120, 121))
	w.want([]int{100, 99, 50}, "apply "+sliceOf(1))
}

func TestAnEndpointThatComesFillsAGap(t *testing.T) {
	w := packedWorld(t)
	w.having(slices.Delete(endpoints(0, 250), 120, 122))
	w.settle()
	w.having(append(slices.Delete(endpoints(0, 250), 120, 122), endpoints(300, 301)...))
	w.want([]int{100, 99, 50}, "apply "+sliceOf(1))
}

func TestAConditionThatChangesTouchesItsSliceOnly(t *testing.T) {
	w := packedWorld(t)
	list := endpoints(0, 250)
	list[249].Conditions = federation.Terminating
	w.having(list)
	w.want([]int{100, 100, 50}, "apply "+sliceOf(2))
}

func TestASliceThatIsLeftEmptyGoes(t *testing.T) {
	w := packedWorld(t)
	w.having(slices.Delete(endpoints(0, 250), 100, 200))
	w.want([]int{100, 50}, "delete "+sliceOf(1))
}

func TestANameThatIsFreeAgainIsUsedAgain(t *testing.T) {
	w := packedWorld(t)
	w.having(slices.Delete(endpoints(0, 250), 100, 200))
	w.settle()
	w.having(slices.Delete(endpoints(0, 310), 100, 200))
	w.want([]int{100, 10, 100}, "apply "+sliceOf(2), "apply "+sliceOf(1))
}

func TestTheLastEndpointLeavesAnEmptySlice(t *testing.T) {
	w := packedWorld(t)
	w.having(nil)
	w.want([]int{0}, "apply "+sliceOf(0), "delete "+sliceOf(1), "delete "+sliceOf(2))
}

func TestADamagedMemoryIsRepairedInPlace(t *testing.T) {
	w := packedWorld(t)
	w.server.edit("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " + sliceOf(1) + ", annotations: {hansa.dev/export: gone}}")
	w.want([]int{100, 100, 50}, "apply "+sliceOf(1))
}
