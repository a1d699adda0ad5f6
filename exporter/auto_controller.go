package exporter

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/source"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
)

// autoManager owns the mark of what auto-export makes.
const autoManager = "hansa-auto-export"

// AutoConfig is what auto-export works on.
type AutoConfig struct {
	Rules AutoRules
	// Lead is as Config.Lead.
	Lead func(ctx context.Context) (lead context.Context, done func(), stint uint64, err error)
	// On reports whether Services are to be exported, and returns a channel that closes when that changes. While it is
	// false, what auto-export made is deleted.
	On func() (bool, <-chan struct{})
	// Paused reports whether nothing is to be made or deleted, and returns a channel that closes when that changes. It is
	// to be true for as long as it is not known what On says.
	Paused func() (bool, <-chan struct{})
	Log    *slog.Logger
}

// Auto keeps the ServiceExports that it made equal to the rules.
type Auto struct {
	AutoConfig
	client   client.Client
	live     client.Reader // the API server itself, not the cache
	again    again
	marked   marked
	refusals refusals
}

// AddAuto makes mgr run auto-export. The manager's scheme must know the core and MCS API types, and the API server must
// serve ServiceExports.
func AddAuto(ctx context.Context, mgr manager.Manager, config AutoConfig) (*Auto, error) {
	a := newAuto(config, mgr.GetClient(), mgr.GetAPIReader())
	if err := a.marked.follow(ctx, mgr.GetCache()); err != nil {
		return nil, err
	}
	err := ctrl.NewControllerManagedBy(mgr).
		Named("auto-export").
		For(&corev1.Service{}, builder.WithPredicates(telling)).
		Watches(&mcsv1beta1.ServiceExport{}, &handler.EnqueueRequestForObject{}, builder.WithPredicates(telling)).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(a.within), builder.WithPredicates(telling)).
		WatchesRawSource(source.Channel(a.again, afterTheRest)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			UsePriorityQueue:        new(true),
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](5*time.Millisecond, retryMost),
		}).
		Complete(a)
	if err != nil {
		return nil, fmt.Errorf("building auto-export: %w", err)
	}
	return a, mgr.Add(a)
}

func newAuto(config AutoConfig, c client.Client, live client.Reader) *Auto {
	return &Auto{
		AutoConfig: config, client: c, live: live,
		again:    make(again),
		marked:   marked{names: map[federation.ServiceName]bool{}},
		refusals: newRefusals(),
	}
}

// Made returns how many ServiceExports there are that auto-export made, as far as this agent knows.
func (a *Auto) Made() int { return a.marked.count() }

// Trouble says in a sentence why auto-export cannot write what it has to, "" if nothing is in its way.
func (a *Auto) Trouble() string { return a.refusals.tell() }

// Start has everything looked at once, and again whenever auto-export is turned on or off, paused or not, until ctx ends.
func (a *Auto) Start(ctx context.Context) error {
	for {
		_, turned := a.On()
		_, paused := a.Paused()
		if err := a.lookAtAll(ctx); err != nil {
			return err
		}
		select {
		case <-turned:
		case <-paused:
		case <-ctx.Done():
			return nil
		}
	}
}

// lookAtAll queues all Services, and all that auto-export made.
func (a *Auto) lookAtAll(ctx context.Context) error {
	var list corev1.ServiceList
	if err := a.client.List(ctx, &list, unwritten, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing Services: %w", err)
	}
	names := a.marked.all()
	for i := range list.Items {
		names[nameOf(&list.Items[i])] = true
	}
	a.again.look(ctx, slices.Collect(maps.Keys(names)))
	return nil
}

// within returns the Services of a namespace.
func (a *Auto) within(ctx context.Context, namespace client.Object) []ctrl.Request {
	var list corev1.ServiceList
	if err := a.client.List(ctx, &list, client.InNamespace(namespace.GetName()), unwritten, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache stops
	}
	requests := make([]ctrl.Request, len(list.Items))
	for i := range list.Items {
		requests[i].NamespacedName = client.ObjectKeyFromObject(&list.Items[i])
	}
	return requests
}

// Reconcile does what the rules say of one name, once this agent leads. What an agent began that leads no more is
// begun anew when it does again.
func (a *Auto) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	lead, done, _, err := a.Lead(ctx)
	if err != nil {
		return ctrl.Result{}, nil // we are stopping
	}
	defer done()
	after, err := a.reconcile(lead, federation.ServiceName{Namespace: req.Namespace, Name: req.Name})
	switch {
	case ctx.Err() != nil:
		return ctrl.Result{}, nil
	case lead.Err() != nil: // whatever was written may not have been taken
		return ctrl.Result{RequeueAfter: time.Millisecond}, nil
	}
	return ctrl.Result{RequeueAfter: after}, err
}

// reconcile returns after how long to look again, 0 for not before something changes.
func (a *Auto) reconcile(ctx context.Context, name federation.ServiceName) (time.Duration, error) {
	if paused, _ := a.Paused(); paused {
		a.refusals.settle(name)
		return 0, nil
	}
	decision, _, err := a.decide(ctx, a.client, name, unwritten)
	if err != nil {
		return 0, err
	}
	if decision.Action == AutoNothing {
		a.refusals.settle(name)
		return 0, nil
	}
	if wait := a.refusals.wait(name, time.Now()); wait > 0 {
		return wait, nil
	}
	if decision.Action == AutoCreate {
		return a.createIf(ctx, name)
	}
	// What a cache lacks may be there: nothing is withdrawn but by what the API server says now. What it says otherwise
	// the cache is about to tell.
	decision, export, err := a.decide(ctx, a.live, name)
	switch {
	case err != nil || decision.Action != AutoDelete:
		return 0, err
	case declared(export):
		return a.wrote(name, decision, a.yield(ctx, export))
	}
	return a.wrote(name, decision, a.delete(ctx, export))
}

// createIf makes a ServiceExport if the namespace, as the API server has it now, lets it: a Service may be known before what
// was said of its namespace just before it was made.
func (a *Auto) createIf(ctx context.Context, name federation.ServiceName) (time.Duration, error) {
	namespace, err := get(ctx, a.live, client.ObjectKey{Name: name.Namespace}, &corev1.Namespace{})
	if err != nil {
		return 0, err
	}
	service, err := get(ctx, a.client, client.ObjectKey{Namespace: name.Namespace, Name: name.Name}, &corev1.Service{}, unwritten)
	if err != nil {
		return 0, err
	}
	decision := a.Rules.Decide(namespace, service, nil)
	if decision.Action != AutoCreate {
		return 0, nil
	}
	return a.wrote(name, decision, a.create(ctx, name))
}

// declared reports whether a person has applied the ServiceExport, as GitOps does: then it is wanted, whoever made it
// first. It reads an object of the API server itself, as the cache leaves out who manages it.
func declared(export *mcsv1beta1.ServiceExport) bool {
	if export.Annotations[corev1.LastAppliedConfigAnnotation] != "" {
		return true
	}
	return slices.ContainsFunc(export.ManagedFields, func(m metav1.ManagedFieldsEntry) bool {
		return m.Operation == metav1.ManagedFieldsOperationApply && m.Subresource == ""
	})
}

// yield takes the mark off: the ServiceExport is a person's from now on.
func (a *Auto) yield(ctx context.Context, export *mcsv1beta1.ServiceExport) error {
	patch := fmt.Appendf(nil, `{"metadata":{"resourceVersion":%q,"labels":{%q:null}}}`, export.ResourceVersion, AutoLabel)
	return a.client.Patch(ctx, export, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(autoManager))
}

// decide returns what there is to do about a name, and its ServiceExport, nil for none. With options it reads Services and
// Namespaces.
func (a *Auto) decide(ctx context.Context, from client.Reader, name federation.ServiceName, options ...client.GetOption) (AutoDecision, *mcsv1beta1.ServiceExport, error) {
	key := client.ObjectKey{Namespace: name.Namespace, Name: name.Name}
	var none AutoDecision
	export, err := get(ctx, from, key, &mcsv1beta1.ServiceExport{})
	if err != nil {
		return none, nil, err
	}
	if on, _ := a.On(); !on {
		return retract(export, "auto-export is off"), export, nil
	}
	service, err := get(ctx, from, key, &corev1.Service{}, options...)
	if err != nil {
		return none, nil, err
	}
	namespace, err := get(ctx, from, client.ObjectKey{Name: name.Namespace}, &corev1.Namespace{}, options...)
	if err != nil {
		return none, nil, err
	}
	return a.Rules.Decide(namespace, service, export), export, nil
}

func (a *Auto) create(ctx context.Context, name federation.ServiceName) error {
	made := &mcsv1beta1.ServiceExport{ObjectMeta: metav1.ObjectMeta{
		Namespace: name.Namespace, Name: name.Name, Labels: map[string]string{AutoLabel: AutoMark},
	}}
	err := a.client.Create(ctx, made, client.FieldOwner(autoManager))
	if apierrors.IsAlreadyExists(err) {
		return nil // the cache will tell whose it is
	}
	return err
}

// delete deletes a ServiceExport as it was read: who took the mark off meanwhile keeps it.
func (a *Auto) delete(ctx context.Context, export *mcsv1beta1.ServiceExport) error {
	return a.client.Delete(ctx, export, client.Preconditions{UID: &export.UID, ResourceVersion: &export.ResourceVersion})
}

// wrote tells what came of a write, and returns after how long to look again.
func (a *Auto) wrote(name federation.ServiceName, decision AutoDecision, err error) (time.Duration, error) {
	switch what := refusalOf(err); {
	case what != notRefused:
		wait, first := a.refusals.refuse(name, what, err, time.Now())
		if first {
			a.Log.Error("auto-export cannot write ServiceExports", "service", name, "action", decision.Action, "error", err, "again_in", wait)
		}
		return wait, nil
	case apierrors.IsConflict(err):
		return retryLeast, nil // it changed meanwhile
	case err == nil:
		a.Log.Debug("auto-export wrote", "service", name, "action", decision.Action, "why", decision.Why)
	case !apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return 0, fmt.Errorf("auto-export of Service %s: %s: %w", name, decision.Action, err)
	}
	a.refusals.accept(name)
	return 0, nil
}
