package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// door is a place that tells by itself when what it shows changes. A goroutine of its own takes the time
// of each change, so that it does not matter when somebody asks for it.
type door[T any] struct {
	name  string
	seen  chan sighting[T]
	stop  func()
	feeds sync.WaitGroup
}

// sighting is what a door showed at a time; after one with an error there are no more.
type sighting[T any] struct {
	shown T
	at    time.Time
	err   error
}

// open begins to take down what next returns, until it fails, which stop must make it do.
func open[T any](name string, next func() (T, error), stop func()) *door[T] {
	ended := make(chan struct{})
	d := &door[T]{name: name, seen: make(chan sighting[T], 16), stop: sync.OnceFunc(func() { close(ended); stop() })}
	d.feeds.Go(func() {
		for {
			shown, err := next()
			select {
			case d.seen <- sighting[T]{shown, time.Now(), err}:
			case <-ended:
				return
			}
			if err != nil {
				return
			}
		}
	})
	return d
}

// await returns when the door first showed what is wanted, which what names for people. It forgets what was
// shown before that.
func (d *door[T]) await(ctx context.Context, what string, want func(T) bool) (time.Time, error) {
	for {
		select {
		case s := <-d.seen:
			if s.err != nil {
				return time.Time{}, fmt.Errorf("%s: %w", d.name, s.err)
			}
			if want(s.shown) {
				return s.at, nil
			}
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("%s does not show %s: %w", d.name, what, context.Cause(ctx))
		}
	}
}

// close ends the door and waits for its goroutine.
func (d *door[T]) close() {
	d.stop()
	d.feeds.Wait()
}

// subscribe opens an ADS stream that follows the service's endpoints in a member.
func subscribe(ctx context.Context, m *clusterset.Member) (*door[[]netip.Addr], error) {
	ctx, cancel := context.WithCancel(ctx)
	ads, err := probe.OpenAssignment(ctx, m.XDS, serviceHost, servicePort)
	if err != nil {
		cancel()
		return nil, err
	}
	next := func() ([]netip.Addr, error) {
		assigned, err := ads.NextAssignment()
		var addresses []netip.Addr
		for _, a := range assigned {
			addresses = append(addresses, a.Addr())
		}
		return addresses, err
	}
	return open("an xDS client of "+m.Name, next, func() { cancel(); _ = ads.Close() }), nil
}

// awaitAddress is await for doors that show addresses.
func awaitAddress(ctx context.Context, d *door[[]netip.Addr], address netip.Addr) (time.Time, error) {
	return d.await(ctx, address.String(), func(shown []netip.Addr) bool { return slices.Contains(shown, address) })
}
