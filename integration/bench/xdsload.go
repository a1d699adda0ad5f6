package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hansa-mcs/hansa/federation"
)

// xdsLoad is what becomes of a member's own work while it serves xDS to more clients than it can: all services change,
// by a thousand changes each second of another member, and every change bears on many clients. How late those changes
// come, for how long others hear nothing of the member, and whether anybody suspects it. The floor is of the same changes
// before there are clients.
var xdsLoad = group{
	name: "xds-load",
	ids: append(seriesIDs("xds-load/late"),
		"xds-load/late/max", "xds-load/silence/max", "xds-load/suspected", "xds-load/told", "xds-load/cpu"),
	alone:   true,
	measure: measureXDSLoad,
}

const (
	loadClients = 1500
	loadNames   = 100 // of each
	// loadSpan is long enough for many rounds of gossip and some full exchanges.
	loadSpan = 30 * time.Second
	// loadWitnesses are members more, who hear the one under load.
	loadWitnesses = 3
)

func measureXDSLoad(ctx context.Context, b *bench) (rows []row, err error) {
	dir, err := os.MkdirTemp("", "hansa-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	members := []federation.ClusterID{"owner"}
	for i := range loadWitnesses {
		members = append(members, peerName(i))
	}
	if err := identities(dir, append(members, memberName)...); err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l := &load{services: manyOf("owner", manyServices, fewEndpoints), dir: dir}
	for _, name := range members {
		if err := l.join(ctx, group, name); err != nil {
			return nil, err
		}
	}
	group.Go(func() error {
		defer cancel()
		rows, err = l.run(ctx, b)
		return err
	})
	return rows, group.Wait()
}

// load is the members that are not under load, all in this process.
type load struct {
	dir       string
	nodes     []*node // the owner first
	services  []*federation.Export
	suspected suspicions
}

func (l *load) join(ctx context.Context, group *errgroup.Group, name federation.ClusterID) error {
	var seeds []string
	if len(l.nodes) > 0 {
		seeds = []string{l.nodes[0].address()}
	}
	n, err := newLoggingNode(ctx, l.dir+"/"+string(name), name, seeds, everybody, slog.New(&l.suspected))
	if err != nil {
		return err
	}
	var exports []*federation.Export
	if len(l.nodes) == 0 {
		exports = l.services
	}
	n.store.Announce(1, exports)
	group.Go(func() error { return n.run(ctx) })
	l.nodes = append(l.nodes, n)
	return nil
}

func (l *load) run(ctx context.Context, b *bench) (rows []row, err error) {
	var address string
	member, err := startProcess(ctx, b, "xds-member", memberTask{Dir: l.dir, Seed: l.nodes[0].address()}, &address)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, member.stop()) }()
	for _, n := range l.nodes {
		if err := n.knows(ctx, loadWitnesses+1); err != nil {
			return nil, err
		}
	}
	idle, err := l.changes(ctx, b, member)
	if err != nil {
		return nil, err
	}
	who := xdsCrowd{Address: address, Connections: loadClients, Names: loadNames, Services: manyServices, Loose: true}
	clients, err := startFar(ctx, b, "xds-clients", who, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, clients.stop()) }()
	fmt.Fprintf(b.progress, "xds-load: %d clients have what they asked for\n", loadClients)
	var before, after xdsCount
	if err := clients.ask("count", &before); err != nil {
		return nil, err
	}
	busy, err := l.changes(ctx, b, member)
	if err := errors.Join(err, clients.ask("count", &after), settled(ctx, clients)); err != nil {
		return nil, err
	}
	if after.Least == before.Least {
		return nil, errors.New("a client was told of no change")
	}
	return busy.rows(idle, float64(after.Resources-before.Resources)), nil
}

// loaded is what came of changes in some time.
type loaded struct {
	memberSeen
	silent time.Duration
}

// changes makes changes for loadSpan, or less.
func (l *load) changes(ctx context.Context, b *bench, member *process) (seen loaded, err error) {
	if err := member.ask("warm", nil); err != nil {
		return seen, err
	}
	suspected := l.suspected.n.Load()
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	var watch sync.WaitGroup
	watch.Go(func() { seen.silent = l.silence(watching) })
	l.nodes[0].change(ctx, l.services, min(loadSpan, b.span), io.Discard)
	cancel()
	watch.Wait()
	if err := member.ask("stop", &seen.memberSeen); err != nil {
		return seen, err
	}
	seen.Suspected += l.suspected.n.Load() - suspected
	if len(seen.Late) == 0 {
		return seen, errors.New("the member saw no change")
	}
	return seen, nil
}

// rows are beside what came of changes while there were no clients.
func (l loaded) rows(idle loaded, told float64) []row {
	return append(latencies("xds-load/late", l.Late, idle.Late),
		row{id: "xds-load/late/max", value: milliseconds(slices.Max(l.Late)), unit: "ms", floor: milliseconds(slices.Max(idle.Late))},
		row{id: "xds-load/silence/max", value: milliseconds(l.silent), unit: "ms", floor: milliseconds(idle.silent)},
		count("xds-load/suspected", int(l.Suspected), "suspicions"),
		row{id: "xds-load/told", value: told / l.After.At.Sub(l.Before.At).Seconds(), unit: "resources/s"},
		row{id: "xds-load/cpu", value: l.Before.share(l.After), unit: "%", floor: idle.Before.share(idle.After)},
	)
}

// silence returns the longest time, until ctx ends, in which one of those who are not under load heard nothing of the
// member over its stream.
func (l *load) silence(ctx context.Context) (longest time.Duration) {
	for sleep(ctx, silenceEvery) == nil {
		for _, n := range l.nodes {
			longest = max(longest, time.Since(n.store.Pulse(memberName).Heard()))
		}
	}
	return longest
}

// silenceEvery is the resolution of silence.
const silenceEvery = 20 * time.Millisecond

// settled returns when all clients hold the same of all services: nothing that changed under load was lost.
func settled(ctx context.Context, clients *process) error {
	for began := time.Now(); ; {
		var differ int
		err := errors.Join(sleep(ctx, time.Second), clients.ask("differing", &differ))
		if err != nil || differ == 0 {
			return err
		}
		if time.Since(began) > xdsPatience {
			return fmt.Errorf("after %s without a change clients still differ in what they hold of %d services", xdsPatience, differ)
		}
	}
}
