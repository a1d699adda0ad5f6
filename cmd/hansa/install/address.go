package install

import (
	"context"
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// Address returns host:port at which other clusters reach the agents by the load balancer of their Service, and waits until
// there is one. Of a Service of another type it returns "".
func (i *Installer) Address(ctx context.Context) (string, error) {
	clients, err := i.clients()
	if err != nil {
		return "", err
	}
	found, told := "", false
	err = follow(ctx, clients.CoreV1().RESTClient(), "services", i.namespace, Agents, &corev1.Service{}, func(s *corev1.Service) bool {
		var done bool
		if found, done = address(s); !done && !told {
			i.tell("waiting for the load balancer of Service " + Agents)
			told = true
		}
		return done
	})
	if ctx.Err() != nil {
		return "", fmt.Errorf("waiting for the load balancer of Service %s: kubectl -n %s describe service %s says whether the cluster makes one: %w", Agents, i.namespace, Agents, context.Cause(ctx))
	}
	return found, err
}

// address returns where the load balancer of a Service is, and whether that is all that will be known.
func address(s *corev1.Service) (string, bool) {
	if s.Spec.Type != corev1.ServiceTypeLoadBalancer || len(s.Spec.Ports) == 0 {
		return "", true
	}
	for _, at := range s.Status.LoadBalancer.Ingress {
		host := at.Hostname
		if host == "" {
			host = at.IP
		}
		if host != "" {
			return net.JoinHostPort(host, strconv.Itoa(int(s.Spec.Ports[0].Port))), true
		}
	}
	return "", false
}
