package agent

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
	"github.com/hansa-mcs/hansa/federation"
)

// remarks are what the ConfigMap that remembers says beside what it remembers.
type remarks struct {
	state.Departure
	withdrawn bool // the others know that this cluster withholds what it exports
	freeze    state.Freeze
	drains    string // the annotation, as it is
}

func remarksOf(cm *corev1.ConfigMap) remarks {
	_, withdrawn := state.WithdrawnOf(cm)
	r := remarks{Departure: state.DepartureOf(cm), withdrawn: withdrawn, freeze: state.FreezeOf(cm)}
	if cm != nil {
		r.drains = cm.Annotations[state.DrainAnnotation]
	}
	return r
}

// departure follows what the ConfigMap says of leaving, and of brakes, in every agent of the cluster.
type departure struct {
	log      *slog.Logger
	follower *follower
	lost     func(last map[string]string) // is told what the ConfigMap said when it is deleted; nil for nobody
	last     *corev1.ConfigMap            // as the follower saw it, which alone may touch it

	mu      sync.Mutex
	is      remarks
	silent  []federation.ClusterID // that did not confirm that this cluster leaves
	changed chan struct{}          // closes when is does
}

func newDeparture(c *rest.Config, namespace string, log *slog.Logger) (*departure, error) {
	config := rest.CopyConfig(c)
	config.QPS = -1
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client of ConfigMaps: %w", err)
	}
	d := &departure{log: log, changed: make(chan struct{})}
	one := toolscache.NewListWatchFromClient(core.RESTClient(), "configmaps", namespace, fields.OneTermEqualSelector("metadata.name", state.DefaultName))
	warn := sync.OnceFunc(func() {
		log.Warn("cannot watch the ConfigMap that says whether this cluster is to leave; it stays (docs/roles.yaml has the role that is needed)", "configmap", namespace+"/"+state.DefaultName)
	})
	d.follower = &follower{
		informer: toolscache.NewSharedIndexInformer(one, &corev1.ConfigMap{}, 0, nil),
		see:      d.see,
		blind:    func(error) { warn() },
		settled:  make(chan struct{}),
	}
	return d, nil
}

// Start follows the ConfigMap until ctx ends.
func (d *departure) Start(ctx context.Context) error { return d.follower.run(ctx) }

// Settled returns a channel that closes once it is known how this cluster stands.
func (d *departure) Settled() <-chan struct{} { return d.follower.settled }

func (d *departure) see(obj any) {
	cm, _ := obj.(*corev1.ConfigMap)
	if cm != nil {
		switch asked := cm.Annotations[state.LeaveAnnotation]; asked {
		case "", "true", "false":
		default:
			d.log.Warn("an annotation is not understood, and this cluster does not leave", "configmap", cm.Namespace+"/"+cm.Name, "annotation", state.LeaveAnnotation, "value", asked, "want", "true, or none to stay")
		}
	}
	d.set(remarksOf(cm))
	if cm == nil && d.last != nil && d.lost != nil {
		d.lost(d.last.Data)
	}
	d.last = cm
}

func (d *departure) set(is remarks) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if is == d.is {
		return
	}
	if is.Phase() == state.Inside {
		d.silent = nil
	}
	d.is = is
	close(d.changed)
	d.changed = make(chan struct{})
}

// now returns what is said, and a channel that closes when that is something else.
func (d *departure) now() (remarks, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.is, d.changed
}

// left is what importer/kube asks.
func (d *departure) left() (bool, <-chan struct{}) {
	is, changed := d.now()
	return is.Phase() == state.Outside, changed
}

// outside reports whether this cluster is out of the clusterset.
func (d *departure) outside() bool {
	left, _ := d.left()
	return left
}

// miss notes which clusters did not confirm that this one leaves.
func (d *departure) miss(silent []federation.ClusterID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.silent = silent
}

func (d *departure) missed() []federation.ClusterID {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.silent
}
