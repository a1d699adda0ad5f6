package install

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// Ready returns once all agents of the release are ready, and tells how many are meanwhile. If ctx ends before, the error
// says what keeps them.
func (i *Installer) Ready(ctx context.Context) error {
	clients, err := i.clients()
	if err != nil {
		return err
	}
	said := ""
	tell := func(line string) {
		if line != said {
			i.tell(line)
			said = line
		}
	}
	err = follow(ctx, clients.AppsV1().RESTClient(), "deployments", i.namespace, Agents, &appsv1.Deployment{}, func(d *appsv1.Deployment) bool {
		line, done := rollout(d)
		tell(line)
		return done
	})
	switch {
	case ctx.Err() == nil:
		return err
	case said == "":
		return fmt.Errorf("waiting for the agents: Deployment %s is not there, or cannot be read: %w", Agents, context.Cause(ctx))
	}
	return fmt.Errorf("waiting for the agents: %s%s: %w", said, i.obstacles(context.WithoutCancel(ctx), clients), context.Cause(ctx))
}

// clients returns a client whose watches last.
func (i *Installer) clients() (kubernetes.Interface, error) {
	c, err := i.getter.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	c = rest.CopyConfig(c)
	c.Timeout = 0
	clients, err := kubernetes.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return clients, nil
}

// errGone says that what is waited for was deleted.
var errGone = errors.New("it was deleted")

// follow shows an object to see, now and whenever it changes, until see is content or ctx ends.
func follow[T runtime.Object](ctx context.Context, client cache.Getter, resource, namespace, name string, kind T, see func(T) bool) error {
	list := cache.NewListWatchFromClient(client, resource, namespace, fields.OneTermEqualSelector(metav1.ObjectNameField, name))
	_, err := watchtools.UntilWithSync(ctx, list, kind, nil, func(e watch.Event) (bool, error) {
		o, ok := e.Object.(T)
		if e.Type == watch.Deleted {
			return false, errGone
		}
		return ok && see(o), nil
	})
	if err != nil {
		return fmt.Errorf("watching %s %s: %w", resource, name, err)
	}
	return nil
}

// rollout says how far a Deployment is, and whether it is where it is to be.
func rollout(d *appsv1.Deployment) (line string, done bool) {
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	s := d.Status
	if s.ObservedGeneration < d.Generation {
		return "waiting for Kubernetes to heed the Deployment", false
	}
	ready := min(s.UpdatedReplicas, s.AvailableReplicas)
	line = fmt.Sprintf("%d of %d agents are ready", ready, want)
	if left := s.Replicas - s.UpdatedReplicas; left > 0 {
		return fmt.Sprintf("%s, %d of the former revision are left", line, left), false
	}
	return line, ready >= want
}

// obstacles says of each pod that is not ready why, as far as the pods say.
func (i *Installer) obstacles(ctx context.Context, clients kubernetes.Interface) string {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	pods, err := clients.CoreV1().Pods(i.namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + Agents})
	if err != nil {
		return "; its pods cannot be read: " + err.Error()
	}
	var all []string
	for _, p := range pods.Items {
		if why := obstacle(&p); why != "" {
			all = append(all, why)
		}
	}
	if all == nil {
		return ""
	}
	slices.Sort(all)
	return "; " + strings.Join(all, "; ")
}

// obstacle says why a pod is not ready, "" if it is.
func obstacle(p *corev1.Pod) string {
	for _, c := range p.Status.Conditions {
		switch {
		case c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue:
			return ""
		case c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse:
			return fmt.Sprintf("pod %s has no node: %s", p.Name, c.Message)
		}
	}
	for _, c := range p.Status.ContainerStatuses {
		switch s := c.State; {
		case s.Waiting != nil && s.Waiting.Reason == "ContainerCreating":
			return fmt.Sprintf("pod %s is being made: kubectl -n %s describe pod %s says what it waits for, such as the Secret with its identity", p.Name, p.Namespace, p.Name)
		case c.LastTerminationState.Terminated != nil, s.Terminated != nil:
			return fmt.Sprintf("pod %s ends again and again: kubectl -n %s logs %s --previous says why", p.Name, p.Namespace, p.Name)
		case s.Waiting != nil:
			return fmt.Sprintf("pod %s: %s: %s", p.Name, s.Waiting.Reason, s.Waiting.Message)
		}
	}
	return fmt.Sprintf("pod %s is not ready: kubectl -n %s logs %s says what it waits for", p.Name, p.Namespace, p.Name)
}
