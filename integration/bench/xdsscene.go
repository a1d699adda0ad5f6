package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// xdsScene is services that a cluster exports, and the View that it has of them: what is served.
type xdsScene struct {
	store    *federation.Store
	importer *importer.Importer
	exports  []*federation.Export
	changes  int                  // so far
	ready    []*federation.Export // the next changes, made beforehand
}

func newXDSScene(services, endpoints int) *xdsScene {
	s := &xdsScene{store: federation.NewStore("east"), exports: manyOf("east", services, endpoints)}
	s.importer = importer.New(s.store, importer.Config{Patience: federation.DefaultPatience})
	s.importer.SetNamespace("shop", true)
	s.store.Announce(1, s.exports)
	return s
}

// full waits until the View has all services.
func (s *xdsScene) full(ctx context.Context) error {
	return shows(ctx, s.importer, len(s.exports))
}

// shows waits until the View of an importer has so many services.
func shows(ctx context.Context, i *importer.Importer, services int) error {
	for {
		view := i.View()
		n := 0
		for range view.All() {
			n++
		}
		if n == services {
			return nil
		}
		select {
		case <-view.Replaced():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// change makes the next change: one endpoint of one service gets an address that none had before.
func (s *xdsScene) change() {
	if len(s.ready) == 0 {
		s.prepare(1)
	}
	s.store.Set(s.ready[0])
	s.ready = s.ready[1:]
}

// prepare makes what the next changes are of, which is not what a server of them does.
func (s *xdsScene) prepare(changes int) {
	for range changes {
		i := s.changes % len(s.exports)
		e := *s.exports[i]
		e.Subsets = []federation.Subset{{Ports: e.Subsets[0].Ports, Endpoints: slices.Clone(e.Subsets[0].Endpoints)}}
		e.Subsets[0].Endpoints[s.changes*37%len(e.Subsets[0].Endpoints)].Address = changedAddress(s.changes)
		e.Normalize()
		s.exports[i] = &e
		s.ready = append(s.ready, &e)
		s.changes++
	}
}

// changedAddress is what a change brings.
func changedAddress(change int) netip.Addr {
	return netip.AddrFrom4([4]byte{172, 16 + byte(change>>16), byte(change >> 8), byte(change)})
}

// xdsName is what the assignment of a service is called.
func xdsName(i int) string {
	return probe.ClusterName(fmt.Sprintf("service-%d.shop.svc.clusterset.local", i), 80)
}

// xdsPatience is how long a change may take to reach all clients, and these to get what they asked for at first.
const xdsPatience = time.Minute
