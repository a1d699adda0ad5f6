package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// perSlice is how many endpoints the slices hold that faults make; the API server takes as many as 1000.
const perSlice = 100

// addresses returns n addresses below a prefix of two bytes.
func addresses(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s.%d.%d", prefix, i/250, i%250+1)
	}
	return list
}

// during does a step while another goes on, and ends when both have. An error of either ends both.
func during(fault, s step) step {
	return func(ctx context.Context, r *run) error {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return fault(ctx, r) })
		group.Go(func() error { return s(ctx, r) })
		return group.Wait()
	}
}

// churns turns the endpoints of a service's first slice between ready and not, all at once and ten times a second, and
// leaves them ready.
func churns(cluster, service string, span time.Duration) step {
	return func(ctx context.Context, r *run) error {
		c := r.pairs[cluster][0].Client
		var slice discoveryv1.EndpointSlice
		if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: service + "-1"}, &slice); err != nil {
			return err
		}
		changed := 0
		began := time.Now()
		for ready := false; time.Since(began) < span || ready; ready = !ready {
			for i := range slice.Endpoints {
				slice.Endpoints[i].Conditions.Ready = new(ready)
			}
			if err := c.Update(ctx, &slice); err != nil {
				return fmt.Errorf("changing %s of %s: %w", service, cluster, err)
			}
			changed += len(slice.Endpoints)
			if !sleep(ctx, 100*time.Millisecond) {
				return ctx.Err()
			}
		}
		r.tell("%d endpoints changed in %s, %.0f a second", changed, cluster, float64(changed)/time.Since(began).Seconds())
		return nil
	}
}

// slowest makes n changes one after the other and tells how long the slowest took to a user elsewhere.
func slowest(what string, limit time.Duration, n int, from, to, service, has string) step {
	return func(ctx context.Context, r *run) error {
		var most time.Duration
		more := has[:len(has)-1] + "99"
		for range n {
			began := time.Now()
			if err := all(adds(from, service, more), findsBy(byXDS, to, service, has, more))(ctx, r); err != nil {
				return err
			}
			most = max(most, time.Since(began))
			if err := all(removes(from, service, more), findsBy(byXDS, to, service, has))(ctx, r); err != nil {
				return err
			}
		}
		r.measure(what, most)
		if most > limit {
			return fmt.Errorf("%s %s, want at most %s: %w", what, round(most), limit, errUnwanted)
		}
		return nil
	}
}

// remembersMemory keeps what the agent of a cluster takes.
func remembersMemory(cluster string) step {
	return func(ctx context.Context, r *run) error {
		m, err := r.member(ctx, cluster)
		if err != nil {
			return err
		}
		r.kept["memory of "+cluster], err = m.Memory()
		return err
	}
}

// growsAtMost fails if the agent of a cluster takes so many bytes more than remembersMemory kept.
func growsAtMost(cluster string, limit int64) step {
	return func(ctx context.Context, r *run) error {
		m, err := r.member(ctx, cluster)
		if err != nil {
			return err
		}
		now, err := m.Memory()
		before, ok := r.kept["memory of "+cluster].(int64)
		if err == nil && !ok {
			err = errors.New("nothing was remembered")
		}
		if err == nil && now-before > limit {
			err = errUnwanted
		}
		r.tell("the agent of %s takes %d MB, %d MB before", cluster, now>>20, before>>20)
		if err != nil {
			return fmt.Errorf("the agent of %s takes %d MB, %d MB before: %w", cluster, now>>20, before>>20, err)
		}
		return nil
	}
}
