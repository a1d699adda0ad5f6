package install

import (
	"context"
	"errors"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/hansa-mcs/hansa/integration/lab"
)

func ready(c *cluster) {
	done := make(chan error)
	i := c.installer()
	changed := make(chan string)
	i.tell = func(line string) { changed <- line }
	go func() { done <- i.Ready(c.Context()) }()
	expect := func(want string) {
		c.Helper()
		select {
		case got := <-changed:
			if got != want {
				c.Errorf("said %q, want %q", got, want)
			}
		case err := <-done:
			c.Fatalf("ended with %v, want that it says %q", err, want)
		}
	}
	expect("waiting for Kubernetes to heed the Deployment")
	for n, want := range []string{"0 of 2 agents are ready", "1 of 2 agents are ready", "2 of 2 agents are ready"} {
		c.report(int32(n))
		expect(want)
	}
	if err := <-done; err != nil {
		c.Error(err)
	}
}

// report says of the Deployment, as kube-controller-manager does, that two pods are there and some are ready.
func (c *cluster) report(available int32) {
	c.Helper()
	d := c.deployment()
	d.Status.ObservedGeneration, d.Status.Replicas, d.Status.UpdatedReplicas = d.Generation, 2, 2
	d.Status.ReadyReplicas, d.Status.AvailableReplicas = available, available
	if _, err := c.clients.AppsV1().Deployments(DefaultNamespace).UpdateStatus(c.Context(), d, metav1.UpdateOptions{}); err != nil {
		c.Fatal(err)
	}
}

func notReady(c *cluster) {
	c.report(1)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "hansa-agent-1", Labels: map[string]string{"app.kubernetes.io/name": Agents}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "agent", Image: "hansa-agent"}}, ServiceAccountName: Agents},
	}
	pod, err := c.clients.CoreV1().Pods(DefaultNamespace).Create(c.Context(), pod, metav1.CreateOptions{})
	if err != nil {
		c.Fatal(err)
	}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/0 nodes are available"}}
	if _, err := c.clients.CoreV1().Pods(DefaultNamespace).UpdateStatus(c.Context(), pod, metav1.UpdateOptions{}); err != nil {
		c.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(c.Context())
	enough := errors.New("that is long enough")
	i := c.installer()
	i.tell = func(string) { cancel(enough) }
	err = i.Ready(ctx)
	if !errors.Is(err, enough) || err.Error() != "waiting for the agents: 1 of 2 agents are ready; pod hansa-agent-1 has no node: 0/0 nodes are available: that is long enough" {
		c.Errorf("got %v", err)
	}
}

func loadBalancer(c *cluster) {
	if found, err := c.installer().Address(c.Context()); err != nil || found != "" {
		c.Errorf("of a ClusterIP: %q (%v), want none", found, err)
	}
	c.apply(Options{Values: map[string]any{"memberService": map[string]any{"type": "LoadBalancer"}}})
	i := c.installer()
	i.tell = func(line string) {
		if line != "waiting for the load balancer of Service hansa-agent" {
			c.Errorf("said %q", line)
		}
		s, err := c.clients.CoreV1().Services(DefaultNamespace).Get(c.Context(), Agents, metav1.GetOptions{})
		if err != nil {
			c.Error(err)
			return
		}
		s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.7"}}
		if _, err := c.clients.CoreV1().Services(DefaultNamespace).UpdateStatus(c.Context(), s, metav1.UpdateOptions{}); err != nil {
			c.Error(err)
		}
	}
	if found, err := i.Address(c.Context()); err != nil || found != "192.0.2.7:8443" {
		c.Errorf("got %q (%v)", found, err)
	}
}

func away(l *lab.Lab) func(*cluster) {
	return func(c *cluster) {
		if err := l.Cluster("east").StopAPIServer(); err != nil {
			c.Fatal(err)
		}
		_, err := c.installer().Apply(c.Context(), Options{}, time.Now())
		if err == nil || !strings.HasSuffix(err.Error(), "look whether the context leads to the right cluster, and whether its API server is up") {
			c.Errorf("got %v", err)
		}
		c.config = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
			&clientcmd.ClientConfigLoadingRules{ExplicitPath: l.Kubeconfig()}, &clientcmd.ConfigOverrides{CurrentContext: "nowhere"})
		if _, err := c.installer().Apply(c.Context(), Options{}, time.Now()); err == nil || !strings.Contains(err.Error(), `context "nowhere" does not exist`) {
			c.Errorf("got %v", err)
		}
	}
}
