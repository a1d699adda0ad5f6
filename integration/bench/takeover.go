package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/election"
	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// takeover is what the end of a leader costs: two clusters with two agents each, whose leaders are ended in turn, by
// SIGTERM and by SIGKILL. Lead: the time until a watch shows that the other agent holds the Lease. Change: the
// time until a ServiceImport with an address is in either cluster of what was exported in the other one after the
// leader was gone. Both begin right before the signal. Resent: the whole exports that came to either leader over its
// streams, but for those. Lost: what an agent made and a takeover deleted, gave other addresses, or took
// endpoints from.
var takeover = group{
	name:    "takeover",
	ids:     slices.Concat(takeoverIDs("takeover/stop"), takeoverIDs("takeover/kill")),
	alone:   true,
	measure: measureTakeover,
}

func takeoverIDs(id string) []string {
	return append(spreadIDs(id+"/lead", id+"/change"), id+"/resent", id+"/lost")
}

// takeoverPatience is how long a takeover may take.
const takeoverPatience = time.Minute

// takeovers are measured in a fleet of pairs.
type takeovers struct {
	*fleet
	lost *losses
	used int // names so far
}

// takenOver is one sample.
type takenOver struct {
	lead, change time.Duration
	resent       int
}

func measureTakeover(ctx context.Context, b *bench) (rows []row, err error) {
	f, err := startFleet(ctx, b, 2)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	t := &takeovers{fleet: f}
	if t.lost, err = watchLosses(ctx, f.set.Members()...); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.lost.close()) }()
	stopped, err := t.rows(ctx, b, "takeover/stop", (*clusterset.Member).StopAgent)
	if err != nil {
		return nil, err
	}
	killed, err := t.rows(ctx, b, "takeover/kill", (*clusterset.Member).KillAgent)
	return append(stopped, killed...), err
}

// rows ends leaders in one way.
func (t *takeovers) rows(ctx context.Context, b *bench, id string, end func(*clusterset.Member) error) ([]row, error) {
	var all []takenOver
	resent := 0
	for i := range b.restarts {
		cluster := []string{"east", "west"}[i%2]
		sample, err := t.round(ctx, cluster, end)
		if err != nil {
			return nil, fmt.Errorf("%s %d, of %s: %w", id, i+1, cluster, err)
		}
		all = append(all, sample)
		resent += sample.resent
		fmt.Fprintf(b.progress, "%s: %d of %d, of %s: %d records resent\n", id, i+1, b.restarts, cluster, sample.resent)
	}
	lost := t.lost.take()
	for _, l := range lost {
		fmt.Fprintf(b.progress, "%s: %s\n", id, l)
	}
	return slices.Concat(
		spread(id+"/lead", series(all, func(t takenOver) time.Duration { return t.lead })),
		spread(id+"/change", series(all, func(t takenOver) time.Duration { return t.change })),
		[]row{count(id+"/resent", resent, "records"), count(id+"/lost", len(lost), "objects")},
	), nil
}

// round ends the leader of a cluster, and starts that agent again when another one leads.
func (t *takeovers) round(ctx context.Context, cluster string, end func(*clusterset.Member) error) (s takenOver, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, takeoverPatience, fmt.Errorf("%s passed since the takeover began", takeoverPatience))
	defer cancel()
	ended, next, err := t.leader(ctx, cluster)
	if err != nil {
		return s, err
	}
	other := map[string]string{"east": "west", "west": "east"}[cluster]
	peer, _, err := t.leader(ctx, other)
	if err != nil {
		return s, err
	}
	before, err := receivedFrom(ctx, map[string]*clusterset.Member{other: next, cluster: peer})
	if err != nil {
		return s, err
	}
	if s.lead, s.change, err = t.time(ctx, ended, next, end); err != nil {
		return s, err
	}
	after, err := receivedFrom(ctx, map[string]*clusterset.Member{other: next, cluster: peer})
	if err != nil {
		return s, err
	}
	s.resent = after - before - 2 // what each cluster exported meanwhile
	return s, ended.StartAgent(ctx)
}

// receivedFrom returns how many exports came from clusters to these agents.
func receivedFrom(ctx context.Context, to map[string]*clusterset.Member) (total int, err error) {
	for of, m := range to {
		n, err := received(ctx, m, of)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// time ends an agent, and returns when the next one leads, and when what both clusters export after that is imported.
func (t *takeovers) time(ctx context.Context, ended, next *clusterset.Member, end func(*clusterset.Member) error) (lead, change time.Duration, err error) {
	t.used++
	name := map[string]string{"east": fmt.Sprintf("from-east-%d", t.used), "west": fmt.Sprintf("from-west-%d", t.used)}
	leases, err := watchObjects(ctx, next, &coordinationv1.LeaseList{}, agent.Defaults().Namespace)
	if err != nil {
		return 0, 0, err
	}
	defer leases.close()
	imports := map[string]*door[watch.Event]{}
	for _, m := range t.set.Members() {
		// The Service is known to both agents by then: it takes no part of what is measured.
		if err := create(ctx, m, exportedIn(knownNamespace, name[m.Name], servicePort, knownAddress(m.Name, 200, t.used))...); err != nil {
			return 0, 0, err
		}
		if imports[m.Name], err = watchObjects(ctx, m, &mcsv1beta1.ServiceImportList{}, knownNamespace); err != nil {
			return 0, 0, err
		}
		defer imports[m.Name].close()
	}
	if err := sleep(ctx, pause); err != nil {
		return 0, 0, err
	}
	group, ctx := errgroup.WithContext(ctx)
	var leads, inEast, inWest time.Time
	group.Go(func() (err error) {
		leads, err = leases.await(ctx, "another leader", showing(election.LeaseName, func(l *coordinationv1.Lease) bool { return holds(l, next) }))
		return err
	})
	group.Go(func() (err error) {
		inEast, err = imports["east"].await(ctx, name["west"], showing(name["west"], hasAddress))
		return err
	})
	group.Go(func() (err error) {
		inWest, err = imports["west"].await(ctx, name["east"], showing(name["east"], hasAddress))
		return err
	})
	began := time.Now()
	group.Go(func() error {
		if err := end(ended); err != nil {
			return err
		}
		return t.export(ctx, name)
	})
	if err := group.Wait(); err != nil {
		return 0, 0, err
	}
	return leads.Sub(began), max(inEast.Sub(began), inWest.Sub(began)), nil
}

// export exports a service of each cluster.
func (t *takeovers) export(ctx context.Context, name map[string]string) error {
	for _, m := range t.set.Members() {
		if err := create(ctx, m, client.Object(exportOf(knownNamespace, name[m.Name]))); err != nil {
			return err
		}
	}
	return nil
}
