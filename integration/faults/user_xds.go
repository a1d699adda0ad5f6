package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"github.com/hansa-mcs/hansa/integration/probe"
)

// servicePort is the port of every service of the faults.
const servicePort = 80

// followXDS holds a stream to an agent, as a proxy does: when it breaks, what was said stays, and another agent is
// tried.
func (u *user) followXDS(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		_ = u.hold(ctx, u.agents[i%len(u.agents)].XDS) // why it broke is the fault
		sleep(ctx, pace)
	}
}

// streamPatience is how long a stream may take to come up.
const streamPatience = 2 * time.Second

func (u *user) hold(ctx context.Context, address string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	late := time.AfterFunc(streamPatience, cancel) // the agent may be away: then try the other
	defer late.Stop()
	ads, err := probe.OpenAssignment(ctx, address, u.host(), servicePort)
	if err != nil {
		return err
	}
	defer ads.Close()
	late.Stop()
	for {
		response, err := ads.Next()
		if err != nil {
			return err
		}
		u.pushed()
		for _, resource := range response.GetResources() {
			var assignment endpointv3.ClusterLoadAssignment
			if err := resource.UnmarshalTo(&assignment); err != nil {
				return fmt.Errorf("decoding an assignment: %w", err)
			}
			u.say(byXDS, preferred(&assignment))
		}
	}
}

// preferred returns the endpoints of the highest priority that has any, where a client sends everything while they
// are healthy.
func preferred(a *endpointv3.ClusterLoadAssignment) (addresses []string) {
	best := uint32(0)
	for _, l := range a.GetEndpoints() {
		switch p := l.GetPriority(); {
		case len(l.GetLbEndpoints()) == 0, len(addresses) > 0 && p > best:
			continue
		case p < best:
			addresses = nil
			fallthrough
		default:
			best = p
		}
		for _, ep := range l.GetLbEndpoints() {
			if ip, err := netip.ParseAddr(ep.GetEndpoint().GetAddress().GetSocketAddress().GetAddress()); err == nil {
				addresses = append(addresses, ip.String())
			}
		}
	}
	return addresses
}
