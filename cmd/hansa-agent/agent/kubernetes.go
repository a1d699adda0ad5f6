package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/typed/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	toolswatch "k8s.io/client-go/tools/watch"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// crds are the definitions without which the agent does not speak.
var crds = []string{"serviceexports.multicluster.x-k8s.io", "serviceimports.multicluster.x-k8s.io"}

// loadREST returns how to reach this cluster's API server. Everything about "our cluster" comes from it.
func loadREST(kubeconfig, contextName string) (*rest.Config, error) {
	if kubeconfig == "" {
		c, err := rest.InClusterConfig()
		if err != nil {
			return nil, errors.New("--kubeconfig is required, as this is not a pod of a cluster: want the path of a kubeconfig file ($KUBECONFIG is not read)")
		}
		return unlimited(c), nil
	}
	c, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig},
		&clientcmd.ConfigOverrides{CurrentContext: contextName},
	).ClientConfig()
	if err != nil && contextName != "" {
		return nil, fmt.Errorf("--kubeconfig %q: want a kubeconfig file with --context %q: %w", kubeconfig, contextName, err)
	}
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig %q: want a kubeconfig file: %w", kubeconfig, err)
	}
	return unlimited(c), nil
}

// unlimited takes the client's own rate limit away: the API server's priority and fairness decides.
func unlimited(c *rest.Config) *rest.Config {
	c.QPS = -1
	c.UserAgent = "hansa-agent"
	return c
}

// waitForCRDs returns once the MCS API is served, or when ctx ends. It logs what it waits for, and tells it.
func waitForCRDs(ctx context.Context, c *rest.Config, log *slog.Logger, tell func(waiting string)) error {
	tell("waiting for an answer of the API server " + c.Host)
	clients, err := apiextensions.NewForConfig(c)
	if err != nil {
		return fmt.Errorf("making a client for CustomResourceDefinitions: %w", err)
	}
	if _, err := clients.CustomResourceDefinitions().Get(ctx, crds[0], metav1.GetOptions{}); err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil {
		tell(fmt.Sprintf("waiting for the API server: %v", err))
		log.Warn("the API server does not answer as it should; trying for ever", "server", c.Host, "error", err)
	}
	for _, name := range crds {
		list := toolscache.NewListWatchFromClient(clients.RESTClient(), "customresourcedefinitions", "", fields.OneTermEqualSelector("metadata.name", name))
		absent := func(store toolscache.Store) (bool, error) {
			if obj, ok, _ := store.GetByKey(name); ok && served(obj) {
				return true, nil
			}
			tell("waiting for the MCS API: apply CRD " + name + " of sigs.k8s.io/mcs-api v0.5 or later")
			log.Warn("waiting for the MCS API: apply the CRD, of sigs.k8s.io/mcs-api v0.5 or later", "crd", name)
			return false, nil
		}
		appears := func(e watch.Event) (bool, error) { return e.Type != watch.Deleted && served(e.Object), nil }
		if _, err := toolswatch.UntilWithSync(ctx, list, &apiextensionsv1.CustomResourceDefinition{}, absent, appears); err != nil && ctx.Err() == nil {
			return fmt.Errorf("waiting for CRD %s: %w", name, err)
		}
	}
	return nil
}

// served reports whether a CRD is established with the version that we speak.
func served(obj any) bool {
	crd, ok := obj.(*apiextensionsv1.CustomResourceDefinition)
	return ok && slices.ContainsFunc(crd.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
		return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
	}) && slices.ContainsFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
		return v.Name == mcsv1beta1.GroupVersion.Version && v.Served
	})
}

// newManager returns the manager of all components. Its client reads from caches that have seen its own
// writes, so a plan is never made on what it already changed.
func newManager(c *rest.Config, log *slog.Logger) (manager.Manager, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, discoveryv1.AddToScheme, mcsv1beta1.Install} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("registering API types: %w", err)
		}
	}
	mgr, err := ctrl.NewManager(c, ctrl.Options{
		Scheme:     scheme,
		Logger:     logr.FromSlogHandler(log.Handler()),
		Metrics:    server.Options{BindAddress: "0"}, // served beside health
		Cache:      cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
		Client:     client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)}},
		Controller: config.Controller{SkipNameValidation: new(true)}, // several agents may run in one process
	})
	if err != nil {
		return nil, fmt.Errorf("making the manager: %w", err)
	}
	return mgr, nil
}
