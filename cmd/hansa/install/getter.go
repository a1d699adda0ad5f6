package install

import (
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

// requestTimeout bounds each request of Helm, which is not to be interrupted between two of them.
const requestTimeout = 30 * time.Second

// getter is what Helm takes a way to a cluster from. It keeps what it learned of the cluster in memory, and writes no file.
type getter struct {
	config   clientcmd.ClientConfig
	discover func() (discovery.CachedDiscoveryInterface, error)
	mapper   func() (meta.RESTMapper, error)
}

func newGetter(config clientcmd.ClientConfig, namespace string) *getter {
	g := &getter{config: within{config, namespace}}
	g.discover = sync.OnceValues(func() (discovery.CachedDiscoveryInterface, error) {
		c, err := g.ToRESTConfig()
		if err != nil {
			return nil, err
		}
		client, err := discovery.NewDiscoveryClientForConfig(c)
		if err != nil {
			return nil, err
		}
		return memory.NewMemCacheClient(client), nil
	})
	g.mapper = sync.OnceValues(func() (meta.RESTMapper, error) {
		client, err := g.discover()
		if err != nil {
			return nil, err
		}
		return restmapper.NewDeferredDiscoveryRESTMapper(client), nil
	})
	return g
}

// ToRESTConfig implements action.RESTClientGetter.
func (g *getter) ToRESTConfig() (*rest.Config, error) {
	c, err := g.config.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	c.Timeout = requestTimeout
	c.QPS = -1 // the API server's priority and fairness decides
	return c, nil
}

// ToDiscoveryClient implements action.RESTClientGetter.
func (g *getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) { return g.discover() }

// ToRESTMapper implements action.RESTClientGetter.
func (g *getter) ToRESTMapper() (meta.RESTMapper, error) { return g.mapper() }

// ToRawKubeConfigLoader implements genericclioptions.RESTClientGetter.
func (g *getter) ToRawKubeConfigLoader() clientcmd.ClientConfig { return g.config }

// kubeconfig is embedded under a name that is not that of one of its methods.
type kubeconfig = clientcmd.ClientConfig

// within is a way to a cluster and to one namespace in it, whatever the context says.
type within struct {
	kubeconfig
	namespace string
}

// Namespace implements clientcmd.ClientConfig.
func (w within) Namespace() (string, bool, error) { return w.namespace, true, nil }
