package agent

import (
	"context"
	"fmt"
	"log/slog"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/typed/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
)

// definition is a CRD of the MCS API, for those to whom it means something that its objects are gone.
type definition struct {
	name     string
	clients  *apiextensions.ApiextensionsV1Client
	log      *slog.Logger
	returned chan struct{} // holds one token while nobody took it
}

func newDefinition(c *rest.Config, name string, log *slog.Logger) (*definition, error) {
	clients, err := apiextensions.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("making a client for CustomResourceDefinitions: %w", err)
	}
	return &definition{name: name, clients: clients, log: log, returned: make(chan struct{}, 1)}, nil
}

// Served implements exporter.Definition and kube.Definition.
func (d *definition) Served(ctx context.Context) (bool, error) {
	crd, err := d.clients.CustomResourceDefinitions().Get(ctx, d.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading CRD %s: %w", d.name, err)
	}
	return stays(crd), nil
}

// Returned implements exporter.Definition and kube.Definition.
func (d *definition) Returned() <-chan struct{} { return d.returned }

// Start watches the CRD until ctx ends.
func (d *definition) Start(ctx context.Context) error {
	served := true // the agent does not start before
	f := &follower{
		informer: toolscache.NewSharedIndexInformer(oneCRD(d.clients, d.name), &apiextensionsv1.CustomResourceDefinition{}, 0, nil),
		see: func(obj any) {
			crd, ok := obj.(*apiextensionsv1.CustomResourceDefinition)
			before := served
			if served = ok && stays(crd); served && !before {
				select {
				case d.returned <- struct{}{}:
				default:
				}
			}
		},
		blind: func(err error) {
			d.log.Warn("cannot watch a CRD", "crd", d.name, "error", err)
		},
		settled: make(chan struct{}),
	}
	return f.run(ctx)
}

// stays reports whether a CRD is served and is not about to go with all its objects.
func stays(crd *apiextensionsv1.CustomResourceDefinition) bool {
	return established(crd) && crd.DeletionTimestamp == nil
}
