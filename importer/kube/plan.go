package kube

import (
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// Current is what the API server holds for one service name; nil and empty where it holds nothing. It
// may hold objects that are not ours.
type Current struct {
	Import  *mcsv1beta1.ServiceImport
	Derived *corev1.Service
	Slices  []*discoveryv1.EndpointSlice
	Export  *mcsv1beta1.ServiceExport // this cluster's own, if it exports the service
	// Taken lists addresses that the ServiceImport had and the API server gives no more: other Services have them.
	Taken []string
	// Refusal says which write of ours the API server refuses, and why; "" for none.
	Refusal string
}

// deletion deletes an object once: one that terminates waits for who holds it, and so does its name.
func deletion(o client.Object) []Change {
	if terminates(o) {
		return nil
	}
	return []Change{{Verb: Delete, Object: o}}
}

func terminates(o client.Object) bool { return o.GetDeletionTimestamp() != nil }

// Scene is what Plan goes by beside the service and its objects.
type Scene struct {
	Self federation.ClusterID
	// Synced tells of which clusters a complete set has come.
	Synced func(federation.ClusterID) bool
	// Known tells which clusters are, or were, members: what somebody writes into a status is none.
	Known func(federation.ClusterID) bool
	// Refused tells which traffic distributions the API server does not know.
	Refused func(distribution string) bool
	// Rest is how long a derived Service outlives its ServiceImport.
	Rest time.Duration
	Now  time.Time
}

// Verb is what a Change does to its object.
type Verb string

// The verbs of a Change.
const (
	Apply       Verb = "apply"
	ApplyStatus Verb = "apply status"
	Patch       Verb = "patch"
	PatchStatus Verb = "patch status"
	Delete      Verb = "delete"
)

// Change is one write to the API server. For Apply and ApplyStatus, Object holds all that we say of it. Patch
// and PatchStatus make of Before, which the API server holds, what Object is: they take off what others
// added and an apply cannot reach, and mark the rest of an address. They never add to a list, as what an
// apply does not own it could not take off again.
type Change struct {
	Verb   Verb
	Object client.Object
	Before client.Object
	// First means that our cache has no such object: an apply without force, which meets what somebody
	// else said of one that came meanwhile.
	First bool
}

// Plan returns the writes that make the API server say what the View says of name, in order: want is nil
// when the View lacks it. No Change is returned for what already is as it should be.
//
// The address comes first, then the endpoints, then the ServiceImport, so that whoever reads an import
// finds behind it what it names. Removal goes the other way. A ClusterSetIP service without an address
// yet has no ServiceImport: the next View brings the address that the derived Service was given. But if the
// derived Service is refused, the ServiceImport says so.
//
// A ServiceImport or a derived Service that is somebody else's makes the whole name theirs: what is ours
// goes, as slices behind a foreign Service would take its traffic.
func Plan(name federation.ServiceName, want *importer.Service, now Current, scene Scene) []Change {
	conflict := planConflict(want, now.Export, scene)
	if want == nil || now.foreign() != nil {
		return append(planRemoval(name, now, scene), conflict...)
	}
	changes := append(planDerived(want, now.Derived, now.formerIPs(), scene), planSlices(want, now.Slices, scene)...)
	switch {
	case now.asksSecond(want, scene):
		changes = append(changes, planPending(want, now, scene)...)
	case want.Type == federation.Headless || len(want.IPs) > 0 || want.Unsupported:
		changes = append(changes, planImport(want, now, scene)...)
	case now.Refusal != "":
		changes = append(changes, planPending(want, now, scene)...)
	}
	return append(changes, conflict...)
}

// formerIPs returns the addresses of our ServiceImport that can be had again, as far as we know: what somebody
// wrote there that is no address never can.
func (c Current) formerIPs() []string {
	if c.Import == nil || !ours(c.Import) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(c.Import.Spec.IPs), func(ip string) bool {
		_, err := netip.ParseAddr(ip)
		return err != nil || slices.Contains(c.Taken, ip)
	})
}

// asksSecond reports whether the ServiceImport has an address that its derived Service is still to get again.
func (c Current) asksSecond(want *importer.Service, scene Scene) bool {
	return want.Type == federation.ClusterSetIP && c.Derived != nil &&
		asksSecond(derivedService(want, firstFamily(c.Derived.Spec.IPFamilies), scene), c.Derived, c.formerIPs())
}

// foreign returns the ServiceImport or the derived Service if it is somebody else's, and is not given to
// us, or nil.
func (c Current) foreign() client.Object {
	switch {
	case c.Import != nil && !ours(c.Import) && !given(c.Import):
		return c.Import
	case c.Derived != nil && !ours(c.Derived) && (!given(c.Derived) || c.Derived.Spec.ClusterIP == corev1.ClusterIPNone):
		return c.Derived // a headless one never gets an address, so it is none of use
	}
	return nil
}

// planRemoval removes all that is ours (I4, S6), but nothing that a cluster may still say once it is heard. The
// derived Service rests first.
func planRemoval(name federation.ServiceName, now Current, scene Scene) []Change {
	var changes []Change
	remove := func(o client.Object) { changes = append(changes, deletion(o)...) }
	all := len(unheard(now, scene)) == 0
	if all && now.Import != nil && ours(now.Import) {
		remove(now.Import)
	}
	for _, s := range ownSlices(now.Slices) {
		if scene.Synced(sourceOf(s)) {
			remove(s)
		}
	}
	if now.Derived != nil && ours(now.Derived) {
		for _, s := range now.Slices {
			if stray(s) {
				remove(s)
			}
		}
		if all {
			changes = append(changes, planRest(name, now.Derived, scene)...)
		}
	}
	return changes
}

// clustersOf returns every cluster that our objects say exports the service.
func clustersOf(now Current) []federation.ClusterID {
	var clusters []federation.ClusterID
	if now.Import != nil && ours(now.Import) {
		for _, c := range now.Import.Status.Clusters {
			clusters = append(clusters, federation.ClusterID(c.Cluster))
		}
	}
	for _, s := range ownSlices(now.Slices) {
		clusters = append(clusters, sourceOf(s))
	}
	return clusters
}

func ownSlices(list []*discoveryv1.EndpointSlice) []*discoveryv1.EndpointSlice {
	return slices.DeleteFunc(slices.Clone(list), func(s *discoveryv1.EndpointSlice) bool { return !ours(s) })
}
