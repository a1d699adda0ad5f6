package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	discoveryv1 "k8s.io/api/discovery/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/probe"
)

// endpoint is the way of one endpoint change: an EndpointSlice is written in east; the times until an
// xDS client of west, the DNS of west and a watch of west's EndpointSlices show it. The floor is the time
// until a bare watch in east shows it, which nobody can beat who learns of it from the API server.
// All times start right before the write begins. Two real API servers are at work: the third cluster has no agent then.
// The rows of a busy clusterset are of one in which other exported services of east change as well. They stand beside the
// floor of the idle one: what agents write of those changes is part of what keeps the API servers busy, and slows a bare
// watch, endpoint/busy/floor, too.
var endpoint = group{
	name: "endpoint",
	ids: append(seriesIDs("endpoint/floor", "endpoint/xds", "endpoint/slice", "endpoint/dns", "endpoint/busy/floor", "endpoint/busy/xds"),
		"endpoint/dns-behind-xds/p50", "endpoint/busy/missed"),
	measure: measureEndpoint,
}

const (
	// warmUp rounds come before those that count: connections, caches and heaps are then as in use.
	warmUp = 30
	// patience is how long a change may take to be shown by all doors.
	patience = 10 * time.Second
	// pause between rounds lets etcd, API servers and agents end what they do after they have shown a
	// change, and answered. Rows are of an idle clusterset in which one endpoint changes.
	pause = 20 * time.Millisecond
	// askEvery is the resolution of what DNS shows. Without a pause questions would take a whole core from those who
	// bring the change.
	askEvery = 250 * time.Microsecond
)

// course is where changes are written, and all doors that show them.
type course struct {
	service           *service
	floor, xds, slice *door[[]netip.Addr]
	dns               *probe.Resolver
}

// times are how long after the beginning of the write the doors showed one change. A round either asks
// DNS or does not: then dns is 0.
type times struct{ floor, xds, slice, dns time.Duration }

func measureEndpoint(ctx context.Context, b *bench) (rows []row, err error) {
	north := b.set.Member("north")
	if err := north.StopAgent(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, north.StartAgent(ctx)) }()
	c, err := openCourse(ctx, b)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	// DNS must be asked again and again to see when its answer changes, which takes cores from all others.
	// So rounds alternate: one for the doors that push, one for DNS, each with a floor of its own.
	var pushed, asked []times
	for i := range warmUp + b.samples {
		for _, dns := range []bool{false, true} {
			t, err := c.round(ctx, dns)
			switch {
			case err != nil:
				return nil, fmt.Errorf("endpoint change %d: %w", i+1, err)
			case i < warmUp:
			case dns:
				asked = append(asked, t)
			default:
				pushed = append(pushed, t)
			}
		}
		if done := i + 1; done%100 == 0 || done == warmUp+b.samples {
			fmt.Fprintf(b.progress, "endpoint: %d of %d rounds\n", done, warmUp+b.samples)
		}
	}
	busy, pace, err := c.busyRounds(ctx, b)
	if err != nil {
		return nil, err
	}
	shown := func(t times) time.Duration { return t.floor }
	told := func(t times) time.Duration { return t.xds }
	floor := series(pushed, shown)
	return slices.Concat(
		latencies("endpoint/floor", floor, nil),
		latencies("endpoint/xds", series(pushed, told), floor),
		latencies("endpoint/busy/floor", series(busy, shown), nil),
		latencies("endpoint/busy/xds", series(busy, told), floor),
		latencies("endpoint/slice", series(pushed, func(t times) time.Duration { return t.slice }), floor),
		latencies("endpoint/dns", series(asked, func(t times) time.Duration { return t.dns }),
			series(asked, shown)),
		[]row{behind(asked), pace},
	), nil
}

// behind returns how much later than an xDS client DNS showed a change, in the median of the rounds that asked it. Both
// times are of one change, so what hinders its way hinders both; and as the questions leave the cores alone, an xDS
// client sees changes as early as in the other rounds.
func behind(asked []times) row {
	later := series(asked, func(t times) time.Duration { return t.dns - t.xds })
	return row{id: "endpoint/dns-behind-xds/p50", value: milliseconds(percentile(later, 50)), unit: "ms"}
}

func series[T any](all []T, of func(T) time.Duration) []time.Duration {
	var s []time.Duration
	for _, t := range all {
		s = append(s, of(t))
	}
	return s
}

// openCourse exports the service from east and waits until every door shows it.
func openCourse(ctx context.Context, b *bench) (c *course, err error) {
	east, west := b.set.Member("east"), b.set.Member("west")
	c = &course{}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if c.service, err = exportService(ctx, b.set, east); err != nil {
		return nil, err
	}
	if c.floor, err = watchAddresses(ctx, east, discoveryv1.LabelServiceName); err != nil {
		return nil, err
	}
	if c.slice, err = watchAddresses(ctx, west, mcsv1beta1.LabelServiceName); err != nil {
		return nil, err
	}
	if c.xds, err = subscribe(ctx, west); err != nil {
		return nil, err
	}
	if c.dns, err = probe.DialDNS(ctx, west.DNS); err != nil {
		return nil, err
	}
	_, err = c.round(ctx, true)
	return c, err
}

func (c *course) close() error {
	for _, d := range []*door[[]netip.Addr]{c.floor, c.xds, c.slice} {
		if d != nil {
			d.close()
		}
	}
	if c.dns == nil {
		return nil
	}
	return c.dns.Close()
}

// round changes one endpoint and waits until all doors showed it.
func (c *course) round(ctx context.Context, dns bool) (times, error) {
	if err := sleep(ctx, pause); err != nil {
		return times{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s passed since the write began", patience))
	defer cancel()
	address := c.service.replace()
	var t times
	var floor, xds, slice, answered time.Time
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { xds, err = awaitAddress(ctx, c.xds, address); return err })
	group.Go(func() (err error) { slice, err = awaitAddress(ctx, c.slice, address); return err })
	group.Go(func() (err error) {
		if floor, err = awaitAddress(ctx, c.floor, address); err != nil || !dns {
			return err
		}
		answered, err = c.ask(ctx, address)
		return err
	})
	began := time.Now()
	group.Go(func() error { return c.service.write(ctx) })
	if err := group.Wait(); err != nil {
		return times{}, err
	}
	t = times{floor: floor.Sub(began), xds: xds.Sub(began), slice: slice.Sub(began)}
	if dns {
		t.dns = answered.Sub(began)
	}
	return t, nil
}

// ask asks DNS, a question each askEvery, until the answer has the address. It is called when east itself shows the change: before that there is nothing to see, and
// the questions would only take the cores from the API server.
func (c *course) ask(ctx context.Context, address netip.Addr) (time.Time, error) {
	for ctx.Err() == nil {
		answer, err := c.dns.Query(ctx, serviceHost, "A")
		if err != nil {
			return time.Time{}, err
		}
		if slices.Contains(answer.Records, address.String()) {
			return time.Now(), nil
		}
		if err := sleep(ctx, askEvery); err != nil {
			break
		}
	}
	return time.Time{}, fmt.Errorf("the DNS of west does not answer with %s: %w", address, context.Cause(ctx))
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
