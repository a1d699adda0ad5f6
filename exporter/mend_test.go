package exporter

import (
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/hansa-mcs/hansa/integration/rule"
)

func webSlice(address string) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: new("http"), Protocol: new(corev1.ProtocolTCP), Port: new(int32(8080))}},
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{address}}},
	}
}

// label sets the exported labels, which API servers take whatever they are.
func (c *cluster) label(labels map[string]string) {
	c.t.Helper()
	e := c.export()
	e.Spec.ExportedLabels = labels
	c.must(c.client.Update(c.t.Context(), e))
	c.reconcile()
}

// move gives the service its one endpoint at another address, and reports whether it is announced.
func (c *cluster) move(address string) bool {
	c.t.Helper()
	var slice discoveryv1.EndpointSlice
	c.must(c.client.Get(c.t.Context(), client.ObjectKey{Namespace: "shop", Name: "web-1"}, &slice))
	slice.Endpoints[0].Addresses = []string{address}
	c.must(c.client.Update(c.t.Context(), &slice))
	c.reconcile()
	e := c.exporter.said(webName)
	return e != nil && len(e.Subsets) == 1 && len(e.Subsets[0].Endpoints) == 1 && e.Subsets[0].Endpoints[0].Address.String() == address
}

// While exported labels would be refused, endpoints come and go, the labels are the last good ones, whole, and that is
// said once. So it is after a restart, as far as they are remembered.
func TestEndpointsFollowWhileExportedLabelsAreRefused(t *testing.T) {
	rule.Covers(t, "E8", "#31")
	c := newCluster(t, webService(), webSlice("10.1.0.1"))
	good := map[string]string{"team": "red", "tier": "front"}
	c.label(good)
	c.expect("good ones", true, nil)
	for i, bad := range []map[string]string{{"team": strings.Repeat("x", 64)}, {"team": "blue", "tier": "back end"}, many(65)} {
		c.label(bad)
		writes := c.writes
		for _, address := range []string{"10.1.0.2", "10.1.0.3"} {
			if !c.move(address) || !maps.Equal(c.exporter.said(webName).Labels, good) {
				t.Errorf("bad labels %d: at %s it says %+v", i, address, c.exporter.said(webName))
			}
		}
		if c.writes != writes {
			t.Errorf("bad labels %d: %d writes of the same status", i, c.writes-writes)
		}
	}
	for len(c.recorder.Events) > 1 {
		<-c.recorder.Events
	}
	c.expect("refused", true, []string{"Valid=True/Valid@1", "Ready=False/Failed@1"},
		"Warning Failed 65 exportedLabels of 260 bytes: want at most 64 of 16384 bytes; meanwhile it is exported with the former exportedLabels, and endpoints follow")

	last := c.exporter.said(webName)
	c.start(last)
	if !c.move("10.1.0.4") || !maps.Equal(c.exporter.said(webName).Labels, good) {
		t.Errorf("after a restart it says %+v", c.exporter.said(webName))
	}
	c.start()
	if !c.move("10.1.0.5") || len(c.exporter.said(webName).Labels) > 0 {
		t.Errorf("after a restart without memory it says %+v", c.exporter.said(webName))
	}
	c.label(map[string]string{"team": "blue"})
	if got := c.exporter.said(webName).Labels; !maps.Equal(got, map[string]string{"team": "blue"}) {
		t.Errorf("repaired, the labels are %v", got)
	}
}

// many returns so many labels of four bytes.
func many(n int) map[string]string {
	labels := map[string]string{}
	for i := range n {
		labels["l"+string(rune('A'+i/10))+string(rune('0'+i%10))] = "x"
	}
	return labels
}

// A port that members would refuse costs the others nothing, and is what it was when it was good. Only where no port is
// left stands all that was said.
func TestAnOddPortCostsNoOther(t *testing.T) {
	rule.Covers(t, "#31")
	service := webService()
	service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: "admin", Protocol: corev1.ProtocolTCP, Port: 81})
	c := newCluster(t, service, webSlice("10.1.0.1"))
	c.reconcile()
	c.expect("good ports", true, nil)
	ports := func(list ...corev1.ServicePort) {
		c.must(c.client.Get(t.Context(), webKey, service))
		service.Spec.Ports = list
		c.must(c.client.Update(t.Context(), service))
		c.reconcile()
	}
	port := func(name string, number int32) corev1.ServicePort {
		return corev1.ServicePort{Name: name, Protocol: corev1.ProtocolTCP, Port: number}
	}
	says := func(step string, follows bool, address string, want ...uint16) {
		t.Helper()
		if got := c.move(address); got != follows {
			t.Errorf("%s: endpoints follow: %t", step, got)
		}
		var got []uint16
		for _, p := range c.exporter.said(webName).Ports {
			got = append(got, p.Number)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: ports %d, want %d", step, got, want)
		}
	}
	ports(port("http", 8080), port("admin", 70000), port("more", -1))
	says("one as before, one new and odd", true, "10.1.0.2", 8080, 81)
	c.expect("told", true, nil, `Warning Failed port "admin": want a number from 1 to 65535; meanwhile it is exported with the other ports, and endpoints follow`)
	ports(port("other", 0), port("another", 70000))
	says("none is good, nor was", false, "10.1.0.3", 8080, 81)
	c.expect("told", true, []string{"Valid=True/Valid@1", "Ready=False/Failed@1"}, `Warning Failed port "other": want a number from 1 to 65535; what was exported before stands`)
}
