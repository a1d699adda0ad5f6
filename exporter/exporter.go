package exporter

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
)

// byService finds the EndpointSlices of a Service in the cache.
const byService = "service"

// Exporter keeps this cluster's part of a Store equal to its API server.
type Exporter struct {
	client    client.Client
	store     *federation.Store
	log       *slog.Logger
	announced chan struct{}
}

// Add makes mgr run an exporter for store. The manager's scheme must know the core, discovery and MCS
// API types, and the API server must serve ServiceExports.
func Add(ctx context.Context, mgr manager.Manager, store *federation.Store, log *slog.Logger) (*Exporter, error) {
	x := &Exporter{client: mgr.GetClient(), store: store, log: log, announced: make(chan struct{})}
	err := mgr.GetFieldIndexer().IndexField(ctx, &discoveryv1.EndpointSlice{}, byService, func(o client.Object) []string {
		return []string{o.GetLabels()[discoveryv1.LabelServiceName]}
	})
	if err != nil {
		return nil, fmt.Errorf("indexing EndpointSlices: %w", err)
	}
	err = ctrl.NewControllerManagedBy(mgr).
		Named("exporter").
		For(&mcsv1beta1.ServiceExport{}).
		Watches(&corev1.Service{}, &handler.EnqueueRequestForObject{}).
		Watches(&discoveryv1.EndpointSlice{}, handler.EnqueueRequestsFromMapFunc(serviceOf), builder.WithPredicates(localSlices)).
		Complete(x)
	if err != nil {
		return nil, fmt.Errorf("building the exporter: %w", err)
	}
	// The manager starts x once its caches are complete.
	return x, mgr.Add(x)
}

// Start announces the complete set of exports, and only then lets Reconcile change it: a leader speaks
// when it knows everything, so that what it does not say is really gone. It returns at once.
func (x *Exporter) Start(ctx context.Context) error {
	var list mcsv1beta1.ServiceExportList
	if err := x.client.List(ctx, &list); err != nil {
		return fmt.Errorf("listing ServiceExports: %w", err)
	}
	var exports []*federation.Export
	for i := range list.Items {
		e, _, err := x.describe(ctx, &list.Items[i])
		if err != nil {
			return err
		}
		if e != nil {
			exports = append(exports, e)
		}
	}
	term := federation.NextTerm(x.store.Version(x.store.Self()).Term, time.Now())
	x.store.Announce(term, exports)
	x.log.Info("announced", "exports", len(exports), "version", x.store.Version(x.store.Self()))
	close(x.announced)
	return nil
}

// Announced returns a channel that closes once this cluster has spoken.
func (x *Exporter) Announced() <-chan struct{} { return x.announced }

// Reconcile makes the Store and the status say what is true of one service.
func (x *Exporter) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	select {
	case <-x.announced:
	case <-ctx.Done():
		return ctrl.Result{}, nil
	}
	name := federation.ServiceName{Namespace: req.Namespace, Name: req.Name}
	export, err := get(ctx, x.client, req.NamespacedName, &mcsv1beta1.ServiceExport{})
	if err != nil {
		return ctrl.Result{}, err
	}
	if export == nil || export.DeletionTimestamp != nil {
		x.store.Withdraw(name)
		return ctrl.Result{}, nil
	}
	e, status, err := x.describe(ctx, export)
	if err != nil {
		return ctrl.Result{}, err
	}
	if e != nil {
		x.store.Set(e)
	} else {
		x.store.Withdraw(name)
	}
	return ctrl.Result{}, x.writeStatus(ctx, export, status)
}

func (x *Exporter) describe(ctx context.Context, export *mcsv1beta1.ServiceExport) (*federation.Export, Status, error) {
	service, err := get(ctx, x.client, client.ObjectKeyFromObject(export), &corev1.Service{})
	if err != nil {
		return nil, Status{}, err
	}
	var list discoveryv1.EndpointSliceList
	if err := x.client.List(ctx, &list, client.InNamespace(export.Namespace), client.MatchingFields{byService: export.Name}); err != nil {
		return nil, Status{}, fmt.Errorf("listing the EndpointSlices of %s/%s: %w", export.Namespace, export.Name, err)
	}
	endpoints := make([]*discoveryv1.EndpointSlice, len(list.Items))
	for i := range list.Items {
		endpoints[i] = &list.Items[i]
	}
	e, status := Describe(x.store.Self(), export, service, endpoints)
	return e, status, nil
}

// get returns an object of the cache, nil when there is none.
func get[T client.Object](ctx context.Context, c client.Client, key types.NamespacedName, into T) (T, error) {
	var none T
	err := c.Get(ctx, key, into)
	if apierrors.IsNotFound(err) {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("reading %T %s: %w", into, key, err)
	}
	return into, nil
}

// serviceOf maps a slice to the service that it belongs to.
func serviceOf(_ context.Context, o client.Object) []ctrl.Request {
	name := o.GetLabels()[discoveryv1.LabelServiceName]
	if name == "" {
		return nil
	}
	return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}}}
}

// localSlices keeps imported slices from waking the exporter.
var localSlices = predicate.NewPredicateFuncs(func(o client.Object) bool {
	slice, ok := o.(*discoveryv1.EndpointSlice)
	return ok && !imported(slice)
})
