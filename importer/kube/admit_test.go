package kube

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// admitService defaults and allocates as Kubernetes does, and fails the test for what Kubernetes refuses:
// no port, two ports of one name or of one protocol and number, a family that the cluster lacks, another
// first family.
func (s *server) admitService(next, before *corev1.Service) {
	s.t.Helper()
	spec := &next.Spec
	if len(spec.Ports) == 0 {
		s.t.Errorf("Service %s without ports", next.Name)
	}
	for i, p := range spec.Ports {
		if len(spec.Ports) > 1 && p.Name == "" || slices.ContainsFunc(spec.Ports[:i], func(o corev1.ServicePort) bool {
			return o.Name == p.Name || o.Protocol == p.Protocol && o.Port == p.Port
		}) {
			s.t.Errorf("Service %s: port %+v is unnamed, or there twice", next.Name, p)
		}
	}
	spec.Type = or(spec.Type, corev1.ServiceTypeClusterIP)
	if spec.Type == corev1.ServiceTypeExternalName {
		spec.ClusterIP, spec.ClusterIPs, spec.IPFamilies, spec.IPFamilyPolicy = "", nil, nil, nil
		return
	}
	spec.SessionAffinity = or(spec.SessionAffinity, corev1.ServiceAffinityNone)
	if spec.SessionAffinity == corev1.ServiceAffinityNone {
		spec.SessionAffinityConfig = nil
	} else if spec.SessionAffinityConfig == nil {
		spec.SessionAffinityConfig = &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: new(int32(10800))}}
	}
	if spec.InternalTrafficPolicy == nil {
		spec.InternalTrafficPolicy = new(corev1.ServiceInternalTrafficPolicyCluster)
	}
	if before != nil && spec.ClusterIP == "" { // as patchAllocatedValues
		spec.ClusterIP, spec.ClusterIPs = before.Spec.ClusterIP, before.Spec.ClusterIPs
	}
	if spec.ClusterIP != corev1.ClusterIPNone {
		s.allocate(spec)
	}
	if before != nil && len(before.Spec.ClusterIPs) > 0 && before.Spec.ClusterIPs[0] != spec.ClusterIPs[0] {
		s.t.Errorf("Service %s: its address %s may not become %s", next.Name, before.Spec.ClusterIPs[0], spec.ClusterIPs[0])
	}
}

// allocate chooses families and addresses as Kubernetes' allocator does.
func (s *server) allocate(spec *corev1.ServiceSpec) {
	s.t.Helper()
	if spec.IPFamilyPolicy == nil {
		spec.IPFamilyPolicy = new(corev1.IPFamilyPolicySingleStack)
	}
	if *spec.IPFamilyPolicy == corev1.IPFamilyPolicySingleStack {
		spec.ClusterIPs = spec.ClusterIPs[:min(1, len(spec.ClusterIPs))]
	}
	for i, ip := range spec.ClusterIPs {
		if i == len(spec.IPFamilies) {
			spec.IPFamilies = append(spec.IPFamilies, familyOfIP(ip))
		}
	}
	for _, f := range spec.IPFamilies {
		if !slices.Contains(s.families, f) {
			s.t.Errorf("ipFamilies: %s is not configured on this cluster", f)
		}
	}
	if len(spec.IPFamilies) == 0 {
		spec.IPFamilies = s.families[:1:1]
	}
	for _, f := range s.families {
		if *spec.IPFamilyPolicy != corev1.IPFamilyPolicySingleStack && !slices.Contains(spec.IPFamilies, f) {
			spec.IPFamilies = append(spec.IPFamilies, f)
		}
	}
	for i, f := range spec.IPFamilies {
		if i < len(spec.ClusterIPs) && familyOfIP(spec.ClusterIPs[i]) != f {
			s.t.Errorf("ipFamilies: %v does not fit the addresses %v, which may not change", spec.IPFamilies, spec.ClusterIPs)
		}
		if i == len(spec.ClusterIPs) {
			s.next++
			spec.ClusterIPs = append(spec.ClusterIPs, fmt.Sprintf(map[corev1.IPFamily]string{"IPv4": "10.96.0.%d", "IPv6": "fd96::%d"}[f], s.next))
		}
	}
	spec.ClusterIP = spec.ClusterIPs[0]
}

func familyOfIP(text string) corev1.IPFamily {
	if netip.MustParseAddr(text).Is6() {
		return corev1.IPv6Protocol
	}
	return corev1.IPv4Protocol
}

// admitSlice fails the test for a slice that Kubernetes refuses: another address type than before, an
// address of another type, two ports of one name, more endpoints than its own controller would put in.
func (s *server) admitSlice(next, before *discoveryv1.EndpointSlice) {
	s.t.Helper()
	if before != nil && before.AddressType != next.AddressType {
		s.t.Errorf("EndpointSlice %s: its address type may not change", next.Name)
	}
	if len(next.Endpoints) > 100 {
		s.t.Errorf("EndpointSlice %s: %d endpoints", next.Name, len(next.Endpoints))
	}
	for _, ep := range next.Endpoints {
		if len(ep.Addresses) != 1 || string(familyOfIP(ep.Addresses[0])) != string(next.AddressType) {
			s.t.Errorf("EndpointSlice %s of %s: addresses %v", next.Name, next.AddressType, ep.Addresses)
		}
	}
	for i, p := range next.Ports {
		if slices.ContainsFunc(next.Ports[:i], func(o discoveryv1.EndpointPort) bool { return *o.Name == *p.Name }) {
			s.t.Errorf("EndpointSlice %s: port %q is there twice", next.Name, *p.Name)
		}
	}
}
