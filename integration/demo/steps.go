package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/hansa-mcs/hansa/integration/probe"
)

// steps are shown in this order; each builds on those before.
var steps = []step{
	{"two empty clusters: init, join, export", (*demo).link, true},
	{"north joins them", (*demo).third, true},
	{"(a) a Service without a ServiceExport is invisible elsewhere", (*demo).private, false},
	{"(b) a ServiceExport in east makes it usable in west and north", (*demo).export, false},
	{"(c) a proxyless gRPC client in west is answered from east", (*demo).call, false},
	{"(d) exported from north too, both answer", (*demo).both, false},
	{"(e) an endpoint added in east is seen in west", (*demo).grow, false},
	{"(f) the ServiceExports deleted, it is gone everywhere", (*demo).withdraw, false},
	{"(g) the agent of west dies and comes back under load", (*demo).restart, false},
}

// private looks for web, which is in east and not exported. Lighthouse was exported after web was made: where that is
// seen, web would be too.
func (d *demo) private(ctx context.Context) error {
	for _, name := range []string{"west", "north"} {
		m := d.member(name)
		if _, err := d.imported(ctx, m, lighthouse, 1); err != nil {
			return fmt.Errorf("lighthouse in %s: %w", name, err)
		}
		out, err := d.kubectl(ctx, name, "-n", "shop", "get", "serviceimports,services,endpointslices", "-o", "name")
		if err != nil {
			return err
		}
		d.check(!strings.Contains(out, "/web"), "%s: Kubernetes has nothing of web", name)
		d.invisible(ctx, m, web)
	}
	return nil
}

// export exports web and looks at it through every door.
func (d *demo) export(ctx context.Context) error {
	if _, err := d.hansa(ctx, "export", "web", "-n", "shop", "--context", "east"); err != nil {
		return err
	}
	for _, name := range []string{"west", "north"} {
		m := d.member(name)
		si, err := d.imported(ctx, m, web, 1)
		if err != nil {
			return fmt.Errorf("web in %s: %w", name, err)
		}
		if _, err := d.kubectl(ctx, name, "-n", "shop", "get", "serviceimport", "web"); err != nil {
			return err
		}
		d.ok("%s: ServiceImport web has the clusterset IP %s", name, strings.Join(si.Spec.IPs, ", "))
		if err := d.curl(ctx, m, web, "east"); err != nil {
			return err
		}
		d.dig(ctx, m, web, probe.DNS{Rcode: "NOERROR", Records: si.Spec.IPs})
		if err := d.assigned(ctx, m, web, 1); err != nil {
			return err
		}
	}
	return nil
}

// curl looks at the imported slices of a service, and calls the endpoint that they name, which is to be that backend.
func (d *demo) curl(ctx context.Context, m *member, s service, backend string) error {
	out, err := d.kubectl(ctx, m.name, "-n", "shop", "get", "endpointslices", "-l", mcsv1beta1.LabelServiceName+"="+s.name,
		"-o", `jsonpath={range .items[*]}{.endpoints[0].addresses[0]}:{.ports[?(@.name=="http")].port}{"\n"}{end}`)
	if err != nil {
		return err
	}
	address := strings.TrimSpace(out)
	d.command("curl http://%s", address)
	answer, err := probe.Fetch(ctx, "http://"+address)
	d.output(answer)
	d.check(err == nil && answer == backend+"\n", "%s: the EndpointSlice leads to the backend in east%s", m.name, because(err))
	return nil
}

// call sends one request from a proxyless gRPC client in west.
func (d *demo) call(ctx context.Context) error {
	return d.answers(ctx, "east")
}

// both exports web from north as well.
func (d *demo) both(ctx context.Context) error {
	if err := d.deploy(ctx, "north", web, "north"); err != nil {
		return err
	}
	if _, err := d.hansa(ctx, "export", "web", "-n", "shop", "--context", "north"); err != nil {
		return err
	}
	si, err := d.imported(ctx, d.member("west"), web, 2)
	if err != nil {
		return err
	}
	d.ok("west: ServiceImport web lists the clusters %v", clusters(si))
	if err := d.answers(ctx, "east", "north"); err != nil {
		return err
	}
	_, err = d.hansa(ctx, "explain", "--agent", d.member("west").http, "shop/web")
	d.check(err == nil, "west: hansa explain finds nothing wrong with shop/web%s", because(err))
	return nil
}

// grow adds an endpoint in east and measures until a client in west has it, and until it is answered by
// it. The write goes straight to the API server, as kubectl's own start would drown what is measured.
func (d *demo) grow(ctx context.Context) error {
	b, err := d.backend("east-2")
	if err != nil {
		return err
	}
	west := d.member("west")
	caller, err := probe.NewCaller(west.xds, d.target(web))
	if err != nil {
		return err
	}
	defer caller.Close()
	if _, err := caller.Call(ctx); err != nil {
		return err
	}
	ads, err := probe.OpenAssignment(ctx, west.xds, web.host(), grpcPort)
	if err != nil {
		return err
	}
	defer ads.Close()
	if _, err := ads.NextAssignment(); err != nil {
		return err
	}
	d.command("cat east-2.yaml")
	d.output(web.slice(b))
	d.command("kubectl --context east apply -f east-2.yaml")
	var slice discoveryv1.EndpointSlice
	if err := yaml.Unmarshal([]byte(web.slice(b)), &slice); err != nil {
		return err
	}
	began := time.Now()
	if err := d.member("east").client.Create(ctx, &slice); err != nil {
		return err
	}
	for addresses := []netip.AddrPort(nil); !slices.Contains(addresses, b.GRPC); {
		if addresses, err = ads.NextAssignment(); err != nil {
			return err
		}
	}
	seen := time.Since(began)
	for answer := ""; answer != b.Name; {
		if answer, err = caller.Call(ctx); err != nil {
			return err
		}
	}
	d.check(seen < 50*time.Millisecond, "west has the new endpoint %s after the write in east began (limit 50ms)", milliseconds(seen))
	d.ok("the gRPC client in west was answered by it after %s", milliseconds(time.Since(began)))
	return nil
}

// withdraw deletes both exports of web.
func (d *demo) withdraw(ctx context.Context) error {
	if _, err := d.hansa(ctx, "unexport", "web", "-n", "shop", "--context", "east"); err != nil {
		return err
	}
	if _, err := d.kubectl(ctx, "north", "-n", "shop", "delete", "serviceexport", "web"); err != nil {
		return err
	}
	for _, m := range d.members {
		err := m.objects().AwaitWithdrawn(ctx, "shop", web.name)
		d.check(err == nil, "%s: ServiceImport and EndpointSlices of web are gone, the address rests%s", m.name, because(err))
		d.invisible(ctx, m, web)
	}
	return nil
}

// deploy makes a service with one backend in a cluster.
func (d *demo) deploy(ctx context.Context, cluster string, s service, backend string) error {
	b, err := d.backend(backend)
	if err != nil {
		return err
	}
	return d.apply(ctx, cluster, s.name+".yaml", s.manifest()+"---\n"+s.slice(b))
}
