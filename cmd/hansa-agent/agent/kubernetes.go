package agent

import (
	"errors"
	"fmt"
	"log/slog"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

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
		Logger:     machinery(log),
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
