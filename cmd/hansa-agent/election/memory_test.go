package election

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
)

var leases = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

// memory is an API server that holds one Lease, or none.
type memory struct {
	mu      sync.Mutex
	lease   *coordinationv1.Lease
	version int
	missing bool // the namespace
	events  []watch.Event
	watches map[*memoryWatch]bool
}

func newMemory() *memory {
	return &memory{version: 100, watches: map[*memoryWatch]bool{}}
}

// edit is somebody's hand: it changes the Lease, or makes it, or deletes it by returning nil.
func (m *memory) edit(change func(*coordinationv1.Lease) *coordinationv1.Lease) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.store(change(m.lease.DeepCopy()))
}

func (m *memory) read() *coordinationv1.Lease {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lease.DeepCopy()
}

// store is called with mu held.
func (m *memory) store(next *coordinationv1.Lease) *coordinationv1.Lease {
	m.version++
	event := watch.Event{Type: watch.Modified, Object: next}
	switch {
	case next == nil:
		next = m.lease.DeepCopy()
		event = watch.Event{Type: watch.Deleted, Object: next}
		m.lease = nil
	case m.lease == nil:
		event.Type = watch.Added
		next.UID = types.UID(strconv.Itoa(m.version))
		fallthrough
	default:
		m.lease = next
	}
	next.ResourceVersion = strconv.Itoa(m.version)
	m.events = append(m.events, event)
	for w := range m.watches {
		w.send(event)
	}
	return next.DeepCopy()
}

func (m *memory) create(lease *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.missing:
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "hansa-system")
	case m.lease != nil:
		return nil, apierrors.NewAlreadyExists(leases, lease.Name)
	}
	return m.store(lease.DeepCopy()), nil
}

func (m *memory) update(lease *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch s := lease.Spec; {
	case m.lease == nil:
		return nil, apierrors.NewNotFound(leases, lease.Name)
	case m.lease.ResourceVersion != lease.ResourceVersion:
		return nil, apierrors.NewConflict(leases, lease.Name, nil)
	case *s.LeaseDurationSeconds <= 0 || *s.LeaseTransitions < 0:
		return nil, apierrors.NewInvalid(coordinationv1.SchemeGroupVersion.WithKind("Lease").GroupKind(), lease.Name, nil)
	}
	return m.store(lease.DeepCopy()), nil
}

func (m *memory) list() (*coordinationv1.LeaseList, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := &coordinationv1.LeaseList{ListMeta: metav1.ListMeta{ResourceVersion: strconv.Itoa(m.version)}}
	if m.lease != nil {
		list.Items = append(list.Items, *m.lease.DeepCopy())
	}
	return list, nil
}

func (m *memory) get(name string) (*coordinationv1.Lease, error) {
	if lease := m.read(); lease != nil {
		return lease, nil
	}
	return nil, apierrors.NewNotFound(leases, name)
}

func (m *memory) watch(from string) *memoryWatch {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := &memoryWatch{memory: m, events: make(chan watch.Event, 10_000)}
	after, _ := strconv.Atoi(from)
	for _, e := range m.events {
		if version, _ := strconv.Atoi(e.Object.(*coordinationv1.Lease).ResourceVersion); version > after {
			w.send(e)
		}
	}
	m.watches[w] = true
	return w
}

// memoryWatch is one watch; a deaf one is not told anything more.
type memoryWatch struct {
	memory *memory
	events chan watch.Event
	deaf   bool
}

func (w *memoryWatch) ResultChan() <-chan watch.Event { return w.events }

// send is called with memory.mu held.
func (w *memoryWatch) send(e watch.Event) {
	if !w.deaf {
		w.events <- watch.Event{Type: e.Type, Object: e.Object.DeepCopyObject()}
	}
}

func (w *memoryWatch) Stop() {
	w.memory.mu.Lock()
	defer w.memory.mu.Unlock()
	delete(w.memory.watches, w)
}

// wire is how one agent reaches the memory: what happens to its requests, before and after they are done.
type wire struct {
	coordinationv1client.LeaseInterface // nil: what is not below is not used
	memory                              *memory

	mu            sync.Mutex
	before, after func(ctx context.Context, verb string) error
	watches       []*memoryWatch
	requests      map[string]int
}

func (w *wire) set(before, after func(context.Context, string) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before, w.after = before, after
}

// count is how many requests there were since it was last asked.
func (w *wire) count() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.requests
	w.requests = nil
	return all
}

// eachWatch does something to the open watches.
func (w *wire) eachWatch(do func(*memoryWatch)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.memory.mu.Lock()
	defer w.memory.mu.Unlock()
	for _, watch := range w.watches {
		if w.memory.watches[watch] {
			do(watch)
		}
	}
}

// breaks ends a watch as a connection that breaks does; deafens leaves it open with nothing to come.
func breaks(w *memoryWatch)  { delete(w.memory.watches, w); close(w.events) }
func deafens(w *memoryWatch) { w.deaf = true }

func (w *wire) hooks(verb string) (before, after func(context.Context, string) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.requests == nil {
		w.requests = map[string]int{}
	}
	w.requests[verb]++
	return w.before, w.after
}

// late is what a wire returns for a request that arrives after the agent gave it up.
type late time.Duration

func (late) Error() string { return "late" }

// request does what the API server is asked for, between what the wire does to it.
func request[T any](ctx context.Context, w *wire, verb string, do func() (T, error)) (T, error) {
	var none T
	before, after := w.hooks(verb)
	if before != nil {
		err := before(ctx, verb)
		if delay, ok := errors.AsType[late](err); ok {
			go func() { time.Sleep(time.Duration(delay)); _, _ = do() }()
			<-ctx.Done()
			return none, ctx.Err()
		}
		if err != nil {
			return none, err
		}
	}
	got, err := do()
	if after != nil && err == nil {
		if err := after(ctx, verb); err != nil {
			return none, err
		}
	}
	return got, err
}

func (w *wire) Create(ctx context.Context, l *coordinationv1.Lease, _ metav1.CreateOptions) (*coordinationv1.Lease, error) {
	return request(ctx, w, "create", func() (*coordinationv1.Lease, error) { return w.memory.create(l) })
}

func (w *wire) Update(ctx context.Context, l *coordinationv1.Lease, _ metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	return request(ctx, w, "update", func() (*coordinationv1.Lease, error) { return w.memory.update(l) })
}

func (w *wire) Get(ctx context.Context, name string, _ metav1.GetOptions) (*coordinationv1.Lease, error) {
	return request(ctx, w, "get", func() (*coordinationv1.Lease, error) { return w.memory.get(name) })
}

func (w *wire) List(ctx context.Context, o metav1.ListOptions) (*coordinationv1.LeaseList, error) {
	if !strings.HasPrefix(o.FieldSelector, "metadata.name=") {
		panic("a list of all Leases")
	}
	return request(ctx, w, "list", w.memory.list)
}

func (w *wire) Watch(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	if !strings.HasPrefix(o.FieldSelector, "metadata.name=") {
		panic("a watch of all Leases")
	}
	got, err := request(ctx, w, "watch", func() (*memoryWatch, error) { return w.memory.watch(o.ResourceVersion), nil })
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watches = append(w.watches, got)
	return got, nil
}
