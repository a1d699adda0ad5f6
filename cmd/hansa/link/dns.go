package link

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The objects by which the agents' DNS is found, as the chart makes them.
const (
	agentsName = "hansa-agent"
	dnsService = agentsName + "-dns"
)

// Why no address of the agents' DNS is known.
var (
	// ErrNoAgents is for where there are no agents.
	ErrNoAgents = errors.New("no agents of hansa are installed there")
	// ErrNoDNS is for agents that are not told to answer any.
	ErrNoDNS = errors.New("the agents answer no DNS, as they have no --dns-address")
	// ErrNoService is for agents that are, but lack the Service by which others ask them.
	ErrNoService = fmt.Errorf("there is no Service %s", dnsService)
)

// DNS is what this cluster's agents are told about DNS, in the words of their flags: "" for what they are not told.
type DNS struct {
	Address string // at which they answer
	Zone    string // that they answer for
	TTL     string
	Domain  string // of this cluster's own Services
}

// DNS returns what this cluster's agents are told, nil if there are none.
func (t *Target) DNS(ctx context.Context) (*DNS, error) {
	d, err := t.core.AppsV1().Deployments(t.Namespace).Get(ctx, agentsName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, t.explain("reading Deployment "+agentsName, err)
	}
	return &DNS{
		Address: flagOf(d, "--dns-address"), Zone: flagOf(d, "--dns-zone"), TTL: flagOf(d, "--dns-ttl"), Domain: flagOf(d, "--cluster-domain"),
	}, nil
}

// DNSAddresses returns the addresses of the Service at which this cluster's agents answer DNS.
func (t *Target) DNSAddresses(ctx context.Context) ([]string, error) {
	service, err := t.core.CoreV1().Services(t.Namespace).Get(ctx, dnsService, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, t.noService(ctx)
	case err != nil:
		return nil, t.explain("reading Service "+dnsService, err)
	}
	addresses := clusterIPs(service)
	if len(addresses) == 0 {
		return nil, fmt.Errorf("%s: Service %s has no cluster IP: delete it and repeat hansa init or join, or helm upgrade, which makes it anew", t.place(), dnsService)
	}
	return addresses, nil
}

// noService says why there is no Service.
func (t *Target) noService(ctx context.Context) error {
	told, err := t.DNS(ctx)
	switch {
	case err != nil:
		return err
	case told == nil:
		return fmt.Errorf("%s: %w", t.place(), ErrNoAgents)
	case told.Address == "":
		return fmt.Errorf("%s: %w", t.place(), ErrNoDNS)
	}
	return fmt.Errorf("%s: %w, though the agents have --dns-address=%s", t.place(), ErrNoService, told.Address)
}

func (t *Target) place() string {
	return fmt.Sprintf("context %q, namespace %s", t.Context, t.Namespace)
}

// clusterIPs are those of a Service that has any: a headless one says None.
func clusterIPs(s *corev1.Service) []string {
	return slices.DeleteFunc(slices.Clone(s.Spec.ClusterIPs), func(ip string) bool { return ip == "" || ip == corev1.ClusterIPNone })
}

// flagOf returns what the agents are given for a flag, "" for nothing. Of several the last one counts, as it does for them.
func flagOf(d *appsv1.Deployment, name string) (value string) {
	for _, c := range d.Spec.Template.Spec.Containers {
		for i, arg := range c.Args {
			if given, ok := strings.CutPrefix(arg, name+"="); ok {
				value = given
			} else if arg == name && i+1 < len(c.Args) {
				value = c.Args[i+1]
			}
		}
	}
	return value
}
