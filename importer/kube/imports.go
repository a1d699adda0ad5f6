package kube

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// planImport keeps the ServiceImport, spec and status apart, as the API server takes them.
func planImport(want *importer.Service, current Current, synced func(federation.ClusterID) bool) []Change {
	var changes []Change
	si, now := serviceImport(want), current.Import
	if now == nil || !sameLabels(si.Labels, now.Labels) || !sameLabels(si.Annotations, now.Annotations) || !equality.Semantic.DeepEqual(si.Spec, now.Spec) {
		changes = append(changes, Change{Verb: Apply, Object: si, First: now == nil})
	}
	var before mcsv1beta1.ServiceImportStatus
	if now != nil {
		before = now.Status
	}
	if si.Status = importStatus(want, unheard(current, synced), before); !equality.Semantic.DeepEqual(si.Status, before) {
		changes = append(changes, Change{Verb: ApplyStatus, Object: si})
	}
	return changes
}

func serviceImport(want *importer.Service) *mcsv1beta1.ServiceImport {
	si := &mcsv1beta1.ServiceImport{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: want.Name.Namespace,
			Name:      want.Name.Name,
			Labels:    marks(want.Name),
		},
		Spec: mcsv1beta1.ServiceImportSpec{
			Type:                  mcsv1beta1.ServiceImportType(want.Type),
			Ports:                 []mcsv1beta1.ServicePort{}, // required, so never null
			SessionAffinity:       corev1.ServiceAffinity(want.SessionAffinity),
			SessionAffinityConfig: affinityConfig(want),
			TrafficDistribution:   optional(want.TrafficDistribution),
		},
	}
	if want.Type == federation.ClusterSetIP {
		si.Annotations = map[string]string{derivedAnnotation: DerivedName(want.Name)}
	}
	if want.InternalTrafficPolicy != "" {
		si.Spec.InternalTrafficPolicy = new(corev1.ServiceInternalTrafficPolicy(want.InternalTrafficPolicy))
	}
	for _, p := range want.Ports {
		si.Spec.Ports = append(si.Spec.Ports, mcsv1beta1.ServicePort{
			Name:        p.Name,
			Protocol:    corev1.Protocol(p.Protocol),
			AppProtocol: optional(p.AppProtocol),
			Port:        int32(p.Number),
		})
	}
	setAddresses(&si.Spec, want)
	return si
}

// setAddresses keeps the order of the IPs and of their families the same (I8).
func setAddresses(spec *mcsv1beta1.ServiceImportSpec, want *importer.Service) {
	if want.Type == federation.Headless {
		for _, f := range want.IPFamilies {
			spec.IPFamilies = append(spec.IPFamilies, corev1.IPFamily(f))
		}
		return
	}
	for _, ip := range want.IPs {
		family := corev1.IPv4Protocol
		if ip.Is6() {
			family = corev1.IPv6Protocol
		}
		spec.IPs = append(spec.IPs, ip.String())
		spec.IPFamilies = append(spec.IPFamilies, family)
	}
}

// unheard returns the clusters that our objects name and that may still export the service: no complete set
// of theirs has come.
func unheard(now Current, synced func(federation.ClusterID) bool) []federation.ClusterID {
	return slices.DeleteFunc(clustersOf(now), synced)
}

// importStatus lists the exporting clusters (I6), those that were not heard yet included, and says that there are EndpointSlices (S2). A condition
// whose status changes has no LastTransitionTime: the writer stamps it.
func importStatus(want *importer.Service, unheard []federation.ClusterID, before mcsv1beta1.ServiceImportStatus) mcsv1beta1.ServiceImportStatus {
	ready := metav1.Condition{
		Type:    string(mcsv1beta1.ServiceImportConditionReady),
		Status:  metav1.ConditionTrue,
		Reason:  string(mcsv1beta1.ServiceImportReasonReady),
		Message: "the service can be used",
	}
	if old := meta.FindStatusCondition(before.Conditions, ready.Type); old != nil && old.Status == ready.Status {
		ready.LastTransitionTime = old.LastTransitionTime
	}
	status := mcsv1beta1.ServiceImportStatus{
		EndpointSliceObjects: mcsv1beta1.EndpointSliceObjectsPresent,
		Conditions:           []metav1.Condition{ready},
	}
	clusters := unheard
	for _, e := range want.Exports {
		clusters = append(clusters, e.Cluster)
	}
	slices.Sort(clusters)
	for _, c := range slices.Compact(clusters) {
		status.Clusters = append(status.Clusters, mcsv1beta1.ClusterStatus{Cluster: string(c)})
	}
	return status
}
