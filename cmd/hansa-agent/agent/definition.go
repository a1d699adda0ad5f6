package agent

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/typed/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
)

// definition is a CRD of the MCS API, for those to whom it means something that its objects are gone.
type definition struct {
	name     string
	clients  *apiextensions.ApiextensionsV1Client
	log      *slog.Logger
	since    *shared[time.Time]
	last     sight
	returned chan struct{} // holds one token while nobody took it
}

func newDefinition(c *rest.Config, name string, log *slog.Logger) (*definition, error) {
	clients, err := apiextensions.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("making a client for CustomResourceDefinitions: %w", err)
	}
	// The agent does not start before it is served.
	d := &definition{name: name, clients: clients, log: log, last: sight{served: true}, returned: make(chan struct{}, 1)}
	d.since = newShared(d.ask)
	return d, nil
}

// Since implements exporter.Definition.
func (d *definition) Since(ctx context.Context, seen time.Time) (time.Time, error) {
	return d.since.get(ctx, seen)
}

// Served implements kube.Definition.
func (d *definition) Served(ctx context.Context) (bool, error) {
	since, err := d.Since(ctx, time.Now())
	return !since.IsZero(), err
}

// ask returns since when the CRD is served, the zero time if it is not.
func (d *definition) ask(ctx context.Context) (time.Time, error) {
	crd, err := d.clients.CustomResourceDefinitions().Get(ctx, d.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("reading CRD %s: %w", d.name, err)
	}
	if !stays(crd) {
		return time.Time{}, nil
	}
	return crd.CreationTimestamp.Time, nil
}

// Returned implements exporter.Definition and kube.Definition.
func (d *definition) Returned() <-chan struct{} { return d.returned }

// Start watches the CRD until ctx ends.
func (d *definition) Start(ctx context.Context) error {
	f := &follower{
		informer: toolscache.NewSharedIndexInformer(oneCRD(d.clients, d.name), &apiextensionsv1.CustomResourceDefinition{}, 0, nil),
		see:      d.see,
		blind: func(err error) {
			d.log.Warn("cannot watch a CRD", "crd", d.name, "error", err)
		},
		settled: make(chan struct{}),
	}
	return f.run(ctx)
}

// sight is what a CRD was seen as.
type sight struct {
	served bool
	uid    types.UID // "" if there was none, or nobody looked
}

// see tells that the CRD is served again after it was not. It was not if it is another one, too: a watch that was
// interrupted shows only what became of it.
func (d *definition) see(obj any) {
	var is sight
	if crd, ok := obj.(*apiextensionsv1.CustomResourceDefinition); ok {
		is = sight{served: stays(crd), uid: crd.UID}
	}
	another := d.last.uid != "" && is.uid != d.last.uid
	if is.served && (!d.last.served || another) {
		select {
		case d.returned <- struct{}{}:
		default:
		}
	}
	d.last = is
}

// stays reports whether a CRD is served and is not about to go with all its objects.
func stays(crd *apiextensionsv1.CustomResourceDefinition) bool {
	return established(crd) && crd.DeletionTimestamp == nil
}
