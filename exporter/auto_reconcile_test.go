package exporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// exporting is an API server with namespace shop and Service shop/web, and the auto-export that works on it.
type exporting struct {
	t          *testing.T
	client     client.Client
	auto       *Auto
	leadership *leadership
	on, paused *turnable
	cached     map[client.ObjectKey]client.Object // what the cache has in the place of what is there; nil for nothing
	refuse     error                              // what writes fail with
	before     func()                             // runs before a write
	creates    int
	deletes    int
}

func newExporting(t *testing.T, objects ...client.Object) *exporting {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, mcsv1beta1.Install} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	x := &exporting{t: t, leadership: newLeadership(true), cached: map[client.ObjectKey]client.Object{}, on: newTurnable(true), paused: newTurnable(false)}
	x.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(objects, shopNamespace(), webService())...).Build()
	cached := interceptor.NewClient(x.client.(client.WithWatch), interceptor.Funcs{Get: x.get, Create: x.create, Delete: x.delete})
	x.auto = newAuto(AutoConfig{
		Rules: rulesOf(t), Lead: x.leadership.Lead, On: x.on.now, Paused: x.paused.now, Log: slog.New(slog.DiscardHandler),
	}, cached, x.client)
	return x
}

// turnable is what is on or off, as the test says.
type turnable struct {
	mu      sync.Mutex
	is      bool
	changed chan struct{}
}

func newTurnable(is bool) *turnable { return &turnable{is: is, changed: make(chan struct{})} }

func (w *turnable) now() (bool, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.is, w.changed
}

func (w *turnable) set(is bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.is = is
	close(w.changed)
	w.changed = make(chan struct{})
}

func (x *exporting) get(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	was, other := x.cached[key]
	if _, service := into.(*corev1.Service); !other || !service {
		return c.Get(ctx, key, into, options...)
	}
	if was == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "services"}, key.Name)
	}
	was.(*corev1.Service).DeepCopyInto(into.(*corev1.Service))
	return nil
}

func (x *exporting) create(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
	x.creates++
	if x.before != nil {
		x.before()
	}
	if x.refuse != nil {
		return x.refuse
	}
	return c.Create(ctx, o, options...)
}

// delete holds preconditions, which the fake client does not look at.
func (x *exporting) delete(ctx context.Context, c client.WithWatch, o client.Object, options ...client.DeleteOption) error {
	x.deletes++
	if x.before != nil {
		x.before()
	}
	if x.refuse != nil {
		return x.refuse
	}
	var is mcsv1beta1.ServiceExport
	x.must(c.Get(ctx, client.ObjectKeyFromObject(o), &is))
	only := (&client.DeleteOptions{}).ApplyOptions(options).Preconditions
	if only == nil || *only.UID != is.UID || *only.ResourceVersion != is.ResourceVersion {
		return apierrors.NewConflict(schema.GroupResource{Resource: "serviceexports"}, o.GetName(), errors.New("another version"))
	}
	return c.Delete(ctx, o)
}

func (x *exporting) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

// reconcile looks at a Service, and returns after how long to look again.
func (x *exporting) reconcile(text string) time.Duration {
	x.t.Helper()
	name := serviceNamed(text)
	result, err := x.auto.Reconcile(x.t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: name.Namespace, Name: name.Name}})
	x.must(err)
	return result.RequeueAfter
}

// expect looks at shop/web and says what is to have come of it: "auto", "hand" or "none".
func (x *exporting) expect(step, want string, creates, deletes int) {
	x.t.Helper()
	x.creates, x.deletes = 0, 0
	if after := x.reconcile("shop/web"); after != 0 {
		x.t.Errorf("%s: it is looked at again after %s", step, after)
	}
	if got := x.whose(); got != want || x.creates != creates || x.deletes != deletes {
		x.t.Errorf("%s: %s after %d creates and %d deletes, want %s after %d and %d", step, got, x.creates, x.deletes, want, creates, deletes)
	}
}

// whose says who made the ServiceExport of shop/web.
func (x *exporting) whose() string {
	x.t.Helper()
	var export mcsv1beta1.ServiceExport
	err := x.client.Get(x.t.Context(), webKey, &export)
	switch {
	case apierrors.IsNotFound(err):
		return "none"
	case err != nil:
		x.t.Fatal(err)
	case ByAuto(&export):
		return "auto"
	}
	return "hand"
}

// annotate changes what a Service says of auto-export; "" takes the annotation off.
func (x *exporting) annotate(value string) {
	x.t.Helper()
	service := webService()
	x.must(x.client.Get(x.t.Context(), webKey, service))
	if service.Annotations = annotated(value); value == "" {
		service.Annotations = nil
	}
	x.must(x.client.Update(x.t.Context(), service))
}

func TestAutoExportGoesBothWays(t *testing.T) {
	rule.Covers(t, "E10")
	x := newExporting(t)
	x.expect("a Service", "auto", 1, 0)
	x.expect("again", "auto", 0, 0)
	x.annotate("false")
	x.expect("it opts out", "none", 0, 1)
	x.expect("which sticks", "none", 0, 0)
	x.annotate("")
	x.expect("it is in again", "auto", 1, 0)

	x.paused.set(true)
	x.annotate("false")
	x.expect("paused, and out", "auto", 0, 0)
	x.on.set(false)
	x.expect("paused, and off", "auto", 0, 0)
	x.paused.set(false)
	x.expect("off", "none", 0, 1)
	x.expect("off for long", "none", 0, 0)
	x.on.set(true)
	x.expect("on, and out", "none", 0, 0)
	x.annotate("true")
	x.expect("on, and in", "auto", 1, 0)

	x.must(x.client.Delete(t.Context(), webService()))
	x.expect("the Service went", "none", 0, 1)
}

func TestAutoExportLeavesWhatAPersonMade(t *testing.T) {
	rule.Covers(t, "E10")
	x := newExporting(t, exportOfWeb(nil))
	x.expect("by hand", "hand", 0, 0)
	x.annotate("false")
	x.expect("by hand, though the Service opts out", "hand", 0, 0)
	x.on.set(false)
	x.expect("by hand, and off", "hand", 0, 0)
}

// Who takes the mark off, or makes a ServiceExport, in the moment before a write is not overruled by it.
func TestAutoExportLosesRaces(t *testing.T) {
	x := newExporting(t)
	x.before = func() { x.must(x.client.Create(t.Context(), exportOfWeb(nil))) }
	x.expect("somebody made one meanwhile", "hand", 1, 0)

	x = newExporting(t)
	x.expect("a Service", "auto", 1, 0)
	x.on.set(false)
	x.before = func() {
		var export mcsv1beta1.ServiceExport
		x.must(x.client.Get(t.Context(), webKey, &export))
		export.Labels = nil
		x.must(x.client.Update(t.Context(), &export))
	}
	if after := x.reconcile("shop/web"); after == 0 || x.whose() != "hand" {
		t.Errorf("%s after the mark went meanwhile, looked at again after %s", x.whose(), after)
	}
	x.before = nil
	x.expect("looked at again", "hand", 0, 0)
}

// What a cache does not know, or still thinks, deletes nothing.
func TestAutoExportDeletesByWhatTheServerSays(t *testing.T) {
	x := newExporting(t)
	x.expect("a Service", "auto", 1, 0)
	x.cached[webKey] = nil
	x.expect("not in the cache yet", "auto", 0, 0)
	old := webService()
	old.Annotations = annotated("false")
	x.cached[webKey] = old
	x.expect("in the cache as it was", "auto", 0, 0)
	delete(x.cached, webKey)
	x.annotate("false")
	x.expect("really out", "none", 0, 1)
}

// Who does not lead writes nothing, and what changed meanwhile is written by who does.
func TestAutoExportIsTheLeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExporting(t)
		x.leadership.set(false, true)
		var done atomic.Bool
		go func() {
			x.reconcile("shop/web")
			done.Store(true)
		}()
		synctest.Wait()
		if x.whose() != "none" || done.Load() {
			t.Errorf("%s, though another agent leads", x.whose())
		}
		x.leadership.set(true, true)
		synctest.Wait()
		if x.whose() != "auto" || !done.Load() {
			t.Errorf("%s, though this agent leads", x.whose())
		}
	})
}

// Whatever turns, all Services and all that is marked are looked at again.
func TestAutoExportLooksAtAllAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExporting(t, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "bar", Name: "tap"}})
		orphan := exportOfWeb(map[string]string{AutoLabel: AutoMark})
		orphan.Name = "orphan"
		x.auto.marked.set(orphan)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- x.auto.Start(ctx) }()
		for _, turn := range []func(){func() {}, func() { x.on.set(false) }, func() { x.paused.set(true) }, func() { x.paused.set(false) }} {
			turn()
			seen := map[federation.ServiceName]bool{}
			for range 3 {
				seen[(<-x.auto.again).Object] = true
			}
			names := slices.SortedFunc(maps.Keys(seen), func(a, b federation.ServiceName) int { return strings.Compare(a.String(), b.String()) })
			if got := fmt.Sprint(names); got != "[bar/tap shop/orphan shop/web]" {
				t.Errorf("looked at %s", got)
			}
			synctest.Wait()
			select {
			case more := <-x.auto.again:
				t.Errorf("looked at %s too", more.Object)
			default:
			}
		}
		stop()
		x.must(<-ended)
	})
}

// What is marked is counted as the cache tells it, with what it tells late.
func TestAutoExportCountsWhatItMade(t *testing.T) {
	a := newExporting(t).auto
	mark := map[string]string{AutoLabel: AutoMark}
	for step, c := range []struct {
		happens func()
		want    int
	}{
		{func() { a.marked.set(exportOfWeb(mark)) }, 1},
		{func() { a.marked.set(exportOfWeb(mark)) }, 1},
		{func() { a.marked.set(exportOfWeb(nil)) }, 0},
		{func() { a.marked.set(exportOfWeb(mark)) }, 1},
		{func() { a.marked.remove(exportOfWeb(mark)) }, 0},
		{func() { a.marked.set(exportOfWeb(mark)) }, 1},
		{func() { a.marked.remove(toolscache.DeletedFinalStateUnknown{Key: "shop/web", Obj: exportOfWeb(mark)}) }, 0},
	} {
		if c.happens(); a.Made() != c.want {
			t.Errorf("step %d: %d made, want %d", step, a.Made(), c.want)
		}
	}
}
