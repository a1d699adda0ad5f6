package kube

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// planDerived keeps the Service whose ClusterIP is the clusterset IP (I7). A headless service gets
// none, but keeps the one that it had, so that its address stays if it is a ClusterSetIP again.
func planDerived(want *importer.Service, now *corev1.Service) []Change {
	if want.Type == federation.Headless {
		return nil
	}
	s := derivedService(want, now)
	if now != nil && sameDerived(s, now) {
		return nil
	}
	return []Change{{Verb: Apply, Object: s, First: now == nil}}
}

// derivedService is all that we say of it: no selector, and no address, which the API server allocates.
func derivedService(want *importer.Service, now *corev1.Service) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: want.Name.Namespace,
			Name:      DerivedName(want.Name),
			Labels:    marks(want.Name),
		},
		Spec: corev1.ServiceSpec{
			Type:                  corev1.ServiceTypeClusterIP,
			SessionAffinity:       corev1.ServiceAffinity(want.SessionAffinity),
			SessionAffinityConfig: affinityConfig(want),
			TrafficDistribution:   knownDistribution(want.TrafficDistribution),
		},
	}
	setFamilies(&s.Spec, want.IPFamilies, now)
	if want.InternalTrafficPolicy != "" {
		s.Spec.InternalTrafficPolicy = new(corev1.ServiceInternalTrafficPolicy(want.InternalTrafficPolicy))
	}
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
		(want.Spec.InternalTrafficPolicy == nil || ptr.Equal(want.Spec.InternalTrafficPolicy, now.Spec.InternalTrafficPolicy)) &&
		ptr.Equal(want.Spec.TrafficDistribution, now.Spec.TrafficDistribution)
}

// setFamilies asks for one family by name, and for two by preference alone: the API server refuses by name a
// family that its cluster lacks, and which of two comes first is its own choice. The first family is the
// address and can never change (I7), so where that is another than the one wanted, the wanted one is added.
func setFamilies(spec *corev1.ServiceSpec, want []federation.IPFamily, now *corev1.Service) {
	keeps := now == nil || len(now.Spec.IPFamilies) == 0 || len(want) == 0 || now.Spec.IPFamilies[0] == corev1.IPFamily(want[0])
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

// knownDistribution leaves out a value that the API server would refuse with all the rest: the address comes
// first.
func knownDistribution(s string) *string {
	switch s {
	case corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameZone, corev1.ServiceTrafficDistributionPreferSameNode:
		return &s
	}
	return nil
}

// marks are the labels of a ServiceImport and of a derived Service.
func marks(name federation.ServiceName) map[string]string {
	return map[string]string{markLabel: markValue, mcsv1beta1.LabelServiceName: name.Name}
}

// sameLabels reports whether now has all of want: others may add theirs.
func sameLabels(want, now map[string]string) bool {
	for k, v := range want {
		if now[k] != v {
			return false
		}
	}
	return true
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
