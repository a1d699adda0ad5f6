package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// imported waits until a cluster has the ServiceImport with an address and that many clusters.
func (d *demo) imported(ctx context.Context, m *member, s service, from int) (*mcsv1beta1.ServiceImport, error) {
	return clusterset.Await(ctx, m.client, &mcsv1beta1.ServiceImportList{}, func(si *mcsv1beta1.ServiceImport) bool {
		return si.Name == s.name && len(si.Spec.IPs) > 0 && len(si.Status.Clusters) == from
	}, client.InNamespace("shop"))
}

func clusters(si *mcsv1beta1.ServiceImport) []string {
	var names []string
	for _, c := range si.Status.Clusters {
		names = append(names, c.Cluster)
	}
	return names
}

// dig asks a member's DNS for a service's address, as dig would, and checks the answer.
func (d *demo) dig(ctx context.Context, m *member, s service, want probe.DNS) {
	d.command("dig @%s -p %s %s A", host(m.dns), port(m.dns), s.host())
	got, err := probe.Query(ctx, m.dns, s.host(), "A")
	d.output(fmt.Sprintf("status: %s %s", got.Rcode, strings.Join(got.Records, " ")))
	d.check(err == nil && got.Rcode == want.Rcode && slices.Equal(got.Records, want.Records), "%s: DNS answers %s%s", m.name, want, because(err))
}

// invisible checks that neither DNS nor xDS of a member knows a service.
func (d *demo) invisible(ctx context.Context, m *member, s service) {
	d.dig(ctx, m, s, probe.DNS{Rcode: "NXDOMAIN"})
	n, err := probe.Listeners(ctx, m.xds, fmt.Sprintf("%s:%d", s.host(), grpcPort))
	d.check(err == nil && n == 0, "%s: xDS has no listener for %s%s", m.name, s.host(), because(err))
}

// assigned checks how many endpoints xDS of a member assigns to a service.
func (d *demo) assigned(ctx context.Context, m *member, s service, want int) error {
	ads, err := probe.OpenAssignment(ctx, m.xds, s.host(), grpcPort)
	if err != nil {
		return err
	}
	defer ads.Close()
	addresses, err := ads.NextAssignment()
	d.check(err == nil && len(addresses) == want, "%s: xDS assigns %v to %s%s", m.name, addresses, probe.ClusterName(s.host(), grpcPort), because(err))
	return nil
}

func (d *demo) target(s service) string { return fmt.Sprintf("xds:///%s:%d", s.host(), grpcPort) }

// answers calls web from west until every backend of want, and no other, answered.
func (d *demo) answers(ctx context.Context, want ...string) error {
	caller, err := probe.NewCaller(d.member("west").xds, d.target(web))
	if err != nil {
		return err
	}
	defer caller.Close()
	fmt.Fprintf(d.out, "  a gRPC client in west dials %s\n", d.target(web))
	count := map[string]int{}
	for calls := 0; len(count) < len(want) || calls < 10; calls++ {
		answer, err := caller.Call(ctx)
		if err != nil {
			return fmt.Errorf("call %d, answered so far by %v: %w", calls+1, count, err)
		}
		if count[answer]++; !slices.Contains(want, answer) {
			return fmt.Errorf("answered by %s, want %v", answer, want)
		}
	}
	var parts []string
	for _, name := range want {
		parts = append(parts, fmt.Sprintf("%s %d times", name, count[name]))
	}
	d.ok("west is answered by %s", strings.Join(parts, ", "))
	return nil
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

func milliseconds(t time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(t)/float64(time.Millisecond))
}
