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

// definition is the CRD of ServiceExports, for the exporter.
type definition struct {
	clients  *apiextensions.ApiextensionsV1Client
	log      *slog.Logger
	returned chan struct{} // holds one token while nobody took it
}

func newDefinition(c *rest.Config, log *slog.Logger) (*definition, error) {
	clients, err := apiextensions.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("making a client for CustomResourceDefinitions: %w", err)
	}
	return &definition{clients: clients, log: log, returned: make(chan struct{}, 1)}, nil
}

// Served implements exporter.Definition.
func (d *definition) Served(ctx context.Context) (bool, error) {
	crd, err := d.clients.CustomResourceDefinitions().Get(ctx, exportsCRD, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading CRD %s: %w", exportsCRD, err)
	}
	return stays(crd), nil
}

// Returned implements exporter.Definition.
func (d *definition) Returned() <-chan struct{} { return d.returned }

// Start watches the CRD until ctx ends.
func (d *definition) Start(ctx context.Context) error {
	served := true // the agent does not start before
	f := &follower{
		informer: toolscache.NewSharedIndexInformer(oneCRD(d.clients, exportsCRD), &apiextensionsv1.CustomResourceDefinition{}, 0, nil),
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
			d.log.Warn("cannot watch a CRD", "crd", exportsCRD, "error", err)
		},
		settled: make(chan struct{}),
	}
	return f.run(ctx)
}

// stays reports whether a CRD is served and is not about to go with all its objects.
func stays(crd *apiextensionsv1.CustomResourceDefinition) bool {
	return established(crd) && crd.DeletionTimestamp == nil
}
