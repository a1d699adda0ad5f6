package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// heldFor is how long a withdrawal of nearly everything is held.
const heldFor = 30 * time.Second

// steady is how long a cluster must be heard that was not steady, until it is used as before.
const steady = time.Minute

func loads(t timers) []fault {
	return []fault{churnStorm(t), flapping(t), massWithdrawal()}
}

func churnStorm(t timers) fault {
	return fault{
		id: "24", title: "1000 pod changes a second in one cluster",
		sees:     "nothing: other services' changes are as fast as ever",
		holds:    "another change arrives within a second all the while, no cluster writes more often than the one where it changes, and after the storm all agree",
		clusters: []string{"east", "west"},
		steps: []step{
			exports("east", "web", "10.1.0.1"), exports("east", "big", addresses("10.11", perSlice)...), hasNamespace("west"),
			agree("east", "west"), uses("west", "web", "10.1.0.1"),
			countsWrites("east", "big"), countsWrites("west", "big"),
			during(churns("east", "big", t.long), slowest("slowest of 30 other changes", time.Second, 30, "east", "west", "web", "10.1.0.1")),
			timed("after the storm all agree in", 5*time.Second, agree("east", "west")),
			writesNoMore("west", "east", "big"), losesNothing,
		},
	}
}

// countsWrites counts the writes of the slices of a service that an agent made in a cluster, and of its own ones.
func countsWrites(cluster, service string) step {
	return func(_ context.Context, r *run) error {
		ctx, stop := context.WithCancel(context.Background())
		events, err := r.pairs[cluster][0].Client.Watch(ctx, &discoveryv1.EndpointSliceList{}, client.InNamespace(namespace))
		if err != nil {
			stop()
			return err
		}
		var made, own atomic.Int64
		done := make(chan struct{})
		go func() {
			defer close(done)
			for e := range events.ResultChan() {
				s, ok := e.Object.(*discoveryv1.EndpointSlice)
				switch {
				case !ok:
				case s.Labels[mcsv1beta1.LabelServiceName] == service:
					made.Add(1)
				case s.Labels[discoveryv1.LabelServiceName] == service:
					own.Add(1)
				}
			}
		}()
		r.atEnd(func() { stop(); <-done })
		r.kept["writes made in "+cluster], r.kept["writes of "+cluster] = &made, &own
		return nil
	}
}

// writesNoMore fails if the agent of one cluster wrote more often than the slices of another changed.
func writesNoMore(writer, owner, service string) step {
	return func(_ context.Context, r *run) error {
		made, ok := r.kept["writes made in "+writer].(*atomic.Int64)
		own, ok2 := r.kept["writes of "+owner].(*atomic.Int64)
		if !ok || !ok2 {
			return fmt.Errorf("nobody counted: %w", errUnwanted)
		}
		r.tell("%s changed %d times in %s, the agent of %s wrote %d times", service, own.Load(), owner, writer, made.Load())
		if made.Load() > own.Load()+1 {
			return fmt.Errorf("%s wrote %d times what changed %d times: %w", writer, made.Load(), own.Load(), errUnwanted)
		}
		return nil
	}
}

func flapping(t timers) fault {
	refuse := rule{refuse: true}
	return fault{
		id: "25", title: "an endpoint, and then a whole cluster, comes and goes every 2 s",
		sees:     "the endpoint comes and goes; of the cluster nothing, until it is used last for a minute",
		holds:    "no more is sent than what changed, nothing is lost, and a cluster that is not steady is used last until it was heard for 60 s",
		clusters: []string{"east", "west"}, quiet: quiet{demote: t.flags.demote},
		steps: []step{
			exports("east", "web", "10.1.0.1"), exports("west", "web", "10.2.0.1"), uses("west", "web", "10.1.0.1", "10.2.0.1"),
			countsPushes("west", "web"), repeats(4, adds("east", "web", "10.1.0.2"), lasts(2*time.Second), removes("east", "web", "10.1.0.2"), lasts(2*time.Second)),
			pushedAtMost("west", "web", "endpoint: xDS responses", 8),
			countsPushes("west", "web"), repeats(4, withEast("west", refuse), lasts(2*time.Second), heals, lasts(2*time.Second)),
			pushedAtMost("west", "web", "cluster: xDS responses", 8), losesNothing,
			withEast("west", hold), finds("west", "web", "10.2.0.1"),
			heals, shows("west", aliveIn("east"), is(1)), withEast("west", hold), finds("west", "web", "10.2.0.1"),
			shows("west", aliveIn("east"), is(0)), heals, shows("west", aliveIn("east"), is(1)), marks("steady"),
			since("steady", "not steady: used again, once it is heard, after", steady-5*time.Second, steady+late, finds("west", "web", "10.1.0.1", "10.2.0.1")),
			losesNothing,
		},
	}
}

// repeats does steps n times.
func repeats(n int, steps ...step) step {
	return func(ctx context.Context, r *run) error {
		for range n {
			if err := all(steps...)(ctx, r); err != nil {
				return err
			}
		}
		return nil
	}
}

// countsPushes begins to count the responses of xDS to a user.
func countsPushes(cluster, service string) step {
	return func(_ context.Context, r *run) error {
		r.kept["pushes"] = r.user(cluster, service).responses()
		return nil
	}
}

// pushedAtMost fails if there were more since countsPushes.
func pushedAtMost(cluster, service, what string, limit int) step {
	return func(_ context.Context, r *run) error {
		before, ok := r.kept["pushes"].(int)
		n := r.user(cluster, service).responses() - before
		r.tell("%s: %d", what, n)
		if !ok || n > limit {
			return fmt.Errorf("%s: %d, want at most %d: %w", what, n, limit, errUnwanted)
		}
		return nil
	}
}

func massWithdrawal() fault {
	const services = 12
	return fault{
		id: "26", title: "nearly all endpoints of a cluster go in one moment",
		sees:     "nothing for 30 s; if they are back by then, nothing at all",
		holds:    "what was not meant is held for 30 s and then applied; what comes back meanwhile was never gone",
		clusters: []string{"east", "west"},
		steps: []step{
			hasNamespace("west"), exportsWide("east", services), agree("east", "west"),
			uses("west", "wide-0", wide(0)...), uses("west", "wide-7", wide(7)...),
			emptiesAtOnce(services), marks("gone"), lasts(heldFor / 3), finds("west", "wide-0", wide(0)...), refillsWide("east", services),
			until("gone", heldFor+late), finds("west", "wide-0", wide(0)...), finds("west", "wide-7", wide(7)...), agree("east", "west"), losesNothing,
			emptiesAtOnce(services), marks("gone"), until("gone", heldFor-3*time.Second), losesNothing, stopsCounting(""),
			since("gone", "applied after", heldFor-2*time.Second, heldFor+late, all(findsBy(bySlices, "west", "wide-0"), findsBy(byXDS, "west", "wide-7"))),
			agree("east", "west"),
		},
	}
}

// emptiesAtOnce takes all endpoints from the wide services of east while nobody can be told, so that west learns of it
// by one update.
func emptiesAtOnce(services int) step {
	return all(
		withEast("west", rule{refuse: true}), emptiesWide("east", services), heals,
		shows("west", of("hansa_cluster_endpoints", "east"), is(0)),
	)
}

// wide are the endpoints of the i-th wide service.
func wide(i int) []string { return addresses(fmt.Sprintf("10.%d", 40+i), 10) }

func exportsWide(cluster string, n int) step {
	return func(ctx context.Context, r *run) error {
		for i := range n {
			if err := exports(cluster, fmt.Sprintf("wide-%d", i), wide(i)...)(ctx, r); err != nil {
				return err
			}
		}
		return nil
	}
}

func emptiesWide(cluster string, n int) step {
	return func(ctx context.Context, r *run) error {
		for i := range n {
			name := fmt.Sprintf("wide-%d", i)
			if err := r.delete(ctx, cluster, newSlice(name, name+"-1")); err != nil {
				return err
			}
		}
		return nil
	}
}

func refillsWide(cluster string, n int) step {
	return func(ctx context.Context, r *run) error {
		for i := range n {
			name := fmt.Sprintf("wide-%d", i)
			if err := r.create(ctx, cluster, newSlice(name, name+"-1", wide(i)...)); err != nil {
				return err
			}
		}
		return nil
	}
}
