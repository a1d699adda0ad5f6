package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/hansa-mcs/hansa/integration/clusterset"
)

const (
	// noiseServices are exported from east, and change in turn while others are measured.
	noiseServices = 20
	// noiseEndpoints is how many endpoints each of them has, of which one is another after each change. With one, clients
	// have nobody else: agents may put off least.
	noiseEndpoints = 1
	// noiseEvery is how often one of them changes: 100 times each second.
	noiseEvery = 10 * time.Millisecond
	// fewMissed is how many of the changes may not be made in time, in percent, or the rows are of another pace.
	fewMissed = 5
)

// busyRounds are rounds while other services change, and a row of how these kept their pace.
func (c *course) busyRounds(ctx context.Context, b *bench) (rounds []times, pace row, err error) {
	east := b.set.Member("east")
	for i := range noiseServices {
		if err := create(ctx, east, append(noiseService(i), exportOf(namespace, noiseName(i)))...); err != nil {
			return nil, row{}, err
		}
	}
	defer func() {
		for i := range noiseServices {
			err = errors.Join(err, remove(ctx, east, append(noiseService(i), exportOf(namespace, noiseName(i)))...))
		}
	}()
	group, groupCtx := errgroup.WithContext(ctx)
	groupCtx, cancel := context.WithCancel(groupCtx)
	defer cancel()
	made, began := make([]int, noiseServices), time.Now()
	for i := range noiseServices {
		group.Go(func() error { return makeNoise(groupCtx, east, i, began, &made[i]) })
	}
	group.Go(func() (err error) {
		defer cancel()
		rounds, err = c.rounds(groupCtx, b, "endpoint/busy")
		return err
	})
	err = group.Wait()
	return rounds, missed(made, time.Since(began)), err
}

// rounds are those that count, after those that warm up, without DNS.
func (c *course) rounds(ctx context.Context, b *bench, name string) ([]times, error) {
	var counted []times
	for i := range warmUp + b.samples {
		t, err := c.round(ctx, false)
		if err != nil {
			return nil, fmt.Errorf("%s change %d: %w", name, i+1, err)
		}
		if i >= warmUp {
			counted = append(counted, t)
		}
	}
	fmt.Fprintf(b.progress, "%s: %d rounds\n", name, len(counted))
	return counted, nil
}

func noiseName(i int) string { return fmt.Sprintf("noise-%d", i) }

func noiseService(i int) []client.Object {
	var addresses []netip.Addr
	for n := range noiseEndpoints {
		addresses = append(addresses, noiseAddress(i, n))
	}
	return exportedIn(namespace, noiseName(i), 80, addresses...)
}

// noiseAddress is an address of a service that no other has, nor it again.
func noiseAddress(i, change int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 220 + byte(i), byte(change >> 8), byte(change)})
}

// makeNoise changes an endpoint of one service each time that it is its turn, until ctx ends, and counts that.
func makeNoise(ctx context.Context, m *clusterset.Member, i int, began time.Time, made *int) error {
	slice := noiseService(i)[1].(*discoveryv1.EndpointSlice)
	if err := m.Client.Get(ctx, client.ObjectKeyFromObject(slice), slice); err != nil {
		return fmt.Errorf("reading EndpointSlice %s: %w", slice.Name, err)
	}
	for {
		due := began.Add(time.Duration(*made*noiseServices+i) * noiseEvery)
		if sleep(ctx, time.Until(due)) != nil {
			return nil
		}
		slice.Endpoints[*made%noiseEndpoints].Addresses[0] = noiseAddress(i, *made+noiseEndpoints).String()
		if err := m.Client.Update(ctx, slice); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("updating EndpointSlice %s: %w", slice.Name, err)
		}
		*made++
	}
}

// missed returns how many of the background changes that were due were not made.
func missed(made []int, took time.Duration) row {
	due := float64(took) / float64(noiseEvery)
	left := due
	for _, n := range made {
		left -= float64(n)
	}
	return row{id: "endpoint/busy/missed", value: 100 * max(0, left) / due, unit: "%"}
}
