package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
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

// byDerived finds the EndpointSlices of a derived Service in the cache: those that are named after it, whoever
// has edited their labels, and those that somebody else labelled for it.
const byDerived = "derived-service"

// door keeps this cluster's objects equal to the importer's View.
type door struct {
	client    client.Client
	plain     client.Client // without a cache
	self      federation.ClusterID
	store     *federation.Store
	importer  *importer.Importer
	rest      time.Duration
	log       *slog.Logger
	lead      func(ctx context.Context) (lead context.Context, done func(), stint uint64, err error)
	left      func() (bool, <-chan struct{})
	withdrawn func() (bool, <-chan struct{})
	queue     chan priorityqueue.PriorityQueue[ctrl.Request] // the controller's, once
	waiting   waiting
	teller    *teller
	features  *features

	definition Definition
	blocked    *Blocked
	written    written
	budget     *budget
	imports    imports
	inWay      sync.Map // foreign derived Services, by their key, to the service's name
	taken      taken
}

// DefaultAddressRest is how long an address rests by default (design: five minutes outlast a mistaken
// withdrawal, a roll-out and a restart).
const DefaultAddressRest = 5 * time.Minute

// Config is what this door works on.
type Config struct {
	Store    *federation.Store
	Importer *importer.Importer
	// Definition is the CRD of ServiceImports.
	Definition Definition
	// AddressRest is how long a derived Service outlives its ServiceImport, so that a name that comes back
	// within it gets the same address. 0 gives the address back at once.
	AddressRest time.Duration
	// Lead waits until this agent leads its cluster, and returns a context that ends when it may not write any
	// more, what to call when it has written, and the stint that it leads in. Its error is that ctx ended.
	Lead func(ctx context.Context) (lead context.Context, done func(), stint uint64, err error)
	// Left reports whether this cluster has left the clusterset, and returns a channel that closes when that changes:
	// then all that is ours goes, at once and whoever was heard. Nil means that it never has.
	Left func() (bool, <-chan struct{})
	// Withdrawn reports, while the Views are without MCSServiceDiscovery, whether the other members know that this one
	// withholds what it exports, and returns a channel that closes when that changes: what is ours stays until they do,
	// and then goes, whoever was heard. Nil means that they always know.
	Withdrawn func() (bool, <-chan struct{})
	// Before closes once whoever else tells the importer facts has told all of them; nil for nobody.
	Before <-chan struct{}
	// Blocked is told which services cannot be imported; nil if nobody asks for it.
	Blocked *Blocked
	Log     *slog.Logger
}

// Add makes mgr run this door: it opens the importer once the caches are complete, then writes. The
// manager's scheme must know the core, discovery and MCS API types, and the API server must serve
// ServiceImports.
func Add(ctx context.Context, mgr manager.Manager, config Config) error {
	plain, err := client.New(mgr.GetConfig(), client.Options{HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	if config.Left == nil {
		config.Left = always(false)
	}
	if config.Withdrawn == nil {
		config.Withdrawn = always(true)
	}
	d := &door{
		client: mgr.GetClient(), plain: plain, self: config.Store.Self(), store: config.Store, importer: config.Importer, rest: config.AddressRest, log: config.Log,
		queue: make(chan priorityqueue.PriorityQueue[ctrl.Request], 1), teller: newTeller(mgr.GetEventRecorder("hansa-agent")),
		definition: config.Definition, lead: config.Lead, left: config.Left, withdrawn: config.Withdrawn, blocked: cmp.Or(config.Blocked, &Blocked{}), budget: newBudget(),
		features: &features{client: plain, importer: config.Importer, log: config.Log},
	}
	err = mgr.GetFieldIndexer().IndexField(ctx, &discoveryv1.EndpointSlice{}, byDerived, func(o client.Object) []string {
		return []string{cmp.Or(derivedOf(o.GetName()), o.GetLabels()[discoveryv1.LabelServiceName])}
	})
	if err != nil {
		return fmt.Errorf("indexing EndpointSlices: %w", err)
	}
	// What an object was is asked as well as what it is: an edit that takes our mark away wakes us too.
	toService := handler.EnqueueRequestsFromMapFunc(d.serviceOf)
	err = ctrl.NewControllerManagedBy(mgr).
		Named("importer").
		Watches(&mcsv1beta1.ServiceImport{}, &handler.EnqueueRequestForObject{}).
		Watches(&mcsv1beta1.ServiceExport{}, &handler.EnqueueRequestForObject{}).
		Watches(&corev1.Service{}, toService).
		Watches(&discoveryv1.EndpointSlice{}, toService).
		WatchesRawSource(source.Func(d.takeQueue)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			UsePriorityQueue:        new(true),
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](5*time.Millisecond, retryMost),
		}).
		Complete(d)
	if err != nil {
		return fmt.Errorf("building the importer's controller: %w", err)
	}
	opening := &opening{features: d.features, cache: mgr.GetCache(), store: config.Store, importer: config.Importer, left: config.Left, before: config.Before, log: config.Log}
	if err := mgr.Add(opening); err != nil {
		return err
	}
	return mgr.Add(d)
}

// takeQueue is a source of the controller that puts nothing in by itself: Start does, into the queue.
func (d *door) takeQueue(_ context.Context, q workqueue.TypedRateLimitingInterface[ctrl.Request]) error {
	queue, ok := q.(priorityqueue.PriorityQueue[ctrl.Request])
	if !ok {
		return fmt.Errorf("the controller's queue is a %T, want one with priorities", q)
	}
	d.queue <- queue
	return nil
}

// Start follows the Views until ctx ends: each service that differs from the last View that it saw is
// looked at again, and all whose removal waits are when another cluster's complete set came; all that there are, when
// this cluster leaves or comes back, or the others know that it withholds what it exports.
func (d *door) Start(ctx context.Context) error {
	var queue priorityqueue.PriorityQueue[ctrl.Request]
	select {
	case queue = <-d.queue:
	case <-ctx.Done():
		return nil
	}
	select {
	case <-d.importer.Ready():
	case <-ctx.Done():
		return nil
	}
	last, view := importer.Empty(), d.importer.View()
	_, left := d.left()
	_, withdrawn := d.withdrawn()
	for ; ; view = d.importer.View() {
		for change := range importer.Diff(last, view) {
			queue.AddWithOpts(priorityqueue.AddOpts{Priority: new(urgency(change))}, ctrl.Request{NamespacedName: key(change.Name)})
		}
		last = view
		for _, name := range d.waiting.take(view) {
			queue.Add(ctrl.Request{NamespacedName: key(name)})
		}
		select {
		case <-view.Replaced():
		case <-left:
			_, left = d.left()
			d.lookAtAll(ctx, queue)
		case <-withdrawn:
			_, withdrawn = d.withdrawn()
			d.lookAtAll(ctx, queue)
		case <-d.definition.Returned():
			d.log.Info("the CRD of ServiceImports is back")
			for _, name := range d.imports.takeLost() {
				queue.Add(ctrl.Request{NamespacedName: key(name)})
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// lookAtAll queues every service of which there is an object of ours.
func (d *door) lookAtAll(ctx context.Context, queue priorityqueue.PriorityQueue[ctrl.Request]) {
	for _, name := range d.made(ctx) {
		queue.AddWithOpts(priorityqueue.AddOpts{Priority: new(urgent)}, ctrl.Request{NamespacedName: key(name)})
	}
}

// Reconcile writes what Plan says of one service, once this agent leads. What an agent began that leads no more is
// begun anew when it does again.
func (d *door) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	select {
	case <-d.importer.Ready():
	case <-ctx.Done():
		return ctrl.Result{}, nil
	}
	lead, done, stint, err := d.lead(ctx)
	if err != nil {
		return ctrl.Result{}, nil // we are stopping
	}
	defer done()
	view := d.importer.View()
	d.teller.begin(stint, view, d.scene(view))
	result, err := d.reconcile(lead, req)
	switch {
	case ctx.Err() != nil: // we are stopping: what could not be done is no failure
		return ctrl.Result{}, nil
	case err != nil && lead.Err() != nil:
		return ctrl.Result{RequeueAfter: time.Millisecond}, nil
	}
	return result, err
}

// reconcile makes what is of one service so. What fails is tried again, and keeps nothing else from being written.
func (d *door) reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	name := federation.ServiceName{Namespace: req.Namespace, Name: req.Name}
	for {
		view := d.importer.View()
		now, err := d.current(ctx, name)
		if err != nil {
			return ctrl.Result{}, err
		}
		want, scene := view.Service(name), d.scene(view)
		d.leaveAlone(name, want, now)
		changes, unread := d.allowed(ctx, name, want, now, Plan(name, want, now, scene))
		if unread == nil {
			if wait := d.putOff(name, now, changes, scene.Now); wait > 0 {
				return ctrl.Result{RequeueAfter: wait}, nil
			}
		}
		again, err := d.writeAll(ctx, name, now, changes)
		if want == nil {
			d.budget.forget(name)
		}
		d.teller.tell(name, append(notes(want, scene), d.blocked.notes(name)...), now, ownExport(want, d.self) != nil)
		if unread == nil && errors.Is(err, errBehind) {
			return ctrl.Result{RequeueAfter: behindPause}, nil
		}
		if err := errors.Join(unread, err); err != nil {
			return ctrl.Result{}, err
		}
		if again {
			continue
		}
		if len(unheard(now, scene)) == 0 || d.waiting.add(name, view) {
			return ctrl.Result{RequeueAfter: wakeUp(now, scene)}, nil
		}
	}
}

// putOff returns how long changes of a service wait for the budget.
func (d *door) putOff(name federation.ServiceName, current Current, changes []Change, now time.Time) time.Duration {
	haste := hasteOf(current, changes)
	if haste == atOnce || len(changes) == 0 {
		return 0
	}
	return d.budget.wait(name, len(changes), haste == soon, now)
}

func (d *door) scene(view *importer.View) Scene {
	scene := Scene{
		Self: d.self, Synced: view.Synced, Known: d.known, Rest: d.rest, Now: time.Now(),
		Refused: d.features.refused,
	}
	if left, _ := d.left(); left {
		return scene.alone()
	}
	if !view.Gates.Discovery {
		withdrawn, _ := d.withdrawn()
		return scene.undiscovered(withdrawn)
	}
	return scene
}

// known reports whether the Store has ever heard of a cluster, or remembers it.
func (d *door) known(cluster federation.ClusterID) bool {
	return slices.ContainsFunc(d.store.Owners(), func(o federation.Owner) bool { return o.Cluster == cluster })
}

// wakeUp returns when a derived Service's rest ends, from now; 0 for never.
func wakeUp(now Current, scene Scene) time.Duration {
	if now.Derived == nil {
		return 0
	}
	left, _ := restLeft(now.Derived, scene)
	return max(left, 0)
}

// current reads from the cache what the API server holds for a service.
func (d *door) current(ctx context.Context, name federation.ServiceName) (now Current, err error) {
	if now.Import, err = get(ctx, d.client, key(name), &mcsv1beta1.ServiceImport{}); err != nil {
		return now, err
	}
	if now.Export, err = get(ctx, d.client, key(name), &mcsv1beta1.ServiceExport{}); err != nil {
		return now, err
	}
	derived := derivedKey(name)
	if now.Derived, err = get(ctx, d.client, derived, &corev1.Service{}); err != nil {
		return now, err
	}
	now.Taken, now.Refusal = d.taken.list(name, time.Now()), d.blocked.refusal(name)
	// A list would wait for the writes of all services; this one waits for its own.
	for _, slice := range d.written.take(name) {
		if _, err := get(ctx, d.client, types.NamespacedName{Namespace: name.Namespace, Name: slice}, &discoveryv1.EndpointSlice{}); err != nil {
			return now, err
		}
	}
	var list discoveryv1.EndpointSliceList
	err = d.client.List(ctx, &list, client.InNamespace(name.Namespace), client.MatchingFields{byDerived: derived.Name}, client.DisableReadYourWritesConsistency)
	if err != nil {
		return now, fmt.Errorf("listing the EndpointSlices of %s: %w", name, err)
	}
	for i := range list.Items {
		now.Slices = append(now.Slices, &list.Items[i])
	}
	return now, nil
}

// serviceOf maps an object of ours, one that is in our way, or a stray slice, to its service.
func (d *door) serviceOf(ctx context.Context, o client.Object) []ctrl.Request {
	name, ok := nameOf(o)
	switch o := o.(type) {
	case *corev1.Service:
		if blocked, found := d.inWay.Load(client.ObjectKeyFromObject(o)); found && !ok {
			name, ok = blocked.(federation.ServiceName)
		}
	case *discoveryv1.EndpointSlice:
		if stray(o) {
			var derived corev1.Service
			key := types.NamespacedName{Namespace: o.Namespace, Name: o.Labels[discoveryv1.LabelServiceName]}
			if d.client.Get(ctx, key, &derived, client.DisableReadYourWritesConsistency) == nil {
				name, ok = derivedFor(&derived)
			}
		}
	}
	if !ok {
		return nil
	}
	return []ctrl.Request{{NamespacedName: key(name)}}
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
