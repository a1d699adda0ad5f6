package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// door is a place that tells by itself when its addresses change. A goroutine of its own takes the time
// of each, so that it does not matter when somebody asks for it.
type door struct {
	name  string
	seen  chan sighting
	stop  func()
	feeds sync.WaitGroup
}

// sighting is what a door showed at a time; after one with an error there are no more.
type sighting struct {
	addresses []netip.Addr
	at        time.Time
	err       error
}

// open begins to take down what next returns, until it fails, which stop must make it do.
func open(name string, next func() ([]netip.Addr, error), stop func()) *door {
	ended := make(chan struct{})
	d := &door{name: name, seen: make(chan sighting, 16), stop: sync.OnceFunc(func() { close(ended); stop() })}
	d.feeds.Go(func() {
		for {
			addresses, err := next()
			select {
			case d.seen <- sighting{addresses, time.Now(), err}:
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

// await returns when the door first showed the address. It forgets what was shown before that.
func (d *door) await(ctx context.Context, address netip.Addr) (time.Time, error) {
	for {
		select {
		case s := <-d.seen:
			if s.err != nil {
				return time.Time{}, fmt.Errorf("%s: %w", d.name, s.err)
			}
			if slices.Contains(s.addresses, address) {
				return s.at, nil
			}
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("%s does not show %s: %w", d.name, address, context.Cause(ctx))
		}
	}
}

// close ends the door and waits for its goroutine.
func (d *door) close() {
	d.stop()
	d.feeds.Wait()
}

// watchSlices opens a bare watch of the EndpointSlices of a member that bear a label.
func watchSlices(ctx context.Context, m *clusterset.Member, label string) (*door, error) {
	w, err := m.Client.Watch(ctx, &discoveryv1.EndpointSliceList{}, client.InNamespace(namespace), client.MatchingLabels{label: serviceName})
	if err != nil {
		return nil, fmt.Errorf("watching the EndpointSlices of %s: %w", m.Name, err)
	}
	return open("a watch of EndpointSlices in "+m.Name, func() ([]netip.Addr, error) { return nextSlice(w) }, w.Stop), nil
}

func nextSlice(w watch.Interface) ([]netip.Addr, error) {
	e, ok := <-w.ResultChan()
	if !ok {
		return nil, errors.New("the watch ended")
	}
	if e.Type == watch.Error {
		return nil, apierrors.FromObject(e.Object)
	}
	var addresses []netip.Addr
	if slice, ok := e.Object.(*discoveryv1.EndpointSlice); ok && e.Type != watch.Deleted {
		for _, ep := range slice.Endpoints {
			for _, text := range ep.Addresses {
				if a, err := netip.ParseAddr(text); err == nil {
					addresses = append(addresses, a)
				}
			}
		}
	}
	return addresses, nil
}

// subscribe opens an ADS stream that follows the service's endpoints in a member.
func subscribe(ctx context.Context, m *clusterset.Member) (*door, error) {
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
