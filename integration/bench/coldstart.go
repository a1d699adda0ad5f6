package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// coldstart is an agent of west that was killed, and starts when no other agent is left anywhere: the times from
// right before its process begins until /readyz says yes, until DNS answers with the address of a service of
// east, and until an xDS client has the first answer about all that east exported. Missing: the endpoints that
// this first answer lacks, in the worst case. Negative: DNS answers without the address, but for SERVFAIL, which
// denies nothing.
var coldstart = group{
	name:    "coldstart",
	ids:     append(spreadIDs("coldstart/ready", "coldstart/dns", "coldstart/xds"), "coldstart/xds/missing", "coldstart/dns/negative"),
	alone:   true,
	measure: measureColdstart,
}

// coldCourse is the agent, and what it must still know.
type coldCourse struct {
	agent     *clusterset.Member
	addresses []string         // of one service, by DNS
	assigned  []string         // names of assignments
	endpoints []netip.AddrPort // of all of them
}

// coldTimes is one sample.
type coldTimes struct {
	ready, dns, xds   time.Duration
	missing, negative int
}

func measureColdstart(ctx context.Context, b *bench) (rows []row, err error) {
	f, err := startFleet(ctx, b, 1)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	c, err := openColdCourse(ctx, f)
	if err != nil {
		return nil, err
	}
	var all []coldTimes
	missing, negative := 0, 0
	for i := range b.restarts {
		t, err := c.round(ctx)
		if err != nil {
			return nil, fmt.Errorf("cold start %d: %w", i+1, err)
		}
		all = append(all, t)
		missing, negative = max(missing, t.missing), negative+t.negative
		fmt.Fprintf(b.progress, "coldstart: %d of %d\n", i+1, b.restarts)
	}
	return slices.Concat(
		spread("coldstart/ready", series(all, func(t coldTimes) time.Duration { return t.ready })),
		spread("coldstart/dns", series(all, func(t coldTimes) time.Duration { return t.dns })),
		spread("coldstart/xds", series(all, func(t coldTimes) time.Duration { return t.xds })),
		[]row{count("coldstart/xds/missing", missing, "endpoints"), count("coldstart/dns/negative", negative, "answers")},
	), nil
}

// openColdCourse takes down what west knows, and ends east for good.
func openColdCourse(ctx context.Context, f *fleet) (*coldCourse, error) {
	c := &coldCourse{agent: f.set.Member("west")}
	var imported mcsv1beta1.ServiceImport
	if err := c.agent.Client.Get(ctx, client.ObjectKey{Namespace: knownNamespace, Name: knownName("east", 0)}, &imported); err != nil {
		return nil, fmt.Errorf("reading a ServiceImport of west: %w", err)
	}
	c.addresses = imported.Spec.IPs
	for i := range knownServices {
		c.assigned = append(c.assigned, probe.ClusterName(knownHost("east", i), servicePort))
		for n := range knownEndpoints {
			c.endpoints = append(c.endpoints, netip.AddrPortFrom(knownAddress("east", i, n), servicePort))
		}
	}
	return c, f.set.Member("east").KillAgent()
}

func knownHost(cluster string, i int) string {
	return knownName(cluster, i) + "." + knownNamespace + ".svc.clusterset.local"
}

// round kills the agent and starts it again.
func (c *coldCourse) round(ctx context.Context) (t coldTimes, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, takeoverPatience, fmt.Errorf("%s passed since the cold start began", takeoverPatience))
	defer cancel()
	if err := c.agent.KillAgent(); err != nil {
		return t, err
	}
	began := time.Now()
	if err := c.agent.LaunchAgent(); err != nil {
		return t, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		err := c.awaitReady(ctx)
		t.ready = time.Since(began)
		return err
	})
	group.Go(func() (err error) {
		t.negative, err = c.awaitDNS(ctx)
		t.dns = time.Since(began)
		return err
	})
	group.Go(func() (err error) {
		t.missing, err = c.awaitXDS(ctx)
		t.xds = time.Since(began)
		return err
	})
	return t, group.Wait()
}

// knock does something again and again until it succeeds: nobody tells when another process opens its ports.
func knock(ctx context.Context, what string, do func() error) error {
	const between = 2 * time.Millisecond
	for {
		err := do()
		if err == nil {
			return nil
		}
		if sleep(ctx, between) != nil {
			return fmt.Errorf("%s: %w: %w", what, context.Cause(ctx), err)
		}
	}
}

func (c *coldCourse) awaitReady(ctx context.Context) error {
	return knock(ctx, "waiting until /readyz says yes", func() error {
		_, err := c.agent.Get(ctx, "/readyz")
		return err
	})
}

// awaitDNS asks until the answer is right, and returns how often it was another one that resolvers believe.
func (c *coldCourse) awaitDNS(ctx context.Context) (negative int, err error) {
	err = knock(ctx, "waiting until DNS answers", func() error {
		got, err := probe.Query(ctx, c.agent.DNS, knownHost("east", 0), "A")
		if err == nil && !slices.Equal(got.Records, c.addresses) {
			if got.Rcode != "SERVFAIL" {
				negative++
			}
			err = fmt.Errorf("DNS answers %v, want %v", got, c.addresses)
		}
		return err
	})
	return negative, err
}

// awaitXDS subscribes as soon as the port is open, and returns how many endpoints the first answer lacks.
func (c *coldCourse) awaitXDS(ctx context.Context) (missing int, err error) {
	// A gRPC client that is refused once waits for a second: too coarse.
	err = knock(ctx, "waiting until the port of xDS is open", func() error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.agent.XDS)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	ads, err := probe.OpenADS(ctx, c.agent.XDS, resourcev3.EndpointType, c.assigned...)
	if err != nil {
		return 0, err
	}
	defer ads.Close()
	got, err := ads.NextAssignment()
	return lacks(got, c.endpoints), err
}

// lacks returns how many of the wanted endpoints are not there.
func lacks(got, want []netip.AddrPort) (missing int) {
	for _, e := range want {
		if _, there := slices.BinarySearchFunc(got, e, netip.AddrPort.Compare); !there {
			missing++
		}
	}
	return missing
}
