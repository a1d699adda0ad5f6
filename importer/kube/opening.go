package kube

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// opening feeds the importer what the API server knows, and opens it once that is complete.
type opening struct {
	features *features
	cache    cache.Cache
	store    *federation.Store
	importer *importer.Importer
	left     func() (bool, <-chan struct{})
	before   <-chan struct{} // closes when the facts of others are told; nil for none
	log      *slog.Logger
}

// Start subscribes to the local facts, restores what the slices remember, and opens the importer. The
// facts go on to come from the cache after it returned. A cluster that has left remembers nothing.
func (o *opening) Start(ctx context.Context) error {
	namespaces, err := o.follow(ctx, &corev1.Namespace{}, o.namespace)
	if err != nil {
		return err
	}
	services, err := o.follow(ctx, &corev1.Service{}, o.derived)
	if err != nil {
		return err
	}
	if left, _ := o.left(); !left {
		if err := o.restore(ctx); err != nil {
			return err
		}
	}
	o.features.ask(ctx, time.Now())
	if !toolscache.WaitForCacheSync(ctx.Done(), namespaces, services) {
		return nil
	}
	if o.before != nil {
		select {
		case <-o.before:
		case <-ctx.Done():
			return nil
		}
	}
	o.importer.Open()
	return nil
}

// follow calls fact for every object as it is and becomes: was is nil for a new one, is for one that went.
func (o *opening) follow(ctx context.Context, kind client.Object, fact func(was, is client.Object)) (toolscache.InformerSynced, error) {
	informer, err := o.cache.GetInformer(ctx, kind)
	if err != nil {
		return nil, fmt.Errorf("watching %T: %w", kind, err)
	}
	object := func(obj any) client.Object {
		if tombstone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
			obj = tombstone.Obj
		}
		o, _ := obj.(client.Object)
		return o
	}
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { fact(nil, object(obj)) },
		UpdateFunc: func(old, obj any) { fact(object(old), object(obj)) },
		DeleteFunc: func(obj any) { fact(object(obj), nil) },
	})
	if err != nil {
		return nil, fmt.Errorf("watching %T: %w", kind, err)
	}
	return registration.HasSynced, nil
}

// namespace counts a namespace that terminates as gone: nothing can be created in it.
func (o *opening) namespace(was, is client.Object) {
	switch {
	case is != nil:
		o.importer.SetNamespace(is.GetName(), is.GetDeletionTimestamp() == nil)
	case was != nil:
		o.importer.SetNamespace(was.GetName(), false)
	}
}

// derived tells the addresses of derived Services while they are ours.
func (o *opening) derived(was, is client.Object) {
	before, hadName := derivedFor(was)
	name, hasName := derivedFor(is)
	if hadName && before != name {
		o.importer.SetIPs(before, nil)
	}
	if service, ok := is.(*corev1.Service); ok && hasName {
		o.importer.SetIPs(name, addresses(service))
	}
}

// derivedFor returns the service that a derived Service of ours is for.
func derivedFor(o client.Object) (federation.ServiceName, bool) {
	if o == nil {
		return federation.ServiceName{}, false
	}
	name, ok := nameOf(o)
	return name, ok && o.GetName() == DerivedName(name)
}

// addresses parses the clusterset IPs of a derived Service, by family as they stand.
func addresses(derived *corev1.Service) []netip.Addr {
	var ips []netip.Addr
	for _, text := range derived.Spec.ClusterIPs {
		if ip, err := netip.ParseAddr(text); err == nil {
			ips = append(ips, ip)
		}
	}
	return ips
}

func (o *opening) restore(ctx context.Context) error {
	var list discoveryv1.EndpointSliceList
	if err := o.cache.List(ctx, &list, client.MatchingLabelsSelector{Selector: remembering}); err != nil {
		return fmt.Errorf("listing our EndpointSlices: %w", err)
	}
	held := make([]*discoveryv1.EndpointSlice, len(list.Items))
	for i := range list.Items {
		held[i] = &list.Items[i]
	}
	exports, bad := Recall(held)
	o.importer.Remember(fated(exports, held))
	for _, err := range bad {
		o.log.Warn("a slice remembers nothing", "error", err)
	}
	for cluster, list := range exports {
		refused := o.store.Restore(cluster, list)
		o.log.Info("restored", "peer", cluster, "exports", len(list)-len(refused))
		if len(refused) > 0 {
			o.log.Warn("what is remembered of a cluster is more than it may make this one hold", "peer", cluster, "refused", len(refused), "first", refused[0])
		}
	}
	return nil
}

// fated returns what is recalled with what became of it.
func fated(exports map[federation.ClusterID][]*federation.Export, held []*discoveryv1.EndpointSlice) (list []importer.Remembered) {
	type id struct {
		cluster federation.ClusterID
		name    federation.ServiceName
	}
	fates := map[id]federation.Fate{}
	for _, s := range held {
		name, _ := nameOf(s)
		key := id{sourceOf(s), name}
		fates[key] = max(fates[key], RecallFate(s))
	}
	for _, all := range exports {
		for _, e := range all {
			list = append(list, importer.Remembered{Export: e, Fate: fates[id{e.Cluster, e.Name}]})
		}
	}
	return list
}

// remembering selects what Recall reads.
var remembering = labels.SelectorFromSet(labels.Set{discoveryv1.LabelManagedBy: sliceManager})
