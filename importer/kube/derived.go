package kube

import (
	"cmp"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// planDerived keeps the Service whose ClusterIP is the clusterset IP (I7). A headless service gets
// none (I9), but keeps the one that it had, so that its address stays if it is a ClusterSetIP again.
//
// formerIPs are the addresses that our ServiceImport has: a derived Service that somebody deleted is made
// again with them, as the ServiceImport lives on (I7).
func planDerived(want *importer.Service, now *corev1.Service, formerIPs []string, scene Scene) []Change {
	idle := want.Type == federation.Headless
	switch {
	case now == nil && (idle || want.Unsupported):
		return nil
	case now == nil:
		return []Change{{Verb: Apply, Object: derivedAgain(want, formerIPs, scene), First: true}}
	case terminates(now):
		return nil // what is written to it would go with it
	case idle && ours(now) && now.Spec.ClusterIP == "":
		return deletion(now) // it keeps no address
	}
	s := derivedService(want, firstFamily(now.Spec.IPFamilies), scene)
	if idle {
		keepIdle(&s.Spec, bareDerived(now).Spec)
	} else if asksSecond(s, now, formerIPs) {
		s.Spec.ClusterIP, s.Spec.ClusterIPs = formerIPs[0], formerIPs
	}
	bare := strippedDerived(s, now, formerIPs)
	changes := patchIfOther(bare, now)
	if !sameDerived(s, bare) {
		changes = append(changes, Change{Verb: Apply, Object: s})
	}
	return changes
}

// keepIdle makes a derived Service that nobody is sent to stay as it is, where that sends nobody elsewhere.
func keepIdle(want *corev1.ServiceSpec, now corev1.ServiceSpec) {
	want.SessionAffinity, want.SessionAffinityConfig = now.SessionAffinity, now.SessionAffinityConfig
	want.InternalTrafficPolicy, want.TrafficDistribution = now.InternalTrafficPolicy, now.TrafficDistribution
	want.IPFamilyPolicy, want.IPFamilies = now.IPFamilyPolicy, now.IPFamilies
	if len(want.Ports) == 0 { // a headless service may have none, a Service with an address has some
		want.Ports = now.Ports
	}
}

// patchIfOther makes of what is there what is wanted, if that is another.
func patchIfOther(want, now client.Object) []Change {
	if equality.Semantic.DeepEqual(want, now) {
		return nil
	}
	return []Change{{Verb: Patch, Object: want, Before: now}}
}

// bareDerived returns now, awake, without what no derived Service has: a selector would bring local endpoints
// in, an external IP or a load balancer would take its traffic.
func bareDerived(now *corev1.Service) *corev1.Service {
	s := now.DeepCopy()
	delete(s.Annotations, restAnnotation)
	spec := &s.Spec
	spec.Type, spec.Selector, spec.ExternalIPs, spec.ExternalName, spec.PublishNotReadyAddresses = corev1.ServiceTypeClusterIP, nil, nil, "", false
	spec.LoadBalancerIP, spec.LoadBalancerClass, spec.LoadBalancerSourceRanges, spec.AllocateLoadBalancerNodePorts = "", nil, nil, nil
	spec.ExternalTrafficPolicy, spec.HealthCheckNodePort = "", 0
	for i := range spec.Ports {
		spec.Ports[i].NodePort = 0
	}
	return s
}

// strippedDerived returns now without what is not wanted of it and an apply could not take off, as others
// may own it. One that lost its address, as it was made an ExternalName, gets the former one again.
func strippedDerived(want, now *corev1.Service, formerIPs []string) *corev1.Service {
	s := bareDerived(now)
	if s.Spec.ClusterIP == "" && len(formerIPs) > 0 {
		s.Spec.ClusterIP, s.Spec.ClusterIPs = formerIPs[0], formerIPs[:1]
	}
	if want.Spec.SessionAffinityConfig == nil && s.Spec.SessionAffinityConfig != nil {
		s.Spec.SessionAffinity, s.Spec.SessionAffinityConfig = corev1.ServiceAffinityNone, nil
	}
	if want.Spec.TrafficDistribution == nil {
		s.Spec.TrafficDistribution = nil
	}
	var ports []corev1.ServicePort
	for _, p := range s.Spec.Ports {
		i := slices.IndexFunc(want.Spec.Ports, func(w corev1.ServicePort) bool { return w.Port == p.Port && w.Protocol == p.Protocol })
		if i < 0 {
			continue
		}
		if want.Spec.Ports[i].AppProtocol == nil {
			p.AppProtocol = nil
		}
		ports = append(ports, p)
	}
	if s.Spec.Ports = ports; len(ports) == 0 { // a Service has at least one
		s.Spec.Ports = want.Spec.Ports
	}
	return s
}

// derivedAgain is a derived Service that is not there, with the address that it had before, if any. A second one
// is asked for when it has the first: an API server that gives one of two and refuses the other keeps the one
// for nobody, for a minute.
func derivedAgain(want *importer.Service, formerIPs []string, scene Scene) *corev1.Service {
	var families []corev1.IPFamily
	for _, text := range formerIPs {
		if ip, err := netip.ParseAddr(text); err == nil {
			families = append(families, familyOfAddress(ip))
		}
	}
	s := derivedService(want, firstFamily(families), scene)
	if len(formerIPs) > 0 {
		s.Spec.ClusterIP, s.Spec.ClusterIPs = formerIPs[0], formerIPs[:1]
		s.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicySingleStack)
	}
	return s
}

// asksSecond reports whether a derived Service that is to have two addresses has only the first of those that
// it had before.
func asksSecond(want, now *corev1.Service, formerIPs []string) bool {
	return *want.Spec.IPFamilyPolicy == corev1.IPFamilyPolicyPreferDualStack && ptr.Deref(now.Spec.IPFamilyPolicy, "") == corev1.IPFamilyPolicySingleStack &&
		len(formerIPs) == 2 && slices.Equal(now.Spec.ClusterIPs, formerIPs[:1])
}

// firstFamily returns the family of the address, which can never change; "" while there is none.
func firstFamily(families []corev1.IPFamily) corev1.IPFamily { return append(families, "")[0] }

// derivedService is all that we say of it: no selector, and no address, which the API server allocates.
func derivedService(want *importer.Service, first corev1.IPFamily, scene Scene) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: want.Name.Namespace,
			Name:      DerivedName(want.Name),
			Labels:    derivedLabels(want.Name),
		},
		Spec: corev1.ServiceSpec{
			Type:                  corev1.ServiceTypeClusterIP,
			SessionAffinity:       corev1.ServiceAffinity(want.SessionAffinity),
			SessionAffinityConfig: affinityConfig(want),
			InternalTrafficPolicy: new(corev1.ServiceInternalTrafficPolicy(cmp.Or(want.InternalTrafficPolicy, string(corev1.ServiceInternalTrafficPolicyCluster)))),
			TrafficDistribution:   usableDistribution(want.TrafficDistribution, scene),
		},
	}
	setFamilies(&s.Spec, want.IPFamilies, first)
	for _, p := range want.Ports {
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{
			Name:        p.Name,
			Protocol:    corev1.Protocol(p.Protocol),
			AppProtocol: optional(p.AppProtocol),
			Port:        int32(p.Number),
			TargetPort:  intstr.FromInt32(int32(p.Number)),
		})
	}
	return s
}

// sameDerived compares what we say; what the API server fills in is not ours.
func sameDerived(want, now *corev1.Service) bool {
	ports := slices.Clone(now.Spec.Ports)
	for i := range ports {
		ports[i].NodePort = 0
	}
	return sameLabels(want.Labels, now.Labels) &&
		want.Spec.Type == now.Spec.Type &&
		equality.Semantic.DeepEqual(want.Spec.Ports, ports) &&
		want.Spec.SessionAffinity == now.Spec.SessionAffinity &&
		equality.Semantic.DeepEqual(want.Spec.SessionAffinityConfig, now.Spec.SessionAffinityConfig) &&
		sameFamilies(want.Spec, now.Spec) &&
		ptr.Equal(want.Spec.InternalTrafficPolicy, now.Spec.InternalTrafficPolicy) &&
		ptr.Equal(want.Spec.TrafficDistribution, now.Spec.TrafficDistribution)
}

// setFamilies asks for one family by name, and for two by preference alone: the API server refuses by name a
// family that its cluster lacks, and which of two comes first is its own choice. The first family is the
// address and can never change (I7), so where that is another than the one wanted, the wanted one is added.
func setFamilies(spec *corev1.ServiceSpec, want []federation.IPFamily, first corev1.IPFamily) {
	keeps := first == "" || len(want) == 0 || first == corev1.IPFamily(want[0])
	if len(want) > 1 || !keeps {
		spec.IPFamilyPolicy = new(corev1.IPFamilyPolicyPreferDualStack)
		return
	}
	spec.IPFamilyPolicy = new(corev1.IPFamilyPolicySingleStack)
	for _, f := range want {
		spec.IPFamilies = append(spec.IPFamilies, corev1.IPFamily(f))
	}
}

func sameFamilies(want, now corev1.ServiceSpec) bool {
	return ptr.Equal(want.IPFamilyPolicy, now.IPFamilyPolicy) &&
		(len(want.IPFamilies) == 0 || slices.Equal(want.IPFamilies, now.IPFamilies))
}

// affinityConfig gives the timeout that Kubernetes would, where the owner gave none.
func affinityConfig(want *importer.Service) *corev1.SessionAffinityConfig {
	if want.SessionAffinity != string(corev1.ServiceAffinityClientIP) {
		return nil
	}
	seconds := want.SessionAffinitySeconds
	if seconds == 0 {
		seconds = corev1.DefaultClientIPServiceAffinitySeconds
	}
	return &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: &seconds}}
}

// usableDistribution leaves out a value that this API server refuses with all the rest: the address comes
// first.
func usableDistribution(s string, scene Scene) *string {
	if s == "" || scene.Refused(s) {
		return nil
	}
	return &s
}
