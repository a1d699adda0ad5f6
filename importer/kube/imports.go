package kube

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// planImport keeps the ServiceImport, spec and status apart, as the API server takes them.
func planImport(want *importer.Service, current Current, scene Scene) []Change {
	si, now := ServiceImport(want), current.Import
	if now != nil && terminates(now) {
		return nil // it is made anew when it is gone
	}
	if now == nil {
		changes := []Change{{Verb: Apply, Object: si, First: true}}
		return append(changes, planImportStatus(want, si, &mcsv1beta1.ServiceImport{}, current, scene)...)
	}
	status := planImportStatus(want, si, now, current, scene)
	var changes []Change
	if len(status) > 0 && status[0].Verb == PatchStatus { // it is for the version that was planned on
		changes, status = status[:1:1], status[1:]
	}
	bare := strippedImport(si, now)
	changes = append(changes, patchIfOther(bare, now)...)
	if !sameImport(si, bare) {
		changes = append(changes, Change{Verb: Apply, Object: si})
	}
	return append(changes, status...)
}

// planPending makes the ServiceImport of a service that gets no address say why. One that is there keeps the
// addresses that it had, which are asked for again (I7).
func planPending(want *importer.Service, current Current, scene Scene) []Change {
	if current.Import != nil && ours(current.Import) && !terminates(current.Import) {
		return planImportStatus(want, ServiceImport(want), current.Import, current, scene)
	}
	return planImport(want, current, scene)
}

// planImportStatus keeps what we say in the status; conditions of others stay. Clusters that went are taken
// off by a patch of their own, as somebody else may have listed them too.
func planImportStatus(want *importer.Service, si, now *mcsv1beta1.ServiceImport, current Current, scene Scene) []Change {
	si = si.DeepCopy()
	si.Status = importStatus(want, unheard(current, scene), now.Status, current.Refusal)
	bare := now.DeepCopy()
	bare.Status.Clusters = slices.DeleteFunc(bare.Status.Clusters, func(c mcsv1beta1.ClusterStatus) bool {
		return !slices.Contains(si.Status.Clusters, c)
	})
	var changes []Change
	if len(bare.Status.Clusters) < len(now.Status.Clusters) {
		changes = append(changes, Change{Verb: PatchStatus, Object: bare, Before: now})
	}
	ready := meta.FindStatusCondition(bare.Status.Conditions, string(mcsv1beta1.ServiceImportConditionReady))
	if ready == nil || !sameCondition(*ready, si.Status.Conditions[0]) ||
		bare.Status.EndpointSliceObjects != si.Status.EndpointSliceObjects || !slices.Equal(bare.Status.Clusters, si.Status.Clusters) {
		changes = append(changes, Change{Verb: ApplyStatus, Object: si})
	}
	return changes
}

// sameCondition compares what we say; we say no generation.
func sameCondition(a, b metav1.Condition) bool {
	a.ObservedGeneration = b.ObservedGeneration
	return a == b
}

func sameImport(want, now *mcsv1beta1.ServiceImport) bool {
	return sameLabels(want.Labels, now.Labels) && sameLabels(want.Annotations, now.Annotations) &&
		now.Annotations[exportedAnnotation] == want.Annotations[exportedAnnotation] && equality.Semantic.DeepEqual(want.Spec, now.Spec)
}

// strippedImport returns now without what is not wanted of it and an apply could not take off, as others
// may own it.
func strippedImport(want, now *mcsv1beta1.ServiceImport) *mcsv1beta1.ServiceImport {
	s := now.DeepCopy()
	if want.Annotations[exportedAnnotation] == "" {
		delete(s.Annotations, exportedAnnotation)
	}
	if len(want.Spec.IPs) == 0 {
		s.Spec.IPs = nil
	}
	if want.Spec.SessionAffinityConfig == nil {
		s.Spec.SessionAffinityConfig = nil
	}
	if want.Spec.InternalTrafficPolicy == nil {
		s.Spec.InternalTrafficPolicy = nil
	}
	if want.Spec.TrafficDistribution == nil {
		s.Spec.TrafficDistribution = nil
	}
	return s
}

// ServiceImport returns the one that a member makes of a service, but for its status. The addresses are those that the
// member allocated, which its View brings.
func ServiceImport(want *importer.Service) *mcsv1beta1.ServiceImport {
	si := &mcsv1beta1.ServiceImport{
		ObjectMeta: importMeta(want),
		Spec: mcsv1beta1.ServiceImportSpec{
			Type:                  mcsv1beta1.ServiceImportType(want.Type),
			Ports:                 []mcsv1beta1.ServicePort{}, // required, so never null
			SessionAffinity:       corev1.ServiceAffinity(want.SessionAffinity),
			SessionAffinityConfig: affinityConfig(want),
			TrafficDistribution:   optional(want.TrafficDistribution),
		},
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

// setAddresses keeps the order of the IPs and of their families the same (I8). A service without addresses
// has the families that its owner says; Kubernetes' own default where it says none.
func setAddresses(spec *mcsv1beta1.ServiceImportSpec, want *importer.Service) {
	if len(want.IPs) == 0 {
		for _, f := range want.IPFamilies {
			spec.IPFamilies = append(spec.IPFamilies, corev1.IPFamily(f))
		}
		if len(spec.IPFamilies) == 0 {
			spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
		}
		return
	}
	for _, ip := range want.IPs {
		spec.IPs = append(spec.IPs, ip.String())
		spec.IPFamilies = append(spec.IPFamilies, familyOfAddress(ip))
	}
}

func familyOfAddress(ip netip.Addr) corev1.IPFamily {
	if ip.Is6() {
		return corev1.IPv6Protocol
	}
	return corev1.IPv4Protocol
}

// unheard returns the clusters that our objects name and that may still export the service: no complete set
// of theirs has come.
func unheard(now Current, scene Scene) []federation.ClusterID {
	return slices.DeleteFunc(clustersOf(now), func(c federation.ClusterID) bool { return scene.Synced(c) || !scene.Known(c) })
}

// importStatus lists the exporting clusters (I6), those that were not heard yet included and those that were not for
// too long left out, and says that there
// are EndpointSlices (S2). A condition whose status changes has no LastTransitionTime: the writer stamps it.
func importStatus(want *importer.Service, unheard []federation.ClusterID, before mcsv1beta1.ServiceImportStatus, refusal string) mcsv1beta1.ServiceImportStatus {
	ready := readyCondition(want, refusal)
	if old := meta.FindStatusCondition(before.Conditions, ready.Type); old != nil && old.Status == ready.Status {
		ready.LastTransitionTime = old.LastTransitionTime
	}
	status := mcsv1beta1.ServiceImportStatus{
		EndpointSliceObjects: mcsv1beta1.EndpointSliceObjectsPresent,
		Conditions:           []metav1.Condition{ready},
	}
	clusters := unheard
	for i, e := range want.Exports {
		if want.Fate(i) == federation.Withdrawn {
			clusters = slices.DeleteFunc(clusters, func(c federation.ClusterID) bool { return c == e.Cluster })
		} else {
			clusters = append(clusters, e.Cluster)
		}
	}
	slices.Sort(clusters)
	for _, c := range slices.Compact(clusters) {
		status.Clusters = append(status.Clusters, mcsv1beta1.ClusterStatus{Cluster: string(c)})
	}
	return status
}

// readyCondition says whether the service can be used here, wholly (I5). With nobody who serves it at present it can:
// name and address are there for who comes back.
func readyCondition(want *importer.Service, refusal string) metav1.Condition {
	c := metav1.Condition{
		Type:    string(mcsv1beta1.ServiceImportConditionReady),
		Status:  metav1.ConditionTrue,
		Reason:  string(mcsv1beta1.ServiceImportReasonReady),
		Message: "the service can be used",
	}
	switch {
	case want.Unsupported:
		c.Status, c.Reason = metav1.ConditionFalse, string(mcsv1beta1.ServiceImportReasonIPFamilyNotSupported)
		c.Message = fmt.Sprintf("the service has %v alone, of which this cluster allocates no addresses", want.IPFamilies)
	case refusal != "":
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, string(mcsv1beta1.ServiceImportReasonPending), refusal
	default:
		if gone := deserters(want); len(gone) > 0 {
			c.Message = "no cluster serves an endpoint at present; not heard for too long, and withdrawn: " + enumerate(gone)
		}
	}
	return c
}

// deserters returns the clusters whose endpoints were withdrawn, if nobody else serves one.
func deserters(want *importer.Service) (clusters []string) {
	for i, e := range want.Exports {
		switch {
		case want.Fate(i) == federation.Withdrawn:
			clusters = append(clusters, string(e.Cluster))
		case serves(e):
			return nil
		}
	}
	return clusters
}

// serves reports whether an endpoint takes traffic.
func serves(e *federation.Export) bool {
	for i := range e.Subsets {
		if slices.ContainsFunc(e.Subsets[i].Endpoints, func(ep federation.Endpoint) bool {
			return ep.Conditions.Has(federation.Ready) || ep.Conditions.Has(federation.Serving)
		}) {
			return true
		}
	}
	return false
}

// enumerate names the first few of some things.
func enumerate(list []string) string {
	const most = 8
	if more := len(list) - most; more > 0 {
		list = append(slices.Clone(list[:most]), fmt.Sprintf("%d more", more))
	}
	if n := len(list) - 1; n > 0 {
		return strings.Join(list[:n], ", ") + " and " + list[n]
	}
	return strings.Join(list, "")
}
