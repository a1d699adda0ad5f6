package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/source"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// workers is how many services are written at once: enough to hide the API server's latency, few enough
// not to crowd out others.
const workers = 8

// retryMost bounds how long a failed write waits: an API server that is back is not waited for.
const retryMost = 10 * time.Second

// byDerived finds the EndpointSlices that are named after a derived Service in the cache, whoever has
// edited their labels.
const byDerived = "derived-service"

// door keeps this cluster's objects equal to the importer's View.
type door struct {
	client   client.Client
	importer *importer.Importer
	log      *slog.Logger
	dirty    chan event.GenericEvent
	waiting  waiting
	blocked  sync.Map // what is somebody else's and in our way, by its key, to the service's name
}

// Add makes mgr run this door: it opens the importer once the caches are complete, then writes. The
// manager's scheme must know the core, discovery and MCS API types, and the API server must serve
// ServiceImports.
func Add(ctx context.Context, mgr manager.Manager, store *federation.Store, imp *importer.Importer, log *slog.Logger) error {
	d := &door{client: mgr.GetClient(), importer: imp, log: log, dirty: make(chan event.GenericEvent)}
	err := mgr.GetFieldIndexer().IndexField(ctx, &discoveryv1.EndpointSlice{}, byDerived, func(o client.Object) []string {
		return []string{derivedOf(o.GetName())}
	})
	if err != nil {
		return fmt.Errorf("indexing EndpointSlices: %w", err)
	}
	// What an object was is asked as well as what it is: an edit that takes our mark away wakes us too.
	toService := handler.EnqueueRequestsFromMapFunc(d.serviceOf)
	err = ctrl.NewControllerManagedBy(mgr).
		Named("importer").
		Watches(&mcsv1beta1.ServiceImport{}, &handler.EnqueueRequestForObject{}).
		Watches(&corev1.Service{}, toService).
		Watches(&discoveryv1.EndpointSlice{}, toService).
		WatchesRawSource(source.Channel(d.dirty, &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](5*time.Millisecond, retryMost),
		}).
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
func (d *door) Start(ctx context.Context) error {
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

func (d *door) enqueue(ctx context.Context, name federation.ServiceName) bool {
	o := &mcsv1beta1.ServiceImport{}
	o.Namespace, o.Name = name.Namespace, name.Name
	select {
	case d.dirty <- event.GenericEvent{Object: o}:
		return true
	case <-ctx.Done():
		return false
	}
}

// Reconcile writes what Plan says of one service. What fails is tried again, and keeps nothing else from
// being written.
func (d *door) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	select {
	case <-d.importer.Ready():
	case <-ctx.Done():
		return ctrl.Result{}, nil
	}
	name := federation.ServiceName{Namespace: req.Namespace, Name: req.Name}
	for {
		view := d.importer.View()
		now, err := d.current(ctx, name)
		if err != nil {
			return ctrl.Result{}, err
		}
		d.leaveAlone(name, view.Service(name), now)
		var errs []error
		for _, change := range Plan(name, view.Service(name), now, view.Synced) {
			errs = append(errs, d.write(ctx, change))
		}
		if err := errors.Join(errs...); err != nil {
			return ctrl.Result{}, err
		}
		if len(unheard(now, view.Synced)) == 0 || d.waiting.add(name, view) {
			return ctrl.Result{}, nil
		}
	}
}

// leaveAlone says once that a service cannot be imported as somebody else has its names. When a foreign
// derived Service goes, whose name tells nothing, the service is looked at again.
func (d *door) leaveAlone(name federation.ServiceName, want *importer.Service, now Current) {
	foreign := now.foreign()
	if want == nil || foreign == nil {
		d.blocked.Delete(key(name))
		d.blocked.Delete(derivedKey(name))
		return
	}
	if _, known := d.blocked.LoadOrStore(client.ObjectKeyFromObject(foreign), name); !known {
		d.log.Warn("not imported: an object that is not ours has the name", "service", name.String(),
			"object", fmt.Sprintf("%T %s", foreign, foreign.GetName()))
	}
}

// current reads from the cache what the API server holds for a service.
func (d *door) current(ctx context.Context, name federation.ServiceName) (now Current, err error) {
	if now.Import, err = get(ctx, d.client, key(name), &mcsv1beta1.ServiceImport{}); err != nil {
		return now, err
	}
	derived := derivedKey(name)
	if now.Derived, err = get(ctx, d.client, derived, &corev1.Service{}); err != nil {
		return now, err
	}
	var list discoveryv1.EndpointSliceList
	if err := d.client.List(ctx, &list, client.InNamespace(name.Namespace), client.MatchingFields{byDerived: derived.Name}); err != nil {
		return now, fmt.Errorf("listing the EndpointSlices of %s: %w", name, err)
	}
	for i := range list.Items {
		now.Slices = append(now.Slices, &list.Items[i])
	}
	return now, nil
}

// serviceOf maps an object of ours, or one that was in our way, to its service.
func (d *door) serviceOf(_ context.Context, o client.Object) []ctrl.Request {
	name, ok := nameOf(o)
	if blocked, found := d.blocked.LoadAndDelete(client.ObjectKeyFromObject(o)); found && !ok {
		name, ok = blocked.(federation.ServiceName)
	}
	if !ok {
		return nil
	}
	return []ctrl.Request{{NamespacedName: key(name)}}
}
