package kube

import (
	"context"
	"fmt"
	"log/slog"

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
	client   client.Client
	cache    cache.Cache
	store    *federation.Store
	importer *importer.Importer
	log      *slog.Logger
}

// Start subscribes to the local facts, restores what the slices remember, and opens the importer. The
// facts go on to come from the cache after it returned.
func (o *opening) Start(ctx context.Context) error {
	namespaces, err := o.follow(ctx, &corev1.Namespace{}, o.namespace)
	if err != nil {
		return err
	}
	services, err := o.follow(ctx, &corev1.Service{}, o.derived)
	if err != nil {
		return err
	}
	if err := o.restore(ctx); err != nil {
		return err
	}
	families, err := allocatable(ctx, o.client)
	if err != nil {
		o.log.Warn("taking it that this cluster allocates addresses of a family", "families", families, "error", err)
	}
	o.importer.SetFamilies(families)
	if toolscache.WaitForCacheSync(ctx.Done(), namespaces, services) {
		o.importer.Open()
	}
	return nil
}

// follow calls fact for every object as it is and becomes. An object that was deleted, or is no longer what
// it was, is told as gone before.
func (o *opening) follow(ctx context.Context, kind client.Object, fact func(o client.Object, gone bool)) (toolscache.InformerSynced, error) {
	informer, err := o.cache.GetInformer(ctx, kind)
	if err != nil {
		return nil, fmt.Errorf("watching %T: %w", kind, err)
	}
	tell := func(obj any, gone bool) {
		if tombstone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
			obj = tombstone.Obj
		}
		if object, ok := obj.(client.Object); ok {
			fact(object, gone)
		}
	}
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) { tell(obj, false) },
		UpdateFunc: func(old, obj any) {
			if was, ok := old.(client.Object); ok && ours(was) && !ours(obj.(client.Object)) {
				tell(old, true)
			}
			tell(obj, false)
		},
		DeleteFunc: func(obj any) { tell(obj, true) },
	})
	if err != nil {
		return nil, fmt.Errorf("watching %T: %w", kind, err)
	}
	return registration.HasSynced, nil
}

// namespace counts a namespace that terminates as gone: nothing can be created in it.
func (o *opening) namespace(object client.Object, gone bool) {
	o.importer.SetNamespace(object.GetName(), !gone && object.GetDeletionTimestamp() == nil)
}

// derived tells the addresses of derived Services that are ours.
func (o *opening) derived(object client.Object, gone bool) {
	name, ok := nameOf(object)
	service, isService := object.(*corev1.Service)
	switch {
	case !ok || !isService || service.Name != DerivedName(name):
	case gone:
		o.importer.SetIPs(name, nil)
	default:
		o.importer.SetIPs(name, addresses(service))
	}
}

func (o *opening) restore(ctx context.Context) error {
	var list discoveryv1.EndpointSliceList
	if err := o.cache.List(ctx, &list, client.MatchingLabelsSelector{Selector: ourSlices}); err != nil {
		return fmt.Errorf("listing our EndpointSlices: %w", err)
	}
	slices := make([]*discoveryv1.EndpointSlice, len(list.Items))
	for i := range list.Items {
		slices[i] = &list.Items[i]
	}
	exports, bad := Recall(slices)
	for _, err := range bad {
		o.log.Warn("a slice remembers nothing", "error", err)
	}
	for cluster, list := range exports {
		o.store.Restore(cluster, list)
		o.log.Info("restored", "peer", cluster, "exports", len(list))
	}
	return nil
}

// ourSlices selects what Recall reads.
var ourSlices = labels.SelectorFromSet(labels.Set{discoveryv1.LabelManagedBy: sliceManager})
