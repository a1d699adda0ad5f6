package exporter

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// Place is where a Node is, as its labels say; "" for what they do not say.
type Place struct{ Region, Zone string }

// placeOf reads the labels of a Node.
func placeOf(labels map[string]string) Place {
	return Place{Region: labels[corev1.LabelTopologyRegion], Zone: labels[corev1.LabelTopologyZone]}
}

// Nodes knows where the Nodes of this cluster are, and nothing else of them. Where endpoints are is advice: a cluster whose
// Nodes cannot be read exports all the same, without it. What was read last counts on while they cannot be read. A nil
// Nodes knows none.
type Nodes struct {
	informer toolscache.SharedIndexInformer
	miss     func(error) // warns, once, that Nodes cannot be read
	refused  chan struct{}
	known    chan struct{}
	log      *slog.Logger

	mu        sync.Mutex
	followers []*moved
}

// AddNodes makes mgr read the Nodes, on every replica, whoever leads. It does so beside mgr's own cache, which would wait
// for the right to read them for as long as there is none.
func AddNodes(mgr manager.Manager, log *slog.Logger) (*Nodes, error) {
	c, err := metadata.NewForConfigAndClient(metadata.ConfigFor(mgr.GetConfig()), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("making a client for Nodes: %w", err)
	}
	n, err := newNodes(c, log)
	if err != nil {
		return nil, err
	}
	return n, mgr.Add(n)
}

func newNodes(c metadata.Interface, log *slog.Logger) (*Nodes, error) {
	all := c.Resource(corev1.SchemeGroupVersion.WithResource("nodes"))
	n := &Nodes{
		informer: toolscache.NewSharedIndexInformer(toolscache.ToListWatcherWithWatchListSemantics(&toolscache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
				return all.List(ctx, options)
			},
			WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
				return all.Watch(ctx, options)
			},
		}, c), &metav1.PartialObjectMetadata{}, 0, nil),
		refused: make(chan struct{}),
		known:   make(chan struct{}),
		log:     log,
	}
	var once sync.Once
	n.miss = func(err error) {
		once.Do(func() {
			log.Warn("cannot read this cluster's Nodes; endpoints are exported without their regions, and without zones that EndpointSlices do not have, until they can be read (docs/roles.yaml has the role that is needed)", "error", err)
		})
	}
	if err := n.informer.SetTransform(onlyPlace); err != nil {
		return nil, fmt.Errorf("reading Nodes: %w", err)
	}
	refuse := sync.OnceFunc(func() { close(n.refused) })
	err := n.informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *toolscache.Reflector, err error) {
		if isFinal(err) {
			n.miss(err)
			refuse()
		}
	})
	if err != nil {
		return nil, fmt.Errorf("reading Nodes: %w", err)
	}
	return n, nil
}

// isFinal reports whether an error of reading is the API server's word, which trying again at once does not change.
func isFinal(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err)
}

// onlyPlace keeps of a Node what tells its place, and the version by which the informer sees that it is another.
func onlyPlace(o any) (any, error) {
	node, ok := o.(*metav1.PartialObjectMetadata)
	if !ok {
		return o, nil // a tombstone
	}
	kept := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: node.Name, ResourceVersion: node.ResourceVersion}}
	for _, key := range []string{corev1.LabelTopologyRegion, corev1.LabelTopologyZone} {
		if value := node.Labels[key]; value != "" {
			metav1.SetMetaDataLabel(&kept.ObjectMeta, key, value)
		}
	}
	return kept, nil
}

// NeedLeaderElection makes it run on every replica.
func (n *Nodes) NeedLeaderElection() bool { return false }

// forNodes is how long those who ask for places wait for the first list.
const forNodes = 15 * time.Second

var errNoAnswer = errors.New("the API server has not answered yet; trying on")

// Start reads until ctx ends. It may be called once.
func (n *Nodes) Start(ctx context.Context) error {
	handle, err := n.informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(is any) { n.tell(nil, is) },
		UpdateFunc: n.tell,
		DeleteFunc: func(was any) { n.tell(was, nil) },
	})
	if err != nil {
		return fmt.Errorf("reading Nodes: %w", err)
	}
	var reading sync.WaitGroup
	defer reading.Wait()
	reading.Go(func() { n.informer.RunWithContext(ctx) })
	read := handle.HasSyncedChecker().Done()
	limit := time.NewTimer(forNodes)
	defer limit.Stop()
	select {
	case <-read:
		close(n.known)
		return nil
	case <-n.refused:
	case <-limit.C:
		n.miss(errNoAnswer)
	case <-ctx.Done():
		return nil
	}
	close(n.known)
	select {
	case <-read:
		n.log.Info("this cluster's Nodes can be read; regions follow", "nodes", len(n.informer.GetStore().ListKeys()))
	case <-ctx.Done():
	}
	return nil
}

// await waits until the Nodes were read, or it is clear that they cannot be, or for a while anyhow. It reports whether that
// was before ctx ended.
func (n *Nodes) await(ctx context.Context) bool {
	if n == nil {
		return ctx.Err() == nil
	}
	select {
	case <-n.known:
		return true
	case <-ctx.Done():
		return false
	}
}

// beneath returns where the Nodes are that this cluster's endpoints in slices are on.
func (n *Nodes) beneath(list []*discoveryv1.EndpointSlice) map[string]Place {
	if n == nil {
		return nil
	}
	places := map[string]Place{}
	for _, slice := range list {
		for name := range nodesOf(slice) {
			if _, found := places[name]; !found {
				places[name] = n.place(name)
			}
		}
	}
	return places
}

// nodesOf yields the names of the Nodes that endpoints of a slice are on, none of an imported one; a name for each endpoint
// that has one.
func nodesOf(slice *discoveryv1.EndpointSlice) iter.Seq[string] {
	return func(yield func(string) bool) {
		if imported(slice) {
			return
		}
		for i := range slice.Endpoints {
			if name := ptr.Deref(slice.Endpoints[i].NodeName, ""); name != "" && !yield(name) {
				return
			}
		}
	}
}

// place returns where a Node is, nowhere if there is none of that name.
func (n *Nodes) place(name string) Place {
	o, found, err := n.informer.GetStore().GetByKey(name)
	if node, ok := o.(*metav1.PartialObjectMetadata); ok && found && err == nil {
		return placeOf(node.Labels)
	}
	return Place{}
}

// tell tells those who follow that a Node is elsewhere than before. What was there before anybody was answered is no news.
func (n *Nodes) tell(was, is any) {
	select {
	case <-n.known:
	default:
		return
	}
	if tombstone, ok := was.(toolscache.DeletedFinalStateUnknown); ok {
		was = tombstone.Obj
	}
	var before, after Place
	var name string
	if node, ok := was.(*metav1.PartialObjectMetadata); ok {
		name, before = node.Name, placeOf(node.Labels)
	}
	if node, ok := is.(*metav1.PartialObjectMetadata); ok {
		name, after = node.Name, placeOf(node.Labels)
	}
	if before == after {
		return // most changes are heartbeats
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range n.followers {
		m.add(name)
	}
}

// follow returns what collects the Nodes that are elsewhere than before, from now on.
func (n *Nodes) follow() *moved {
	if n == nil {
		return newMoved(slog.New(slog.DiscardHandler)) // which never has any
	}
	m := newMoved(n.log)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.followers = append(n.followers, m)
	return m
}
