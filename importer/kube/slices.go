package kube

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// maxEndpoints is how many endpoints a slice holds, as many as Kubernetes' own controller puts in one.
const maxEndpoints = 100

// group is what may share slices: endpoints of one cluster and address type that serve the same ports
// (S4).
type group struct {
	family    discoveryv1.AddressType
	ports     []discoveryv1.EndpointPort
	memory    string // the annotation that remembers the Export
	endpoints []discoveryv1.Endpoint
}

// planSlices keeps the slices of every exporting cluster, and removes those of clusters that no longer
// export. A cluster that was not heard yet loses nothing. A slice that terminates is nobody's home, but has its name.
func planSlices(want *importer.Service, now []*discoveryv1.EndpointSlice, scene Scene) []Change {
	current := map[federation.ClusterID][]*discoveryv1.EndpointSlice{}
	taken := map[string]bool{}
	for _, s := range now {
		if taken[s.Name] = true; ours(s) && !terminates(s) {
			current[sourceOf(s)] = append(current[sourceOf(s)], s)
		}
	}
	var changes []Change
	zonal, standings := hinted(want), stand(want, scene.Self)
	for i, e := range want.Exports {
		changes = append(changes, planCluster(groups(want, i, standings[i], zonal), current[e.Cluster], packing{
			name: want.Name, cluster: e.Cluster, taken: taken,
			decided: scene.Synced(e.Cluster) || want.Fate(i) == federation.Withdrawn,
		})...)
		delete(current, e.Cluster)
	}
	for _, s := range now {
		if stray(s) {
			changes = append(changes, deletion(s)...)
		}
	}
	for _, cluster := range slices.Sorted(maps.Keys(current)) {
		if scene.Synced(cluster) {
			changes = append(changes, deletions(current[cluster])...)
		}
	}
	return changes
}

// planCluster lays the endpoints of one cluster into its slices. An endpoint stays in the slice that
// has it, so that one change is one write.
func planCluster(all []group, now []*discoveryv1.EndpointSlice, p packing) []Change {
	slices.SortFunc(now, func(a, b *discoveryv1.EndpointSlice) int { return strings.Compare(a.Name, b.Name) })
	homes, left := assign(all, now)
	for i, g := range all {
		p.lay(g, homes[i])
	}
	for _, s := range left {
		p.remove(s)
	}
	return p.changes
}

// assign returns which slices each group goes on with, and which are left. A slice stays with the group
// that it remembers: two groups may differ by nothing else, where a target port of a conflicting port is in
// no slice. Then with one of the same ports; and a group that has none yet takes all of its family.
func assign(all []group, now []*discoveryv1.EndpointSlice) (homes [][]*discoveryv1.EndpointSlice, left []*discoveryv1.EndpointSlice) {
	homes, left = make([][]*discoveryv1.EndpointSlice, len(all)), now
	take := func(i int, fits func(*discoveryv1.EndpointSlice) bool) {
		mine, others := split(left, func(s *discoveryv1.EndpointSlice) bool { return s.AddressType == all[i].family && fits(s) })
		homes[i], left = append(homes[i], mine...), others
	}
	for i, g := range all {
		take(i, func(s *discoveryv1.EndpointSlice) bool { return s.Annotations[exportAnnotation] == g.memory })
	}
	for i, g := range all {
		take(i, func(s *discoveryv1.EndpointSlice) bool { return samePorts(s.Ports, g.ports) })
	}
	for i := range all {
		if len(homes[i]) == 0 {
			take(i, func(*discoveryv1.EndpointSlice) bool { return true })
		}
	}
	return homes, left
}

// groups sorts the endpoints of want.Exports[n] into what may share slices. An export without endpoints is
// one empty group, so that it is remembered; so is one whose endpoints are withdrawn.
func groups(want *importer.Service, n int, of standing, hinted bool) []group {
	var out []group
	e := want.Exports[n]
	for i := range e.Subsets {
		if of.fate == federation.Withdrawn {
			break
		}
		subset := &e.Subsets[i]
		byFamily := map[discoveryv1.AddressType][]discoveryv1.Endpoint{}
		for _, ep := range subset.Endpoints {
			byFamily[familyOf(ep)] = append(byFamily[familyOf(ep)], endpoint(of.write(ep), hinted))
		}
		for _, family := range slices.Sorted(maps.Keys(byFamily)) {
			out = append(out, group{
				family:    family,
				ports:     slicePorts(want, e, subset),
				memory:    remember(e, subset, of),
				endpoints: byFamily[family],
			})
		}
	}
	if len(out) == 0 {
		family := discoveryv1.AddressTypeIPv4
		if len(e.IPFamilies) > 0 && e.IPFamilies[0] == federation.IPv6 {
			family = discoveryv1.AddressTypeIPv6
		}
		out = append(out, group{family: family, ports: []discoveryv1.EndpointPort{}, memory: remember(e, &federation.Subset{}, standing{fate: fateOfNone(e, of.fate)})})
	}
	return out
}

// slicePorts lists those merged ports that the cluster exposes, under their merged names.
func slicePorts(want *importer.Service, e *federation.Export, subset *federation.Subset) []discoveryv1.EndpointPort {
	ports := []discoveryv1.EndpointPort{}
	for _, p := range want.Ports {
		if number, ok := importer.TargetPort(e, subset, p); ok {
			ports = append(ports, discoveryv1.EndpointPort{
				Name:        new(p.Name),
				Protocol:    new(corev1.Protocol(p.Protocol)),
				Port:        new(int32(number)),
				AppProtocol: optional(p.AppProtocol),
			})
		}
	}
	return ports
}

func samePorts(a, b []discoveryv1.EndpointPort) bool { return equality.Semantic.DeepEqual(a, b) }

func familyOf(ep federation.Endpoint) discoveryv1.AddressType {
	if ep.Address.Is6() {
		return discoveryv1.AddressTypeIPv6
	}
	return discoveryv1.AddressTypeIPv4
}

// hinted reports whether the endpoints say by hints which zone they are for, as kube-proxy wants it where
// traffic is to stay in its zone: all ready ones, or none if one of them has no zone.
func hinted(want *importer.Service) bool {
	switch want.TrafficDistribution {
	case corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameZone:
	default:
		return false
	}
	for n, e := range want.Exports {
		for i := range e.Subsets {
			if want.Fate(n) == federation.Served && slices.ContainsFunc(e.Subsets[i].Endpoints, func(ep federation.Endpoint) bool {
				return ep.Conditions.Has(federation.Ready) && ep.Zone == ""
			}) {
				return false
			}
		}
	}
	return true
}

// endpoint writes an endpoint as slices do. Only our own cluster's endpoints have a node.
func endpoint(ep federation.Endpoint, hinted bool) discoveryv1.Endpoint {
	out := discoveryv1.Endpoint{
		Addresses: []string{ep.Address.String()},
		Conditions: discoveryv1.EndpointConditions{
			Ready:       new(ep.Conditions.Has(federation.Ready)),
			Serving:     new(ep.Conditions.Has(federation.Serving)),
			Terminating: new(ep.Conditions.Has(federation.Terminating)),
		},
		Hostname: optional(ep.Hostname),
		NodeName: optional(ep.Node),
		Zone:     optional(ep.Zone),
	}
	if hinted && ep.Conditions.Has(federation.Ready) {
		out.Hints = &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: ep.Zone}}}
	}
	return out
}

func compareEndpoints(a, b discoveryv1.Endpoint) int {
	return cmp.Or(strings.Compare(a.Addresses[0], b.Addresses[0]), strings.Compare(ptr.Deref(a.Hostname, ""), ptr.Deref(b.Hostname, "")))
}

func deletions(list []*discoveryv1.EndpointSlice) []Change {
	var changes []Change
	for _, s := range list {
		changes = append(changes, deletion(s)...)
	}
	return changes
}

// kubernetesManagers manage the slices of Services with a selector, and those that mirror Endpoints.
var kubernetesManagers = []string{"endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"}

// stray reports whether a slice was made by Kubernetes for the selector that somebody gave a derived Service.
// When we take the selector off, Kubernetes leaves the slice there, with local endpoints that nobody keeps.
func stray(s *discoveryv1.EndpointSlice) bool {
	return slices.Contains(kubernetesManagers, s.Labels[discoveryv1.LabelManagedBy]) && derivedNames.MatchString(s.Labels[discoveryv1.LabelServiceName])
}

func split(list []*discoveryv1.EndpointSlice, take func(*discoveryv1.EndpointSlice) bool) (taken, rest []*discoveryv1.EndpointSlice) {
	for _, s := range list {
		if take(s) {
			taken = append(taken, s)
		} else {
			rest = append(rest, s)
		}
	}
	return taken, rest
}

// sliceMeta is all that we say of a slice beside its content (S5, S7). It carries the derived Service's
// name, by which kube-proxy finds it, never that of a local Service (I10).
func sliceMeta(name federation.ServiceName, cluster federation.ClusterID, sliceName string, g group) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: name.Namespace,
		Name:      sliceName,
		Labels: map[string]string{
			discoveryv1.LabelManagedBy:    sliceManager,
			discoveryv1.LabelServiceName:  DerivedName(name),
			mcsv1beta1.LabelServiceName:   name.Name,
			mcsv1beta1.LabelSourceCluster: string(cluster),
		},
		Annotations: map[string]string{exportAnnotation: g.memory},
	}
}
