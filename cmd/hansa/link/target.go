package link

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/secrets"
)

// Target is the cluster that a command works on, and the namespace of its agents.
type Target struct {
	Context string
	// Kubeconfig is the file that the context is of.
	Kubeconfig string
	Namespace  string
	// Kubernetes leads to the cluster, with the credentials of whoever calls.
	Kubernetes clientcmd.ClientConfig

	core    kubernetes.Interface
	secrets *secrets.Secrets
}

// Connect returns the cluster of a context. A kubeconfig of "" is where kubectl looks, and a context of "" the current
// one. The cluster is not asked yet.
func Connect(kubeconfig, contextName, namespace string) (*Target, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	config := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: contextName})
	raw, err := config.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	if contextName == "" {
		contextName = raw.CurrentContext
	}
	if _, ok := raw.Contexts[contextName]; !ok {
		return nil, noContext(contextName, slices.Sorted(maps.Keys(raw.Contexts)), rules.GetLoadingPrecedence())
	}
	rest, err := config.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("context %q: %w", contextName, err)
	}
	core, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return nil, fmt.Errorf("context %q: %w", contextName, err)
	}
	return &Target{
		Context: contextName, Kubeconfig: raw.Contexts[contextName].LocationOfOrigin, Namespace: namespace, Kubernetes: config,
		core: core, secrets: secrets.New(core.CoreV1().Secrets(namespace)),
	}, nil
}

// ErrNoContext is wrapped by an error that says which contexts there are.
var ErrNoContext = errors.New("there is no such context")

// noContext says which contexts there are, in the files that were looked at.
func noContext(name string, all, files []string) error {
	switch {
	case len(all) == 0:
		return fmt.Errorf("%w: %s has none; give a kubeconfig by --kubeconfig, or by KUBECONFIG", ErrNoContext, strings.Join(files, ", "))
	case name == "":
		return fmt.Errorf("--context: %w as none; the kubeconfig has %s", ErrNoContext, strings.Join(all, ", "))
	}
	return fmt.Errorf("--context %q: %w; the kubeconfig has %s", name, ErrNoContext, strings.Join(all, ", "))
}

// UID returns that of namespace kube-system, by which a cluster is told from another of the same ID.
func (t *Target) UID(ctx context.Context) (string, error) {
	system, err := t.core.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return "", t.explain("reading namespace kube-system", err)
	}
	return string(system.UID), nil
}

// haveNamespace makes the agents' namespace if it is not there.
func (t *Target) haveNamespace(ctx context.Context) error {
	_, err := t.core.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.Namespace}}, metav1.CreateOptions{})
	if err == nil || apierrors.IsAlreadyExists(err) {
		return nil
	}
	return t.explain("making namespace "+t.Namespace, err)
}

// explain adds what to do about an error of the API server.
func (t *Target) explain(doing string, err error) error {
	hint := ""
	var network net.Error
	switch {
	case apierrors.IsUnauthorized(err):
		hint = ": the API server does not know these credentials; log in again, or choose another --context"
	case apierrors.IsForbidden(err):
		hint = ": use credentials that may do that, such as a cluster administrator's"
	case errors.As(err, &network):
		hint = ": is that the right --context, and is its API server up?"
	}
	return fmt.Errorf("%s, in context %q: %w%s", doing, t.Context, err, hint)
}
