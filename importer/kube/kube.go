package kube

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// workers is how many services are written at once: enough to hide the API server's latency, few enough
// not to crowd out others.
const workers = 8

// byService finds our EndpointSlices of a service in the cache.
const byService = "imported-service"

// Door keeps this cluster's objects equal to the importer's View.
type Door struct {
	client   client.Client
	importer *importer.Importer
	log      *slog.Logger
	dirty    chan event.GenericEvent
	waiting  waiting
}

// Add makes mgr run a Door: Open first, once the caches are complete, then the writing. The manager's
// scheme must know the core, discovery and MCS API types, and the API server must serve ServiceImports.
func Add(ctx context.Context, mgr manager.Manager, store *federation.Store, imp *importer.Importer, log *slog.Logger) error {
	d := &Door{client: mgr.GetClient(), importer: imp, log: log, dirty: make(chan event.GenericEvent)}
	err := mgr.GetFieldIndexer().IndexField(ctx, &discoveryv1.EndpointSlice{}, byService, func(o client.Object) []string {
		if name, ok := nameOf(o); ok {
			return []string{name.Name}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("indexing EndpointSlices: %w", err)
	}
	mine := builder.WithPredicates(predicate.NewPredicateFuncs(ours))
	err = ctrl.NewControllerManagedBy(mgr).
		Named("importer").
		Watches(&mcsv1beta1.ServiceImport{}, &handler.EnqueueRequestForObject{}, mine).
		Watches(&corev1.Service{}, handler.EnqueueRequestsFromMapFunc(serviceOf), mine).
		Watches(&discoveryv1.EndpointSlice{}, handler.EnqueueRequestsFromMapFunc(serviceOf), mine).
		WatchesRawSource(source.Channel(d.dirty, &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(d)
	if err != nil {
		return fmt.Errorf("building the importer's controller: %w", err)
	}
	if err := mgr.Add(&opening{cache: mgr.GetCache(), store: store, importer: imp, log: log}); err != nil {
		return err
	}
	return mgr.Add(d)
}

// Start follows the Views until ctx ends: each service that differs from the last View that it saw is
// looked at again, and all whose removal waits are when another cluster's complete set came.
func (d *Door) Start(ctx context.Context) error {
	select {
	case <-d.importer.Ready():
	case <-ctx.Done():
		return nil
	}
	last := importer.Empty()
	for {
		view := d.importer.View()
		for change := range importer.Diff(last, view) {
			if !d.enqueue(ctx, change.Name) {
				return nil
			}
		}
		last = view
		for _, name := range d.waiting.take(view) {
			if !d.enqueue(ctx, name) {
				return nil
			}
		}
		select {
		case <-view.Replaced():
		case <-ctx.Done():
			return nil
		}
	}
}

func (d *Door) enqueue(ctx context.Context, name federation.ServiceName) bool {
	o := &mcsv1beta1.ServiceImport{}
	o.Namespace, o.Name = name.Namespace, name.Name
	select {
	case d.dirty <- event.GenericEvent{Object: o}:
		return true
	case <-ctx.Done():
		return false
	}
}

// Reconcile writes what Plan says of one service.
func (d *Door) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	select {
	case <-d.importer.Ready():
	case <-ctx.Done():
		return ctrl.Result{}, nil
	}
	name := federation.ServiceName{Namespace: req.Namespace, Name: req.Name}
	view := d.importer.View()
	now, err := d.current(ctx, name)
	if err != nil {
		return ctrl.Result{}, err
	}
	for _, change := range Plan(name, view.Service(name), now, view.Synced) {
		if err := d.write(ctx, change); err != nil {
			return ctrl.Result{}, err
		}
	}
	unheard := slices.ContainsFunc(clustersOf(now), func(c federation.ClusterID) bool { return !view.Synced(c) })
	if unheard && !d.waiting.add(name, view) {
		return d.Reconcile(ctx, req)
	}
	return ctrl.Result{}, nil
}

// current reads from the cache what the API server holds for a service.
func (d *Door) current(ctx context.Context, name federation.ServiceName) (now Current, err error) {
	if now.Import, err = get(ctx, d.client, key(name), &mcsv1beta1.ServiceImport{}); err != nil {
		return now, err
	}
	derived := key(federation.ServiceName{Namespace: name.Namespace, Name: DerivedName(name)})
	if now.Derived, err = get(ctx, d.client, derived, &corev1.Service{}); err != nil {
		return now, err
	}
	var list discoveryv1.EndpointSliceList
	if err := d.client.List(ctx, &list, client.InNamespace(name.Namespace), client.MatchingFields{byService: name.Name}); err != nil {
		return now, fmt.Errorf("listing the EndpointSlices of %s: %w", name, err)
	}
	for i := range list.Items {
		now.Slices = append(now.Slices, &list.Items[i])
	}
	return now, nil
}

func serviceOf(_ context.Context, o client.Object) []ctrl.Request {
	if name, ok := nameOf(o); ok {
		return []ctrl.Request{{NamespacedName: key(name)}}
	}
	return nil
}

// ourSlices selects what Recall reads.
var ourSlices = labels.SelectorFromSet(labels.Set{discoveryv1.LabelManagedBy: sliceManager})
