package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// watchObjects opens a door that shows what happens to the objects of a list's kind in a namespace of a
// member, or in all for "": first that each was added which is there.
func watchObjects(ctx context.Context, m *clusterset.Member, list client.ObjectList, namespace string, options ...client.ListOption) (*door[watch.Event], error) {
	next, stop, err := follow(ctx, m, list, append(options, client.InNamespace(namespace))...)
	if err != nil {
		return nil, err
	}
	return open(fmt.Sprintf("a watch of %T in %s", list, m.Name), next, stop), nil
}

// watchAddresses opens a door that shows the addresses in the EndpointSlices of a member that bear a label.
func watchAddresses(ctx context.Context, m *clusterset.Member, label string) (*door[[]netip.Addr], error) {
	list := &discoveryv1.EndpointSliceList{}
	next, stop, err := follow(ctx, m, list, client.InNamespace(namespace), client.MatchingLabels{label: serviceName})
	if err != nil {
		return nil, err
	}
	addresses := func() ([]netip.Addr, error) {
		e, err := next()
		return addressesIn(e), err
	}
	return open("a watch of EndpointSlices in "+m.Name, addresses, stop), nil
}

// follow lists, and then watches from there without a cache. A watch that the API server ends, as it does when
// it is busy, goes on where it ended.
func follow(ctx context.Context, m *clusterset.Member, list client.ObjectList, options ...client.ListOption) (next func() (watch.Event, error), stop func(), err error) {
	if err := m.Client.List(ctx, list, options...); err != nil {
		return nil, nil, fmt.Errorf("listing %T of %s: %w", list, m.Name, err)
	}
	there, err := meta.ExtractList(list)
	if err != nil {
		return nil, nil, fmt.Errorf("listing %T of %s: %w", list, m.Name, err)
	}
	w, err := watchtools.NewRetryWatcherWithContext(ctx, list.GetResourceVersion(), &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, raw metav1.ListOptions) (watch.Interface, error) {
			return m.Client.Watch(ctx, list, append(options, &client.ListOptions{Raw: &raw})...)
		},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("watching %T of %s: %w", list, m.Name, err)
	}
	return func() (watch.Event, error) { return nextEvent(&there, w) }, func() { w.Stop(); <-w.Done() }, nil
}

// nextEvent takes what is there before it waits for what happens.
func nextEvent(there *[]runtime.Object, w watch.Interface) (watch.Event, error) {
	if len(*there) > 0 {
		o := (*there)[0]
		*there = (*there)[1:]
		return watch.Event{Type: watch.Added, Object: o}, nil
	}
	e, ok := <-w.ResultChan()
	if !ok {
		return e, errors.New("the watch ended")
	}
	if e.Type == watch.Error {
		return e, apierrors.FromObject(e.Object)
	}
	return e, nil
}

// showing wants one object, as it is while it is there.
func showing[T client.Object](name string, want func(T) bool) func(watch.Event) bool {
	return func(e watch.Event) bool {
		o, ok := e.Object.(T)
		return ok && e.Type != watch.Deleted && o.GetName() == name && want(o)
	}
}

// counting wants n objects that are as wanted at the same time. A door of a watch shows first what is
// there, so 0 wants that all of it goes.
func counting[T client.Object](n int, want func(T) bool) func(watch.Event) bool {
	standing := map[string]bool{}
	return func(e watch.Event) bool {
		o, ok := e.Object.(T)
		switch {
		case !ok:
			return false
		case e.Type != watch.Deleted && want(o):
			standing[o.GetName()] = true
		default:
			delete(standing, o.GetName())
		}
		return len(standing) == n
	}
}

func addressesIn(e watch.Event) []netip.Addr {
	var addresses []netip.Addr
	if slice, ok := e.Object.(*discoveryv1.EndpointSlice); ok && e.Type != watch.Deleted {
		for _, ep := range slice.Endpoints {
			for _, text := range ep.Addresses {
				if a, err := netip.ParseAddr(text); err == nil {
					addresses = append(addresses, a)
				}
			}
		}
	}
	return addresses
}
