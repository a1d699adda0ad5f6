package exporter

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
)

// Status is what the exporter says on a ServiceExport.
type Status struct {
	Valid, Ready metav1.Condition
}

// Describe returns what cluster says about a service, nil when it exports none, and the status of its
// ServiceExport, in which LastTransitionTime is left open, and so is the first part of the message of
// Ready=True, which is of other clusters. service is nil when there is none of that name (E5); endpoints are the
// EndpointSlices that belong to it, of which imported ones are skipped; nodes are the places of the Nodes that those of them
// are on, by name, as far as they are known; former is what was said last, nil for nothing.
// The Export is normalized and passes Check: one that other members would refuse is none. A ServiceExport
// that is being deleted exports nothing, whatever a finalizer keeps of it (E4).
//
// What is wrong with the ServiceExport leaves the Service valid, and makes Ready=False, and so does a namespace that
// the policy closes; nothing else is lost by a mistake. For an annotation that cannot be read, and for what members would
// refuse, such as exported labels (E8), stands what former says, but of steering the default, while endpoints and all the
// rest follow; without former it is left out, but nobody sees a service of which it cannot be read who may (E1). Where nothing that members take is
// left, as without any port, former stands, but for the annotations: a list of consumers takes effect whatever else is
// wrong.
func Describe(cluster federation.ClusterID, policy federation.Namespaces, export *mcsv1beta1.ServiceExport, service *corev1.Service, endpoints []*discoveryv1.EndpointSlice, nodes map[string]Place, former *federation.Export) (*federation.Export, Status) {
	valid := validity(export, service)
	switch {
	case export.DeletionTimestamp != nil:
		return nil, Status{Valid: valid, Ready: pending(export, "is being deleted; withdrawn from the clusterset")}
	case valid.Status != metav1.ConditionTrue:
		return nil, Status{Valid: valid, Ready: pending(export, "waits for the export to be valid")}
	}
	if err := closed(policy, export.Namespace); err != nil {
		return nil, Status{Valid: valid, Ready: failed(export, err.Error(), nothing)}
	}
	wishes := wishesOf(export, former)
	if former == nil && wishes.kept[ConsumersAnnotation] {
		return nil, Status{Valid: valid, Ready: failed(export, append(wishes.mistakes, nothing)...)}
	}
	e := exportOf(cluster, export, service, endpoints, nodes)
	e.Consumers, e.Quiet, e.Steering = wishes.consumers, wishes.quiet, wishes.steering
	e.Normalize()
	if e.Check() != nil {
		wishes.heed(e.Mend(former))
		if e.Check() != nil {
			e, ready := instead(export, former, wishes)
			return e, Status{Valid: valid, Ready: ready}
		}
	}
	if len(wishes.mistakes) > 0 {
		return e, Status{Valid: valid, Ready: failed(export, append(wishes.mistakes, wishes.meanwhile())...)}
	}
	return e, Status{
		Valid: valid,
		Ready: condition(export, mcsv1beta1.ServiceExportConditionReady, metav1.ConditionTrue, mcsv1beta1.ServiceExportReasonExported, leftOut(e)),
	}
}

// nothing ends the message of a ServiceExport that failed while nothing was said of its service before.
const nothing = "nothing is exported"

// instead returns what is said of a service of which members would refuse all that is to be said.
func instead(export *mcsv1beta1.ServiceExport, former *federation.Export, w wishes) (*federation.Export, metav1.Condition) {
	if former == nil {
		return nil, failed(export, append(w.mistakes, nothing)...)
	}
	e := *former
	e.Consumers, e.Quiet, e.Steering = w.consumers, w.quiet, w.steering
	return &e, failed(export, append(w.mistakes, "what was exported before stands")...)
}

// exportOf returns what the objects say of a service that can be exported.
func exportOf(cluster federation.ClusterID, export *mcsv1beta1.ServiceExport, service *corev1.Service, endpoints []*discoveryv1.EndpointSlice, nodes map[string]Place) *federation.Export {
	e := bare(cluster, nameOf(export), service, endpoints, nodes)
	e.Created = export.CreationTimestamp.Time
	e.Labels, e.Annotations = export.Spec.ExportedLabels, export.Spec.ExportedAnnotations
	return e
}

// bare returns what a Service, its EndpointSlices and their Nodes say, without a ServiceExport.
func bare(cluster federation.ClusterID, name federation.ServiceName, service *corev1.Service, endpoints []*discoveryv1.EndpointSlice, nodes map[string]Place) *federation.Export {
	e := &federation.Export{
		Cluster:             cluster,
		Name:                name,
		Type:                typeOf(service),
		SessionAffinity:     string(service.Spec.SessionAffinity),
		IPFamilies:          families(service.Spec.IPFamilies),
		Ports:               ports(service.Spec.Ports),
		Subsets:             subsets(service, endpoints, nodes),
		TrafficDistribution: ptr.Deref(service.Spec.TrafficDistribution, ""),
	}
	if service.Spec.InternalTrafficPolicy != nil {
		e.InternalTrafficPolicy = string(*service.Spec.InternalTrafficPolicy)
	}
	if c := service.Spec.SessionAffinityConfig; c != nil && c.ClientIP != nil {
		e.SessionAffinitySeconds = ptr.Deref(c.ClientIP.TimeoutSeconds, 0)
	}
	return e
}

// closed returns why nothing in a namespace is exported to anybody, nil if something may be.
func closed(policy federation.Namespaces, namespace string) error {
	why := policy.Closed(namespace)
	switch {
	case why == "":
		return nil
	case strings.HasPrefix(why, "denied"):
		return fmt.Errorf("namespace %q is %s of --export-deny-namespaces", namespace, why)
	}
	return fmt.Errorf("namespace %q is %s by --export-namespaces", namespace, why)
}

// validity says whether the Service is one that can be exported.
func validity(export *mcsv1beta1.ServiceExport, service *corev1.Service) metav1.Condition {
	invalid := func(reason mcsv1beta1.ServiceExportConditionReason, message string) metav1.Condition {
		return condition(export, mcsv1beta1.ServiceExportConditionValid, metav1.ConditionFalse, reason, message)
	}
	switch {
	case service == nil:
		return invalid(mcsv1beta1.ServiceExportReasonNoService, fmt.Sprintf("there is no Service %q in namespace %q", export.Name, export.Namespace))
	case service.Spec.Type == corev1.ServiceTypeExternalName: // E6
		return invalid(mcsv1beta1.ServiceExportReasonInvalidServiceType, "a Service of type ExternalName cannot be exported")
	case derived(service):
		return invalid(mcsv1beta1.ServiceExportReasonInvalidServiceType, "a Service that stands for an imported one cannot be exported")
	}
	return condition(export, mcsv1beta1.ServiceExportConditionValid, metav1.ConditionTrue, mcsv1beta1.ServiceExportReasonValid, "the Service can be exported")
}

func pending(export *mcsv1beta1.ServiceExport, message string) metav1.Condition {
	return condition(export, mcsv1beta1.ServiceExportConditionReady, metav1.ConditionFalse, mcsv1beta1.ServiceExportReasonPending, message)
}

func failed(export *mcsv1beta1.ServiceExport, parts ...string) metav1.Condition {
	message := strings.ReplaceAll(strings.Join(parts, "; "), "\n", "; ")
	return condition(export, mcsv1beta1.ServiceExportConditionReady, metav1.ConditionFalse, mcsv1beta1.ServiceExportReasonFailed, message)
}

func condition(export *mcsv1beta1.ServiceExport, kind mcsv1beta1.ServiceExportConditionType, status metav1.ConditionStatus, reason mcsv1beta1.ServiceExportConditionReason, message string) metav1.Condition {
	return metav1.Condition{
		Type:               string(kind),
		Status:             status,
		ObservedGeneration: export.Generation,
		Reason:             string(reason),
		Message:            message,
	}
}

// typeOf maps the Service's type: headless is Headless; ClusterIP, and the ClusterIP aspect of NodePort
// and LoadBalancer, is ClusterSetIP (E7).
func typeOf(service *corev1.Service) federation.ServiceType {
	if service.Spec.ClusterIP == corev1.ClusterIPNone {
		return federation.Headless
	}
	return federation.ClusterSetIP
}

func families(list []corev1.IPFamily) []federation.IPFamily {
	out := make([]federation.IPFamily, len(list))
	for i, f := range list {
		out[i] = federation.IPFamily(f)
	}
	return out
}

func ports(list []corev1.ServicePort) []federation.Port {
	out := make([]federation.Port, len(list))
	for i, p := range list {
		out[i] = federation.Port{
			Name:        p.Name,
			Protocol:    federation.Protocol(p.Protocol),
			AppProtocol: ptr.Deref(p.AppProtocol, ""),
			Number:      number(p.Port),
		}
	}
	return out
}

// number returns that of a port, and 0 for what is none: that is refused, and told.
func number(n int32) uint16 {
	if n < 0 || n > math.MaxUint16 {
		return 0
	}
	return uint16(n)
}

// subsets turns each slice into a Subset. A slice of FQDNs has no address to carry, and an imported one
// is another cluster's word (no echo). Slices are read by name, so that of an endpoint that moves from one
// to another, and is in both meanwhile, always the same one is taken.
func subsets(service *corev1.Service, endpoints []*discoveryv1.EndpointSlice, nodes map[string]Place) []federation.Subset {
	var out []federation.Subset
	byName := func(a, b *discoveryv1.EndpointSlice) int { return strings.Compare(a.Name, b.Name) }
	for _, slice := range slices.SortedFunc(slices.Values(endpoints), byName) {
		if slice.AddressType == discoveryv1.AddressTypeFQDN || imported(slice) {
			continue
		}
		s := federation.Subset{Ports: targetPorts(service, slice.Ports)}
		for i := range slice.Endpoints {
			if ep, ok := endpoint(&slice.Endpoints[i], nodes); ok {
				s.Endpoints = append(s.Endpoints, ep)
			}
		}
		out = append(out, s)
	}
	return out
}

// targetPorts keeps the slice's ports that the Service has, by name and protocol. The API server takes
// any number, so those that are none of a port are left out.
func targetPorts(service *corev1.Service, list []discoveryv1.EndpointPort) []federation.TargetPort {
	var out []federation.TargetPort
	for _, p := range list {
		name, protocol := ptr.Deref(p.Name, ""), ptr.Deref(p.Protocol, corev1.ProtocolTCP)
		known := slices.ContainsFunc(service.Spec.Ports, func(s corev1.ServicePort) bool {
			return s.Name == name && s.Protocol == protocol
		})
		if number := ptr.Deref(p.Port, 0); !known || number < 1 || number > math.MaxUint16 {
			continue
		}
		out = append(out, federation.TargetPort{
			Name:     name,
			Protocol: federation.Protocol(protocol),
			Number:   uint16(*p.Port),
		})
	}
	return out
}

// endpoint takes the first address, as all readers of EndpointSlices do. An address that means nothing
// elsewhere is left out. Where it is its Node says, but for a zone that the slice has itself.
func endpoint(ep *discoveryv1.Endpoint, nodes map[string]Place) (federation.Endpoint, bool) {
	if len(ep.Addresses) == 0 {
		return federation.Endpoint{}, false
	}
	address, err := netip.ParseAddr(ep.Addresses[0])
	if err != nil || !federation.Reachable(address) {
		return federation.Endpoint{}, false
	}
	var place Place
	if ep.NodeName != nil {
		place = nodes[*ep.NodeName]
	}
	return federation.Endpoint{
		Address:    address,
		Hostname:   ptr.Deref(ep.Hostname, ""),
		Zone:       cmp.Or(bounded(ep.Zone, maxZone), bounded(&place.Zone, maxZone)),
		Region:     bounded(&place.Region, maxZone),
		Node:       bounded(ep.NodeName, maxNode),
		Conditions: conditions(ep.Conditions),
	}, true
}

const (
	maxZone = 63  // of a label value, which a node's zone and region are
	maxNode = 253 // of a DNS subdomain, which a node's name is
)

// bounded leaves out what is longer than most: a hand-made slice may say anything, and costs others nothing.
func bounded(p *string, most int) string {
	if s := ptr.Deref(p, ""); len(s) <= most && utf8.ValidString(s) {
		return s
	}
	return ""
}

// conditions reads an open Ready as ready, and an open Serving as Ready, as the API says.
func conditions(c discoveryv1.EndpointConditions) (out federation.Conditions) {
	ready := ptr.Deref(c.Ready, true)
	if ready {
		out |= federation.Ready
	}
	if ptr.Deref(c.Serving, ready) {
		out |= federation.Serving
	}
	if ptr.Deref(c.Terminating, false) {
		out |= federation.Terminating
	}
	return out
}

// ourSlices is the managed-by label of the slices that importer/kube writes.
const ourSlices = "hansa.dev"

// imported reports whether a slice holds another cluster's endpoints, whoever imported them (S4, S5).
func imported(slice *discoveryv1.EndpointSlice) bool {
	_, foreign := slice.Labels[mcsv1beta1.LabelSourceCluster]
	return foreign || slice.Labels[discoveryv1.LabelManagedBy] == ourSlices
}

// derived reports whether a Service holds the clusterset IP of an import, whoever imported it.
func derived(service *corev1.Service) bool {
	_, found := service.Labels[mcsv1beta1.LabelServiceName]
	return found
}
