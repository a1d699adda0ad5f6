// Package reach leads to the agent that can answer for its cluster: the one that leads.
//
// In: a way to the cluster, with the rights of whoever calls. Out: an address on this machine that is forwarded to a port of
// the agent's pod, for as long as the caller wants it; so agents answer on their own loopback address alone, and who may
// forward ports to them may ask them.
package reach

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/election"
)

// labels select the agents' pods, as the chart makes them.
const labels = "app.kubernetes.io/name=hansa-agent"

// portName is that of the port where an agent reports.
const portName = "http"

// ErrNoAgent is why nobody can be asked.
var ErrNoAgent = errors.New("no agent of hansa runs there")

// Forward forwards a port of this machine to the agent that leads, or to another if nobody does. Its address is good until
// stop is called, which waits until nothing of it is left.
func Forward(ctx context.Context, config *rest.Config, namespace string) (to Agent, stop func(), err error) {
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return Agent{}, nil, fmt.Errorf("making a client: %w", err)
	}
	pod, err := leader(ctx, core, namespace)
	if err != nil {
		return Agent{}, nil, err
	}
	address, stop, err := forward(ctx, config, core, pod)
	return Agent{Pod: pod.Name, Address: address}, stop, err
}

// forward forwards a port of this machine to the agent of a pod.
func forward(ctx context.Context, config *rest.Config, core kubernetes.Interface, pod *corev1.Pod) (address string, stop func(), err error) {
	port, err := reportPort(pod)
	if err != nil {
		return "", nil, err
	}
	to := core.CoreV1().RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("portforward").URL()
	dialer, err := dialerTo(config, to)
	if err != nil {
		return "", nil, fmt.Errorf("forwarding a port: %w", err)
	}
	end, ready, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	forwarder, err := portforward.NewOnAddressesForStreaming(dialer, []string{"127.0.0.1"}, []string{"0:" + strconv.Itoa(int(port))}, end, ready, io.Discard, io.Discard)
	if err != nil {
		return "", nil, fmt.Errorf("forwarding a port: %w", err)
	}
	go func() { ended <- forwarder.ForwardPorts() }()
	stop = func() {
		close(end)
		<-ended
	}
	select {
	case <-ready:
	case err := <-ended:
		return "", nil, fmt.Errorf("forwarding a port to pod %s/%s: %w", pod.Namespace, pod.Name, err)
	case <-ctx.Done():
		stop()
		return "", nil, ctx.Err()
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("forwarding a port: %w", err)
	}
	return "127.0.0.1:" + strconv.Itoa(int(ports[0].Local)), stop, nil
}

// dialerTo returns what speaks to an API server as kubectl does: by WebSocket and, where something between does not let that
// through, by SPDY.
func dialerTo(config *rest.Config, to *url.URL) (httpstream.Dialer, error) {
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	old := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, to)
	tunnel, err := portforward.NewSPDYOverWebsocketDialerForStreaming(to, config)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialerForStreaming(tunnel, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}

// agents returns the pods of agents that run.
func agents(ctx context.Context, core kubernetes.Interface, namespace string) ([]corev1.Pod, error) {
	list, err := core.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: labels})
	if err != nil {
		return nil, fmt.Errorf("listing the agents' pods in namespace %s: %w", namespace, err)
	}
	running := slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.Status.Phase != corev1.PodRunning })
	if len(running) == 0 {
		return nil, fmt.Errorf("namespace %s: %w: look at kubectl -n %s get pods, or give --agent host:port of one that runs elsewhere", namespace, ErrNoAgent, namespace)
	}
	return running, nil
}

// leader returns the pod of the agent that leads, else one that runs.
func leader(ctx context.Context, core kubernetes.Interface, namespace string) (*corev1.Pod, error) {
	running, err := agents(ctx, core, namespace)
	if err != nil {
		return nil, err
	}
	holder := ""
	lease, err := core.CoordinationV1().Leases(namespace).Get(ctx, election.LeaseName, metav1.GetOptions{})
	switch {
	case err == nil && lease.Spec.HolderIdentity != nil:
		holder = *lease.Spec.HolderIdentity
	case err != nil && !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("reading who leads: %w", err)
	}
	i := slices.IndexFunc(running, func(p corev1.Pod) bool { return isOf(holder, p) })
	return &running[max(i, 0)], nil
}

// isOf reports whether a Lease's holder is a pod's agent: by its address or, where that is not the pod's, by its name, which
// begins with that of its host.
func isOf(holder string, p corev1.Pod) bool {
	id, err := election.ParseIdentity(holder)
	if err != nil {
		return false
	}
	host, _, _ := net.SplitHostPort(id.Address)
	return host != "" && host == p.Status.PodIP || strings.HasPrefix(id.Name, p.Name+"-")
}

func reportPort(pod *corev1.Pod) (int32, error) {
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			if p.Name == portName {
				return p.ContainerPort, nil
			}
		}
	}
	return 0, fmt.Errorf("pod %s/%s has no port named %s", pod.Namespace, pod.Name, portName)
}
