package kube

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// TestPlanComesToRest: from whatever was, whatever is said and whatever somebody changed or deleted by hand,
// at most three rounds lead to objects of which Plan wants nothing more; no write is for nothing; and the
// objects then say what was exported, and nothing that a hand added.
func TestPlanComesToRest(t *testing.T) {
	for seed := range uint64(15) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			w := newWorld(t)
			w.server.families = pick(r, []corev1.IPFamily{"IPv4", "IPv6"}, []corev1.IPFamily{"IPv6", "IPv4"})
			for range 6 {
				switch r.IntN(3) {
				case 0, 1:
					w.exports = randomExports(r)
				case 2:
					w.vandalize(r)
				}
				w.settle()
				w.compare()
				if t.Failed() {
					return
				}
			}
		})
	}
}

// vandalize deletes one object, or changes what we say in it.
func (w *world) vandalize(r *rand.Rand) {
	w.t.Helper()
	ids := slices.Sorted(maps.Keys(w.server.objects))
	if len(ids) == 0 {
		return
	}
	id := ids[r.IntN(len(ids))]
	kind, name, _ := strings.Cut(id, " ")
	if r.IntN(3) == 0 {
		delete(w.server.objects, id)
		return
	}
	edits := map[string][]string{
		"Service": {"spec: {sessionAffinity: ClientIP}", "spec: {internalTrafficPolicy: Local}", "spec: {selector: {app: web}}", "spec: {externalIPs: [192.0.2.1], trafficDistribution: PreferClose}",
			"spec: {ports: [{name: more, port: 9, protocol: TCP}]}", "metadata: {annotations: {hansa.dev/resting-since: '2026-02-28T23:59:00Z'}}", "metadata: {labels: {multicluster.kubernetes.io/service-name: other}}",
			"metadata: {labels: {endpointslice.kubernetes.io/skip-mirror: 'false'}}", "spec: {type: LoadBalancer, externalIPs: [192.0.2.1]}"},
		"ServiceImport": {"spec: {sessionAffinity: ClientIP}", "spec: {ports: []}", "spec: {type: Headless}", "spec: {ips: [10.1.2.3], trafficDistribution: PreferClose, internalTrafficPolicy: Local}",
			"status: {clusters: [{cluster: own}]}", "metadata: {labels: {hansa.dev/managed-by: me}, annotations: {hansa.dev/adopt: 'true'}}", "status: {endpointSliceObjects: Absent}", "status: null"},
		"EndpointSlice": {"endpoints: [{addresses: [%s]}]", "endpoints: null", "ports: [{name: x, port: 1, protocol: TCP}]", "metadata: {annotations: {hansa.dev/export: gone}}"},
	}
	edit := pick(r, edits[kind]...)
	if strings.Contains(edit, "%s") {
		slice := held[discoveryv1.EndpointSlice](w.server, id)
		edit = fmt.Sprintf(edit, map[discoveryv1.AddressType]string{"IPv4": "10.66.0.1", "IPv6": `"fd66::1"`}[slice.AddressType])
	}
	meta := fmt.Sprintf("apiVersion: %s\nkind: %s\n", w.server.objects[id].GetAPIVersion(), kind)
	if inner, ok := strings.CutPrefix(edit, "metadata: {"); ok {
		w.server.edit(meta + "metadata: {name: " + name + ", " + inner)
		return
	}
	w.server.edit(meta + "metadata: {name: " + name + "}\n" + edit)
}

// compare proves that the objects say of web what was exported: every endpoint of every cluster, at the
// ports that its cluster exposes, and nothing else (I6, S4, S7).
func (w *world) compare() {
	w.t.Helper()
	now := w.server.current()
	w.compareDerived(now.Derived)
	if len(w.exports) == 0 {
		resting := now.Derived != nil && now.Derived.Annotations[restAnnotation] != ""
		if left := len(w.server.objects); left > 1 || left == 1 && !resting {
			w.t.Errorf("nothing is exported, there are %v", slices.Collect(maps.Keys(w.server.objects)))
		}
		return
	}
	want := map[string]int{}
	service := importer.Merge(w.exports)
	standings := stand(service, w.self)
	for n, e := range w.exports {
		for i := range e.Subsets {
			for _, ep := range e.Subsets[i].Endpoints {
				if of := standings[n]; of.lesser { // of which only that it is ready can be told
					ep.Conditions = recallConditions(endpoint(of.write(ep), false).Conditions, true)
				}
				want[fmt.Sprint(e.Cluster, ep.Address, ep.Hostname, ep.Zone, ep.Conditions, served(service, e, &e.Subsets[i]))]++
			}
		}
	}
	got := map[string]int{}
	for _, s := range now.Slices {
		var m memory
		if err := json.Unmarshal([]byte(s.Annotations[exportAnnotation]), &m); err != nil {
			w.t.Fatal(err)
		}
		for _, ep := range recallEndpoints(s, &m) {
			got[fmt.Sprint(sourceOf(s), ep.Address, ep.Hostname, ep.Zone, ep.Conditions, listed(s))]++
		}
	}
	for _, lost := range []map[string]int{got, want} {
		for k := range lost {
			if got[k] != want[k] {
				w.t.Errorf("endpoint %s: %d times in the slices, want %d", k, got[k], want[k])
			}
		}
	}
	w.compareImport(service, now.Import)
}

// compareDerived proves that a derived Service, in use or not, bears our marks and sends nobody elsewhere.
func (w *world) compareDerived(derived *corev1.Service) {
	w.t.Helper()
	if derived == nil {
		return
	}
	spec := derived.Spec
	if !sameLabels(derivedLabels(web), derived.Labels) || spec.Selector != nil || spec.ExternalIPs != nil || spec.Type != corev1.ServiceTypeClusterIP || len(spec.ClusterIPs) == 0 {
		w.t.Errorf("derived Service with labels %v and %+v", derived.Labels, spec)
	}
}

func (w *world) compareImport(service *importer.Service, si *mcsv1beta1.ServiceImport) {
	w.t.Helper()
	if string(si.Spec.Type) != string(service.Type) || len(si.Spec.Ports) != len(service.Ports) {
		w.t.Errorf("ServiceImport %+v of %+v", si.Spec, service)
	}
	if (service.Type == federation.ClusterSetIP) != (len(si.Spec.IPs) > 0) {
		w.t.Errorf("a %s service with addresses %v", service.Type, si.Spec.IPs)
	}
	for i, ip := range si.Spec.IPs {
		if familyOfIP(ip) != si.Spec.IPFamilies[i] {
			w.t.Errorf("I8: addresses %v of families %v", si.Spec.IPs, si.Spec.IPFamilies)
		}
	}
	for i, c := range si.Status.Clusters {
		if len(si.Status.Clusters) != len(w.exports) || c.Cluster != string(w.exports[i].Cluster) {
			w.t.Errorf("I6: clusters %v", si.Status.Clusters)
		}
	}
	if si.Status.EndpointSliceObjects != mcsv1beta1.EndpointSliceObjectsPresent {
		w.t.Errorf("S2: endpointSliceObjects is %q", si.Status.EndpointSliceObjects)
	}
}

// served and listed write down ports by name and number.
func served(service *importer.Service, e *federation.Export, subset *federation.Subset) (out []string) {
	for _, p := range service.Ports {
		if number, ok := importer.TargetPort(e, subset, p); ok {
			out = append(out, fmt.Sprint(p.Name, "=", number, p.Protocol))
		}
	}
	return out
}

func listed(s *discoveryv1.EndpointSlice) (out []string) {
	for _, p := range s.Ports {
		out = append(out, fmt.Sprint(*p.Name, "=", *p.Port, *p.Protocol))
	}
	return out
}
