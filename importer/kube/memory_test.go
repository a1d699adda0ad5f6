package kube

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// TestRecallReturnsWhatWasExported: through slices that Plan lays and an API server keeps, every Export comes
// back Equal.
func TestRecallReturnsWhatWasExported(t *testing.T) {
	for seed := range uint64(15) {
		r := rand.New(rand.NewPCG(seed, 4))
		w := newWorld(t)
		w.server.families = append(w.server.families, "IPv6")
		w.exports = randomExports(r)
		for _, e := range w.exports {
			if seed%2 == 0 {
				toldConditions(r, e)
			} else { // else some are written as if they terminated
				e.Steering = federation.Steering{}
			}
		}
		w.settle()
		list := w.server.current().Slices
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		got, bad := Recall(list)
		if len(bad) > 0 || len(got) != len(w.exports) {
			t.Fatalf("seed %d: %d clusters of %d, errors %v", seed, len(got), len(w.exports), bad)
		}
		for _, e := range w.exports {
			if len(got[e.Cluster]) != 1 || !e.Equal(got[e.Cluster][0]) {
				t.Fatalf("seed %d: got %+v, want %+v", seed, got[e.Cluster], e)
			}
		}
	}
}

// TestRegionsAreRecalledByZone: where endpoints of one zone are said to be in several regions, or in one and in none, none
// of them is; and what was recalled is remembered as it was, so that a restart writes nothing.
func TestRegionsAreRecalledByZone(t *testing.T) {
	for zones, want := range map[string]string{
		"z1/r1 z1/r1 z2/r2 /r3": "z1/r1 z1/r1 z2/r2 /r3",
		"z1/ z2/r1":             "z1/ z2/r1",
		"z1/r1 z1/r2 z2/r2":     "z1/ z1/ z2/r2",
		"z1/r1 z1/ z2/r1":       "z1/ z1/ z2/r1",
		"z1/ z1/r1 z1/r1":       "z1/ z1/ z1/",
	} {
		e := exampleExport(t)
		e.Subsets = e.Subsets[:1]
		e.Subsets[0].Endpoints = nil
		for i, place := range strings.Fields(zones) {
			zone, region, _ := strings.Cut(place, "/")
			address := netip.AddrFrom4([4]byte{10, 1, 0, byte(i + 1)})
			e.Subsets[0].Endpoints = append(e.Subsets[0].Endpoints, federation.Endpoint{Address: address, Zone: zone, Region: region, Conditions: federation.Ready})
		}
		held := slicesOf(t, e)
		got, bad := Recall(held)
		if bad != nil {
			t.Fatal(bad)
		}
		var places []string
		for _, ep := range got["a"][0].Subsets[0].Endpoints {
			places = append(places, ep.Zone+"/"+ep.Region)
		}
		if text := strings.Join(places, " "); text != want {
			t.Errorf("%s: recalled %s, want %s", zones, text, want)
		}
		if again := slicesOf(t, got["a"][0]); again[0].Annotations[exportAnnotation] != held[0].Annotations[exportAnnotation] {
			t.Errorf("%s: remembered as %s, and then as %s", zones, held[0].Annotations[exportAnnotation], again[0].Annotations[exportAnnotation])
		}
	}
}

// TestRegionsOfManyZonesAreBounded: whatever zones an EndpointSlice names, an API server takes the annotation.
func TestRegionsOfManyZonesAreBounded(t *testing.T) {
	e := exampleExport(t)
	e.Subsets = e.Subsets[:1]
	e.Subsets[0].Endpoints = nil
	for n := range 5000 {
		address := netip.AddrFrom4([4]byte{10, 1, byte(n / 250), byte(n % 250)})
		e.Subsets[0].Endpoints = append(e.Subsets[0].Endpoints, federation.Endpoint{Address: address, Zone: fmt.Sprintf("z%04d", n), Region: "r", Conditions: federation.Ready})
	}
	held := slicesOf(t, e)
	if n := len(held[0].Annotations[exportAnnotation]); n > 8<<10 {
		t.Errorf("%d bytes of annotation", n)
	}
	got, bad := Recall(held)
	endpoints := got["a"][0].Subsets[0].Endpoints
	if bad != nil || endpoints[0].Region != "r" || endpoints[4999].Region != "" {
		t.Errorf("recalled %v to %v, errors %v", endpoints[0], endpoints[4999], bad)
	}
	if again := slicesOf(t, got["a"][0]); again[0].Annotations[exportAnnotation] != held[0].Annotations[exportAnnotation] {
		t.Error("what was recalled is remembered otherwise")
	}
}

// exampleExport has two subsets, so that it is two slices.
func exampleExport(t testing.TB) *federation.Export {
	t.Helper()
	return parseExports(t, []byte(`
- cluster: a
  ports: [http 80/TCP]
  subsets:
  - ports: [http 8080/TCP]
    endpoints: [10.1.0.1 zone=z1 host=web-0, 10.1.0.2 -ready terminating]
  - ports: [http 9090/TCP]
    endpoints: [10.1.0.3]
`))[0]
}

func slicesOf(t testing.TB, exports ...*federation.Export) []*discoveryv1.EndpointSlice {
	t.Helper()
	var list []*discoveryv1.EndpointSlice
	for _, c := range planSlices(importer.Merge(exports), nil, Scene{Synced: func(federation.ClusterID) bool { return true }}) {
		slice, ok := c.Object.(*discoveryv1.EndpointSlice)
		if !ok {
			t.Fatalf("planned is a %T", c.Object)
		}
		list = append(list, slice)
	}
	return list
}

// TestADamagedSliceIsLeftOutAndReported: what it held is unknown until its cluster is heard; the other slices
// are as good as before.
func TestADamagedSliceIsLeftOutAndReported(t *testing.T) {
	for name, damage := range map[string]func(*discoveryv1.EndpointSlice){
		"no annotation": func(s *discoveryv1.EndpointSlice) { delete(s.Annotations, exportAnnotation) },
		"not JSON":      func(s *discoveryv1.EndpointSlice) { s.Annotations[exportAnnotation] = "{" },
		"null":          func(s *discoveryv1.EndpointSlice) { s.Annotations[exportAnnotation] = "null" },
		"cut short": func(s *discoveryv1.EndpointSlice) {
			s.Annotations[exportAnnotation] = s.Annotations[exportAnnotation][:99]
		},
		"no service name":  func(s *discoveryv1.EndpointSlice) { s.Labels[mcsv1beta1.LabelServiceName] = "A_B" },
		"loopback":         func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Addresses = []string{"127.0.0.1"} },
		"host name":        func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Hostname = new("a b") },
		"type":             replace(`"ClusterSetIP"`, `"Wild"`),
		"port zero":        replace(`"port":80}`, `"port":0}`),
		"port too great":   replace(`"port":80}`, `"port":70000}`),
		"protocol":         replace(`"TCP","port":80}`, `"ICMP","port":80}`),
		"affinity":         replace(`"None"`, `"Some"`),
		"family":           replace(`"IPv4"`, `"IPv5"`),
		"year too great":   replace("2026-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00"),
		"too many ports":   replace(`[{"name":"http"`, `[`+strings.Repeat(`{"name":"x","protocol":"TCP","port":1},`, 101)+`{"name":"http"`),
		"labels too large": replace(`"sessionAffinity"`, `"labels":{"a":"`+strings.Repeat("x", federation.MaxPairBytes)+`"},"sessionAffinity"`),
	} {
		t.Run(name, func(t *testing.T) {
			list := slicesOf(t, exampleExport(t))
			damage(list[0])
			got, bad := Recall(list)
			want := exampleExport(t)
			want.Subsets = want.Subsets[1:]
			if len(bad) != 1 || !strings.Contains(bad[0].Error(), "EndpointSlice shop/"+list[0].Name) {
				t.Errorf("reported is %v", bad)
			}
			if len(got) != 1 || len(got["a"]) != 1 || !want.Equal(got["a"][0]) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func replace(old, with string) func(*discoveryv1.EndpointSlice) {
	return func(s *discoveryv1.EndpointSlice) {
		before := s.Annotations[exportAnnotation]
		if s.Annotations[exportAnnotation] = strings.Replace(before, old, with, 1); s.Annotations[exportAnnotation] == before {
			panic("nothing was damaged")
		}
	}
}

func TestASliceOfSomebodyElseIsNotRecalled(t *testing.T) {
	list := slicesOf(t, exampleExport(t))
	list[0].Labels[discoveryv1.LabelManagedBy] = "somebody"
	delete(list[1].Labels, mcsv1beta1.LabelServiceName) // ours, but nobody can tell of which service
	if got, bad := Recall(list); len(got) > 0 || len(bad) != 1 {
		t.Fatalf("got %v, errors %v", got, bad)
	}
}

// TestTheAnnotationKeepsItsMeaning: an agent of tomorrow reads what one of today wrote.
func TestTheAnnotationKeepsItsMeaning(t *testing.T) {
	const text = `{"created":"2026-01-01T00:00:00Z","type":"Headless",` +
		`"ports":[{"name":"http","protocol":"TCP","appProtocol":"h2c","port":80}],"ipFamilies":["IPv6","IPv4"],` +
		`"sessionAffinity":"ClientIP","sessionAffinitySeconds":600,"internalTrafficPolicy":"Local",` +
		`"trafficDistribution":"PreferClose","labels":{"a":"b"},"annotations":{"c":"d"},"network":"n1",` +
		`"targetPorts":[{"name":"http","protocol":"TCP","port":8080}]}`
	e := &federation.Export{
		Cluster: "a", Name: web, Created: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Type: federation.Headless,
		Ports:           []federation.Port{{Name: "http", Protocol: "TCP", AppProtocol: "h2c", Number: 80}},
		IPFamilies:      []federation.IPFamily{"IPv6", "IPv4"},
		SessionAffinity: "ClientIP", SessionAffinitySeconds: 600, InternalTrafficPolicy: "Local", TrafficDistribution: "PreferClose",
		Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"c": "d"}, Network: "n1",
		Subsets: []federation.Subset{{Ports: []federation.TargetPort{{Name: "http", Protocol: "TCP", Number: 8080}}, Endpoints: endpoints(1, 2)}},
	}
	list := slicesOf(t, e)
	if got := list[0].Annotations[exportAnnotation]; got != text {
		t.Errorf("written is %s\nwant %s", got, text)
	}
	list[0].Annotations[exportAnnotation] = strings.Replace(text, "{", `{"tomorrow":[1],`, 1)
	if got, bad := Recall(list); bad != nil || !e.Equal(got["a"][0]) {
		t.Errorf("got %+v, errors %v", got, bad)
	}
}

// FuzzRecall: whatever is on the API server, Recall does not panic, and what it returns passes Check, is
// normalized, and can be planned and recalled again.
func FuzzRecall(f *testing.F) {
	for seed := range uint64(5) {
		e := randomExport(rand.New(rand.NewPCG(seed, 5)), "a")
		for _, s := range slicesOf(f, e)[:1] {
			s.Endpoints = s.Endpoints[:min(2, len(s.Endpoints))]
			text, err := json.Marshal(s.Endpoints)
			if err != nil {
				f.Fatal(err)
			}
			f.Add("a", "web", s.Annotations[exportAnnotation], text)
		}
	}
	f.Fuzz(func(t *testing.T, cluster, service, annotation string, endpointsJSON []byte) {
		s := &discoveryv1.EndpointSlice{ObjectMeta: sliceMeta(web, federation.ClusterID(cluster), "x", group{memory: annotation})}
		s.Labels[mcsv1beta1.LabelServiceName] = service
		if json.Unmarshal(endpointsJSON, &s.Endpoints) != nil {
			return
		}
		got, _ := Recall([]*discoveryv1.EndpointSlice{s, s.DeepCopy()})
		for _, e := range slices.Concat(slices.Collect(maps.Values(got))...) {
			if err := e.Check(); err != nil {
				t.Fatalf("recalled is what Check refuses: %v", err)
			}
			again, bad := Recall(slicesOf(t, e))
			if len(bad) > 0 || len(again[e.Cluster]) != 1 || !e.Equal(again[e.Cluster][0]) {
				t.Fatalf("recalled %+v, then %s, errors %v", e, fmt.Sprint(again), bad)
			}
		}
	})
}

// TestAnEditedSourceIsNotBelieved: a slice's name tells whose endpoints it holds; its labels can be edited.
func TestAnEditedSourceIsNotBelieved(t *testing.T) {
	list := slicesOf(t, exampleExport(t))
	list[0].Labels[mcsv1beta1.LabelSourceCluster] = "b"
	got, bad := Recall(list)
	if len(bad) != 0 || len(got) != 1 || len(got["a"]) != 1 || !exampleExport(t).Equal(got["a"][0]) {
		t.Errorf("got %+v, reported is %v", got, bad)
	}
}

// What became of a silent cluster's endpoints is read back from the slices as they were written.
func TestFatesAreRecalled(t *testing.T) {
	e := parseExports(t, []byte("\n- cluster: a\n  ports: [http 80/TCP]\n  subsets:\n  - ports: [http 8080/TCP]\n    endpoints: [10.1.0.1]\n"))[0]
	other := parseExports(t, []byte("\n- cluster: b\n  ports: [http 80/TCP]\n  subsets:\n  - ports: [http 8080/TCP]\n    endpoints: [10.2.0.1]\n"))[0]
	for fate := federation.Served; fate <= federation.Withdrawn; fate++ {
		s := importer.Merge([]*federation.Export{e, other})
		s.Fates = []federation.Fate{fate, federation.Served}
		var held []*discoveryv1.EndpointSlice
		for _, c := range planSlices(s, nil, Scene{Synced: func(federation.ClusterID) bool { return true }}) {
			held = append(held, c.Object.(*discoveryv1.EndpointSlice))
		}
		exports, bad := Recall(held)
		got := map[federation.ClusterID]federation.Fate{}
		for _, r := range fated(exports, held) {
			got[r.Export.Cluster] = r.Fate
		}
		if len(bad) > 0 || len(got) != 2 || got["a"] != fate || got["b"] != federation.Served {
			t.Errorf("%s: recalled %v, %v", fate, got, bad)
		}
	}
}
