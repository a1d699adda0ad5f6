package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
)

// always is what never changes.
func always(is bool) func() (bool, <-chan struct{}) {
	return func() (bool, <-chan struct{}) { return is, nil }
}

// alone returns the scene of a cluster that has left: nobody is waited for, and no address rests.
func (s Scene) alone() Scene {
	s.Synced = func(federation.ClusterID) bool { return true }
	s.Rest = 0
	return s
}

// undiscovered returns the scene of a member without MCSServiceDiscovery. Once the others know, nobody is waited for, and
// addresses rest, for the gate may be on again soon; until then everybody is, so that nothing goes.
func (s Scene) undiscovered(known bool) Scene {
	s.Synced = func(federation.ClusterID) bool { return known }
	s.Known = func(federation.ClusterID) bool { return true }
	return s
}

// made returns the services of which there is an object of ours, such as an address that rests. Some may be there
// several times.
func (d *door) made(ctx context.Context) (names []federation.ServiceName) {
	add := func(o runtime.Object) error {
		if name, ok := nameOf(o.(client.Object)); ok {
			names = append(names, name)
		}
		return nil
	}
	for _, list := range []client.ObjectList{&mcsv1beta1.ServiceImportList{}, &corev1.ServiceList{}, &discoveryv1.EndpointSliceList{}} {
		err := d.client.List(ctx, list, client.HasLabels{mcsv1beta1.LabelServiceName}, client.DisableReadYourWritesConsistency)
		if err == nil {
			err = meta.EachListItem(list, add)
		}
		if err != nil {
			d.log.Error("what is there of imports could not be listed", "error", fmt.Errorf("listing %T: %w", list, err))
		}
	}
	return names
}
