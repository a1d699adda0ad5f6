package main

import (
	"context"
	"fmt"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// followSlices watches the EndpointSlices of the service, as kube-proxy does: while the API server is away, what was
// said stays.
func (u *user) followSlices(ctx context.Context) {
	for ctx.Err() == nil {
		_ = u.watchSlices(ctx) // why it broke is the fault
		sleep(ctx, pace)
	}
}

func (u *user) watchSlices(ctx context.Context) error {
	c := u.agents[0].Client
	mine := []client.ListOption{client.InNamespace(namespace), client.MatchingLabels{mcsv1beta1.LabelServiceName: u.service}}
	var list discoveryv1.EndpointSliceList
	once, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := c.List(once, &list, mine...); err != nil {
		return err
	}
	known := map[string]*discoveryv1.EndpointSlice{}
	for i := range list.Items {
		known[list.Items[i].Name] = &list.Items[i]
	}
	u.say(bySlices, usable(known))
	from := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion}}
	w, err := c.Watch(ctx, &discoveryv1.EndpointSliceList{}, append(mine, from)...)
	if err != nil {
		return err
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		s, ok := e.Object.(*discoveryv1.EndpointSlice)
		if !ok {
			return fmt.Errorf("watching slices: %v", e.Object)
		}
		if known[s.Name] = s; e.Type == watch.Deleted {
			delete(known, s.Name)
		}
		u.say(bySlices, usable(known))
	}
	return nil
}

// usable returns where kube-proxy sends traffic: to ready endpoints, and if there is none, to those that serve while
// they terminate.
func usable(slices map[string]*discoveryv1.EndpointSlice) (ready []string) {
	var serving []string
	for _, s := range slices {
		for _, ep := range s.Endpoints {
			switch c := ep.Conditions; {
			case ptr.Deref(c.Ready, true):
				ready = append(ready, ep.Addresses...)
			case ptr.Deref(c.Serving, false) && ptr.Deref(c.Terminating, false):
				serving = append(serving, ep.Addresses...)
			}
		}
	}
	if len(ready) == 0 {
		return serving
	}
	return ready
}
