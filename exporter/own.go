package exporter

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/hansa-mcs/hansa/federation"
)

// OwnConfig is what AddOwn works on.
type OwnConfig struct {
	Cluster federation.ClusterID // this one
	// Say is told what each Service of this cluster is, whenever that differs from what it was told before; nil for one
	// that went. It is called by one goroutine at a time and must not block. What it is told is for this cluster alone:
	// no ServiceExport was asked (E1).
	Say func(name federation.ServiceName, e *federation.Export)
	// Nodes tell where endpoints are, nil for nowhere.
	Nodes *Nodes
}

// own tells what the Services of this cluster are, exported or not, as clients in it see them under cluster.local.
type own struct {
	OwnConfig
	client client.Client
	known  chan struct{} // closes once every Service that was there at the start is said
	again  again
	moved  *moved

	mu   sync.Mutex // from reading a Service to having said it, so that nothing older is said later
	said map[federation.ServiceName]*federation.Export
}

// AddOwn makes mgr tell what the Services of this cluster are, on every replica, whoever leads. known closes once all that
// the caches held when they were complete is said. It needs the indexes that Add makes, so it is to be called after it.
func AddOwn(mgr manager.Manager, config OwnConfig) (known <-chan struct{}, err error) {
	o := newOwn(config, mgr.GetClient())
	err = ctrl.NewControllerManagedBy(mgr).
		Named("own").
		For(&corev1.Service{}).
		Watches(&discoveryv1.EndpointSlice{}, handler.EnqueueRequestsFromMapFunc(serviceOf)).
		WatchesRawSource(source.Channel(o.again, afterTheRest)).
		WithOptions(controller.Options{
			NeedLeaderElection:      new(false),
			MaxConcurrentReconciles: 1, // nothing is waited for: all is in memory
			UsePriorityQueue:        new(true),
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](retryLeast, retryMost),
		}).
		Complete(reconcile.Func(o.reconcile))
	if err != nil {
		return nil, fmt.Errorf("building the reader of this cluster's Services: %w", err)
	}
	return o.known, mgr.Add(o)
}

func newOwn(config OwnConfig, c client.Client) *own {
	return &own{OwnConfig: config, client: c, known: make(chan struct{}), again: make(again), moved: config.Nodes.follow(), said: map[federation.ServiceName]*federation.Export{}}
}

// NeedLeaderElection makes it run on every replica.
func (o *own) NeedLeaderElection() bool { return false }

// Start says all that there is, and that it is all. Until ctx ends it follows where Nodes are.
func (o *own) Start(ctx context.Context) error {
	if !o.Nodes.await(ctx) {
		return nil // we are stopping
	}
	err := o.tellAll(ctx)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	}
	close(o.known)
	o.moved.keepQueued(ctx, o.client, o.again)
	return nil
}

func (o *own) tellAll(ctx context.Context) error {
	var list corev1.ServiceList
	if err := o.client.List(ctx, &list, unwritten, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the Services of this cluster: %w", err)
	}
	for i := range list.Items {
		if err := o.tell(ctx, client.ObjectKeyFromObject(&list.Items[i])); err != nil {
			return err
		}
	}
	return nil
}

func (o *own) reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if !o.Nodes.await(ctx) {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, o.tell(ctx, req.NamespacedName)
}

// tell says what a Service is by now, if it was said to be another.
func (o *own) tell(ctx context.Context, key client.ObjectKey) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	name := federation.ServiceName{Namespace: key.Namespace, Name: key.Name}
	e, err := o.describe(ctx, key)
	if err != nil {
		return err
	}
	switch former := o.said[name]; {
	case e == nil && former == nil, e != nil && former != nil && e.Equal(former):
		return nil
	case e == nil:
		delete(o.said, name)
	default:
		o.said[name] = e
	}
	o.Say(name, e)
	return nil
}

// describe reads from the cache, without a copy, what a Service is; nil for none.
func (o *own) describe(ctx context.Context, key client.ObjectKey) (*federation.Export, error) {
	service, err := get(ctx, o.client, key, &corev1.Service{}, unwritten, client.UnsafeDisableDeepCopy)
	if err != nil || service == nil {
		return nil, err
	}
	var list discoveryv1.EndpointSliceList
	err = o.client.List(ctx, &list, client.InNamespace(key.Namespace), client.MatchingFields{byService: key.Name}, unwritten, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("listing the EndpointSlices of %s: %w", key, err)
	}
	endpoints := make([]*discoveryv1.EndpointSlice, len(list.Items))
	for i := range list.Items {
		endpoints[i] = &list.Items[i]
	}
	return DescribeOwn(o.Cluster, service, endpoints, o.Nodes.beneath(endpoints)), nil
}

// DescribeOwn returns what a Service of this cluster is to clients in it, exported or not; nil for one that has no host of
// its own: an ExternalName is another's, and a derived Service stands for an imported one. endpoints are the EndpointSlices
// that belong to it, of which imported ones are skipped, and nodes the places of their Nodes. The Export is normalized, and what is wrong in it left out.
func DescribeOwn(cluster federation.ClusterID, service *corev1.Service, endpoints []*discoveryv1.EndpointSlice, nodes map[string]Place) *federation.Export {
	name := nameOf(service)
	if service.Spec.Type == corev1.ServiceTypeExternalName || derived(service) || name.Check() != nil {
		return nil
	}
	e := bare(cluster, name, service, endpoints, nodes)
	e.Created = service.CreationTimestamp.Time
	e.Normalize()
	if e.Check() != nil {
		e.Mend(nil)
	}
	return e
}
