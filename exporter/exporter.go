package exporter

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/source"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
)

// workers is how many services are described at once: a status that takes long to write holds up few others.
const workers = 8

// termPause is the least time between two terms, so that no peer can make us begin them without end.
const termPause = 10 * time.Second

// A failed write waits for so long, and longer each time: an API server that is back is not waited for.
const (
	retryLeast = 100 * time.Millisecond
	retryMost  = 10 * time.Second
)

// Config is what an exporter works on.
type Config struct {
	Store *federation.Store
	// Restored closes once the Store holds what this cluster is remembered to have said: what cannot be said
	// anew stays as it was.
	Restored <-chan struct{}
	// Policy says what may be exported to whom; the Store withholds by it.
	Policy federation.Namespaces
	// Definition is the CRD of ServiceExports.
	Definition Definition
	// Lead waits until this agent leads its cluster, and returns a context that ends when it may not write any
	// more, what to call when it has written, and the stint that it leads in. Its error is that ctx ended.
	Lead func(ctx context.Context) (lead context.Context, done func(), stint uint64, err error)
	// TakeTerm returns a term of at least that number, which no other leader of this cluster had or will have.
	TakeTerm func(ctx context.Context, atLeast uint64) (uint64, error)
	// Stance returns how this cluster is to stand to the others, and a channel that closes when that changes. Nil means
	// that it always Speaks.
	Stance func() (Stance, <-chan struct{})
	// Drain returns whether this cluster is drained, and a channel that closes when that changes. Nil means that it never is.
	Drain func() (federation.Drain, <-chan struct{})
	// Auto are the rules of auto-export: what it made is exported only while they say so, so that a Service that is not to
	// be is not while its ServiceExport is still there. Nil leaves that to AddAuto alone.
	Auto *AutoRules
	// Nodes tell where endpoints are, nil for nowhere.
	Nodes *Nodes
	Log   *slog.Logger
}

// exporter keeps this cluster's part of a Store equal to its API server.
type exporter struct {
	Config
	client    client.Client
	live      client.Reader // the API server itself, not the cache
	recorder  events.EventRecorder
	announced announced
	again     again
	missing   *missing
	moved     *moved
	stance    Stance           // in which this cluster was announced last
	drain     federation.Drain // that was announced last
}

// Add makes mgr run an exporter. The manager's scheme must know the core, discovery and MCS API types, and
// the API server must serve ServiceExports.
func Add(ctx context.Context, mgr manager.Manager, config Config) error {
	x := newExporter(config, mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder(eventReporter))
	if err := indexSlices(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	err := ctrl.NewControllerManagedBy(mgr).
		Named("exporter").
		For(&mcsv1beta1.ServiceExport{}).
		Watches(&corev1.Service{}, &handler.EnqueueRequestForObject{}).
		Watches(&discoveryv1.EndpointSlice{}, handler.EnqueueRequestsFromMapFunc(serviceOf)).
		WatchesRawSource(source.Channel(x.again, afterTheRest)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			UsePriorityQueue:        new(true),
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](5*time.Millisecond, retryMost),
		}).
		Complete(x)
	if err != nil {
		return fmt.Errorf("building the exporter: %w", err)
	}
	// The manager starts x once its caches are complete.
	return mgr.Add(x)
}

func newExporter(config Config, c client.Client, live client.Reader, recorder events.EventRecorder) *exporter {
	if config.Drain == nil {
		config.Drain = func() (federation.Drain, <-chan struct{}) { return federation.Drain{}, nil }
	}
	if config.Stance == nil {
		config.Stance = func() (Stance, <-chan struct{}) { return Speaks, nil }
	}
	return &exporter{
		Config: config, client: c, live: live, recorder: recorder,
		announced: announced{changed: make(chan struct{})}, again: make(again), missing: newMissing(), moved: config.Nodes.follow(),
	}
}

// Start announces the complete set of exports whenever this agent begins to lead, and only then lets Reconcile
// change it: a leader speaks when it knows everything, so that what it does not say is really gone. Until ctx ends
// it follows what may change this beside the objects: terms, other clusters, the CRD, and where Nodes are.
func (x *exporter) Start(ctx context.Context) error {
	select {
	case <-x.Restored:
	case <-ctx.Done():
		return nil
	}
	if !x.Nodes.await(ctx) {
		return nil
	}
	var loops sync.WaitGroup
	for _, loop := range []func(context.Context){x.keepAnnounced, x.keepTerm, x.followPeers, x.followDefinition, x.followNodes} {
		loops.Go(func() { loop(ctx) })
	}
	loops.Wait()
	return nil
}

// complete returns all that this cluster exports.
func (x *exporter) complete(ctx context.Context) ([]*federation.Export, error) {
	var list mcsv1beta1.ServiceExportList
	if err := x.client.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("listing ServiceExports: %w", err)
	}
	if err := x.behind(ctx, list.Items); err != nil {
		return nil, err
	}
	var exports []*federation.Export
	there := map[federation.ServiceName]bool{}
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp != nil {
			continue
		}
		there[nameOf(&list.Items[i])] = true
		x.missing.meet(nameOf(&list.Items[i]))
		e, _, err := x.describe(ctx, &list.Items[i])
		if err != nil {
			return nil, err
		}
		if e != nil {
			exports = append(exports, e)
		}
	}
	return append(exports, x.remembered(ctx, there)...), nil
}

// behind returns an error while our cache lacks a ServiceExport that the API server has: our watch may be broken
// though the Lease is ours, and what a leader does not announce it withdraws.
func (x *exporter) behind(ctx context.Context, cached []mcsv1beta1.ServiceExport) error {
	have := make(map[federation.ServiceName]bool, len(cached))
	for i := range cached {
		have[nameOf(&cached[i])] = true
	}
	var list mcsv1beta1.ServiceExportList
	if err := x.live.List(ctx, &list); err != nil {
		return fmt.Errorf("listing ServiceExports at the API server: %w", err)
	}
	for i := range list.Items {
		if name := nameOf(&list.Items[i]); !have[name] && list.Items[i].DeletionTimestamp == nil {
			return fmt.Errorf("ServiceExport %s is not in our cache yet", name)
		}
	}
	return nil
}

func nameOf(o client.Object) federation.ServiceName {
	return federation.ServiceName{Namespace: o.GetNamespace(), Name: o.GetName()}
}

// said returns what the Store holds of this cluster and a service, nil if nothing.
func (x *exporter) said(name federation.ServiceName) *federation.Export {
	return x.Store.Export(x.Store.Self(), name)
}

func (x *exporter) version() federation.Version { return x.Store.Version(x.Store.Self()) }

// Reconcile makes the Store and the status say what is true of one service, once this agent leads. What an agent
// began that leads no more is begun anew when it does again.
func (x *exporter) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	lead, done, err := x.lead(ctx)
	if err != nil {
		return ctrl.Result{}, nil // we are stopping
	}
	defer done()
	result, err := x.reconcile(lead, req)
	switch {
	case ctx.Err() != nil: // we are stopping: what could not be done is no failure
		return ctrl.Result{}, nil
	case lead.Err() != nil: // whatever was written or said may not have been taken
		return ctrl.Result{RequeueAfter: time.Millisecond}, nil
	}
	return result, err
}

func (x *exporter) reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	name := federation.ServiceName{Namespace: req.Namespace, Name: req.Name}
	export, err := get(ctx, x.client, req.NamespacedName, &mcsv1beta1.ServiceExport{})
	if err != nil {
		return ctrl.Result{}, err
	}
	if export == nil || export.DeletionTimestamp != nil {
		after, err := x.withdraw(ctx, name)
		if err != nil || export == nil || x.said(name) != nil {
			return ctrl.Result{RequeueAfter: after}, err
		}
	} else {
		x.missing.meet(name)
	}
	e, status, err := x.describe(ctx, export)
	if err != nil {
		return ctrl.Result{}, err
	}
	if why := x.stillness(); why != "" {
		e, status.Ready = nil, pending(export, why)
	}
	if e != nil {
		x.Store.Set(e)
	} else {
		x.Store.Withdraw(name)
	}
	return ctrl.Result{}, x.writeStatus(ctx, export, e, status)
}

// describe returns what to say of an export, nil for nothing, and its status.
func (x *exporter) describe(ctx context.Context, export *mcsv1beta1.ServiceExport) (*federation.Export, Status, error) {
	service, err := get(ctx, x.client, client.ObjectKeyFromObject(export), &corev1.Service{}, unwritten)
	if err != nil {
		return nil, Status{}, err
	}
	var list discoveryv1.EndpointSliceList
	if err := x.client.List(ctx, &list, client.InNamespace(export.Namespace), client.MatchingFields{byService: export.Name}, unwritten); err != nil {
		return nil, Status{}, fmt.Errorf("listing the EndpointSlices of %s/%s: %w", export.Namespace, export.Name, err)
	}
	endpoints := make([]*discoveryv1.EndpointSlice, len(list.Items))
	for i := range list.Items {
		endpoints[i] = &list.Items[i]
	}
	e, status := Describe(x.Store.Self(), x.Policy, export, service, endpoints, x.Nodes.beneath(endpoints), x.said(nameOf(export)))
	if e != nil {
		e.Drain, _ = x.Drain()
	}
	why, err := x.overtaken(ctx, export, service)
	if err != nil {
		return nil, Status{}, err
	}
	if why != "" {
		e, status.Ready = nil, pending(export, "auto-export made it, and takes it back: "+why)
	}
	return e, status, nil
}

// overtaken says why a ServiceExport that auto-export made is not to be any more, "" if it is.
func (x *exporter) overtaken(ctx context.Context, export *mcsv1beta1.ServiceExport, service *corev1.Service) (string, error) {
	if x.Auto == nil || service == nil || !ByAuto(export) || export.DeletionTimestamp != nil {
		return "", nil
	}
	namespace, err := get(ctx, x.client, client.ObjectKey{Name: export.Namespace}, &corev1.Namespace{}, unwritten)
	if err != nil || namespace == nil {
		return "", err
	}
	return x.Auto.leavesOut(namespace, service), nil
}

// unwritten reads what the exporter never writes, so that no write of another has to be waited for.
const unwritten = client.DisableReadYourWritesConsistency

// get returns an object of the cache, nil when there is none.
func get[T client.Object](ctx context.Context, c client.Reader, key types.NamespacedName, into T, options ...client.GetOption) (T, error) {
	var none T
	err := c.Get(ctx, key, into, options...)
	if apierrors.IsNotFound(err) {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("reading %T %s: %w", into, key, err)
	}
	return into, nil
}

// serviceOf maps a slice to the service that it belongs to. An imported one wakes nobody; one that became
// imported does, as both what it was and what it is are asked.
func serviceOf(_ context.Context, o client.Object) []ctrl.Request {
	name := o.GetLabels()[discoveryv1.LabelServiceName]
	if slice, ok := o.(*discoveryv1.EndpointSlice); !ok || name == "" || imported(slice) {
		return nil
	}
	return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}}}
}
