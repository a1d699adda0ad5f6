package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/hansa-mcs/hansa/cmd/hansa/corefile"
	"github.com/hansa-mcs/hansa/cmd/hansa/link"
	"github.com/hansa-mcs/hansa/dns"
)

// asks reports whether there is something that only the cluster can say.
func (s *snippet) asks() bool {
	return s.zone == "" || s.way == wayForward && len(s.addresses) == 0
}

// block returns the lines. warn is told of what may not be meant, which is no matter where there are none.
func (s *snippet) block(ctx context.Context, warn func(string)) (string, error) {
	var t *link.Target
	var told link.DNS
	if s.asks() {
		var err error
		if t, err = s.connect(); err != nil {
			return "", s.ungiven(err)
		}
		if told, err = s.ask(ctx, t, warn); err != nil {
			return "", err
		}
	}
	zone, err := s.settle(told)
	if err != nil {
		return "", err
	}
	if s.way == wayMulticluster {
		ttl, err := corefile.ParseTTL(told.TTL)
		if err != nil {
			return "", fmt.Errorf("%s --dns-ttl=%s: %w; change it by hansa init --set dnsTtl=5s, or give --zone", s.agents(), told.TTL, err)
		}
		return corefile.Multicluster(zone, ttl), nil
	}
	addresses := s.addresses
	if len(addresses) == 0 {
		if addresses, err = t.DNSAddresses(ctx); err != nil {
			return "", s.instead(err)
		}
	}
	return corefile.Forward(zone, addresses), nil
}

// ask returns what the agents are told. Who gives the zone needs no right to read that.
func (s *snippet) ask(ctx context.Context, t *link.Target, warn func(string)) (link.DNS, error) {
	told, err := t.DNS(ctx)
	switch {
	case s.zone != "" && apierrors.IsForbidden(err):
		warn(fmt.Sprintf("whether the agents answer for --zone %s is not known: %s", s.zone, err))
		return link.DNS{}, nil
	case err != nil:
		return link.DNS{}, s.ungiven(err)
	case told == nil && s.zone == "":
		warn(fmt.Sprintf("context %q, namespace %s: %s; the zone is taken to be %s, unless --zone is given", t.Context, t.Namespace, link.ErrNoAgents, dns.DefaultZone))
		return link.DNS{}, nil
	case told == nil:
		return link.DNS{}, nil
	}
	answered := cmp.Or(told.Zone, dns.DefaultZone)
	if s.zone != "" && strings.TrimSuffix(s.zone, ".") != answered {
		warn(fmt.Sprintf("--zone %s, but the agents are told to answer for %s and refuse all else", s.zone, answered))
	}
	return *told, nil
}

// settle returns the zone, which is no part of the cluster's own domain, nor that of it.
func (s *snippet) settle(told link.DNS) (string, error) {
	name := cmp.Or(s.zone, told.Zone, dns.DefaultZone)
	zone, err := corefile.ParseZone(name)
	if err == nil {
		err = corefile.Apart(zone, cmp.Or(told.Domain, corefile.OwnDomain))
	}
	if err != nil {
		return "", s.wrongZone(name, err)
	}
	return name, nil
}

// wrongZone says whose zone is wrong.
func (s *snippet) wrongZone(name string, err error) error {
	if s.zone != "" {
		return fmt.Errorf("--zone %q: %w: %w", s.zone, err, errUsage)
	}
	return fmt.Errorf("%s --dns-zone=%s: %w; change it by hansa init --set dnsZone=NAME", s.agents(), name, err)
}

// agents begins what is wrong with how the agents are told.
func (s *snippet) agents() string {
	return fmt.Sprintf("the agents in namespace %s have", s.namespace)
}

// ungiven adds what to give so that the cluster is not asked.
func (s *snippet) ungiven(err error) error {
	switch {
	case s.zone != "":
		return fmt.Errorf("%w; or give --address", err)
	case s.way == wayForward && len(s.addresses) == 0:
		return fmt.Errorf("%w; or give --zone and --address", err)
	}
	return fmt.Errorf("%w; or give --zone", err)
}

// instead says what can be done where no address is known.
func (s *snippet) instead(err error) error {
	const others = "give --address of agents that run elsewhere; or choose --way multicluster, by which CoreDNS asks no agent"
	switch {
	case errors.Is(err, link.ErrNoService):
		return fmt.Errorf("%w: repeat hansa init or join, or helm upgrade, which makes it again, with another address unless dnsService.clusterIP is set", err)
	case errors.Is(err, link.ErrNoDNS):
		return fmt.Errorf("%w: repeat hansa init or join with --set dnsAddress=:5353, or helm upgrade; or %s", err, others)
	case errors.Is(err, link.ErrNoAgents):
		return fmt.Errorf("%w: give --context and --namespace of theirs; or %s", err, others)
	}
	return fmt.Errorf("%w; or give --address", err)
}
