package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/probe"
)

func dataFaults(t timers) []fault {
	return []fault{undecided(), namespaceGoes(), badAPIServer(t)}
}

func undecided() fault {
	return fault{
		id: "18", title: "a ServiceExport goes and comes quickly, and goes during a partition",
		sees:     "the service that is exported again has the address that it had; what was withdrawn behind a partition goes when that heals",
		holds:    "the last word counts, the address stays, and what was withdrawn stays so, also after agents started again",
		clusters: []string{"east", "west"},
		steps: []step{
			exports("east", "web", "10.1.0.1"), exports("east", "old", "10.1.0.9"), hasNamespace("west"),
			agree("east", "west"), uses("west", "web", "10.1.0.1"), stopsCounting("web"),
			wavers("east", "web", 20), timed("after the last word it is there in", 5*time.Second, finds("west", "web", "10.1.0.1")), agree("east", "west"),
			startsCounting, withEast("west", hold), shows("west", aliveIn("east"), is(0)), unexports("east", "old"),
			expect("old is still there during the partition", func(ctx context.Context, r *run) (bool, error) {
				held, err := r.held(ctx, "west")
				return slices.Contains(held, "old east 10.1.0.9"), err
			}),
			heals, timed("withdrawn after the heal in", reunited, withdrawn("west", "old")),
			killsAgents("west"), stopsCounting(""), startsAgents("west"), findsBy(byDNS, "west", "web", "10.1.0.1"), startsCounting,
			killsAgents("east"), startsAgents("east"), shows("west", restoredOf("east"), is(0)),
			withdrawn("west", "old"), agree("east", "west"), losesNothing,
		},
	}
}

// wavers deletes a ServiceExport and makes it again at once, n times.
func wavers(cluster, service string, n int) step {
	return func(ctx context.Context, r *run) error {
		for range n {
			if err := all(unexports(cluster, service), func(ctx context.Context, r *run) error { return r.create(ctx, cluster, newExport(service)) })(ctx, r); err != nil {
				return err
			}
		}
		return nil
	}
}

func namespaceGoes() fault {
	return fault{
		id: "20", title: "the namespace is deleted where a service is imported",
		sees:     "names of that namespace do not exist there until it is back",
		holds:    "the deletion is not held up, nothing is imported where the namespace is not and its names are NXDOMAIN, others notice nothing, and all comes back with it",
		clusters: []string{"east", "west", "north"}, manager: true,
		steps: []step{
			exports("east", "web", "10.1.0.1"), hasNamespace("west"), uses("east", "web", "10.1.0.1"),
			agree("east", "west"),
			expect("north, which lacks the namespace, has NXDOMAIN", answers("north", "web", "NXDOMAIN")),
			timed("the namespace is gone in", patience, deletesNamespace("west")),
			timed("its names do not exist after", 5*time.Second, awaits(answers("west", "web", "NXDOMAIN"))),
			finds("east", "web", "10.1.0.1"), hasNamespace("west"),
			timed("imported again after the namespace is back in", 5*time.Second, imports("west", "web", "east")), agree("east", "west"),
			hasNamespace("north"), timed("imported where the namespace is new in", 5*time.Second, imports("north", "web", "east")),
			losesNothing,
		},
	}
}

func deletesNamespace(cluster string) step {
	return func(ctx context.Context, r *run) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		c := r.pairs[cluster][0].Client
		return errors.Join(c.Delete(ctx, newNamespace(namespace)), clusterset.AwaitGone(ctx, c, &corev1.NamespaceList{}, clusterset.Named(namespace)))
	}
}

// answers reports whether DNS of a cluster answers a service's name so.
func answers(cluster, service, rcode string) func(context.Context, *run) (bool, error) {
	return func(ctx context.Context, r *run) (bool, error) {
		got, err := probe.Query(ctx, r.pairs[cluster][0].DNS, service+"."+namespace+".svc.clusterset.local", "A")
		return got.Rcode == rcode, err
	}
}

// awaits looks until a condition holds that nobody tells of.
func awaits(holds func(context.Context, *run) (bool, error)) step {
	return func(ctx context.Context, r *run) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		for {
			ok, err := holds(ctx, r)
			if ok && err == nil {
				return nil
			}
			if !sleep(ctx, glance) {
				return errors.Join(err, errUnwanted)
			}
		}
	}
}

func badAPIServer(t timers) fault {
	return fault{
		id: "22", title: "the API server answers 409, 429, 500 or not at all, closes watches every second and forgot the past",
		sees:     "nothing by DNS and xDS; slices are late",
		holds:    "DNS and xDS lose nothing and go on with changes of others; once the API server is well, slices are exactly what is exported",
		clusters: []string{"east", "west"}, faulty: "west",
		steps: []step{
			exports("east", "web", "10.1.0.1"), hasNamespace("west"), uses("west", "web", "10.1.0.1"), exports("west", "own", "10.2.0.1"), agree("east", "west"),
			misbehaves(misbehavior{fail: 30, hang: 5, closeWatches: time.Second, forget: 30}),
			during(comes("east", "web", int(t.long/(100*time.Millisecond))), unexportsAndBack("west", "own", t.long)),
			timed("a change reaches xDS all the while in", 2*time.Second, all(adds("east", "web", "10.1.8.1"), grows("west", "web", "10.1.8.1"))),
			misbehaves(misbehavior{}),
			timed("once the API server is well, slices are right after", patience, agree("east", "west")),
			losesNothing,
		},
	}
}

// grows waits until xDS has an address among others.
func grows(cluster, service, address string) step {
	return func(ctx context.Context, r *run) error {
		u := r.user(cluster, service)
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		for {
			got, changed := u.now(byXDS)
			if slices.Contains(got, address) {
				return nil
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return fmt.Errorf("xDS of %s lacks %s: %w", cluster, address, ctx.Err())
			}
		}
	}
}

// unexportsAndBack withdraws a service and exports it again, every second, and leaves it exported.
func unexportsAndBack(cluster, service string, span time.Duration) step {
	return func(ctx context.Context, r *run) error {
		for end := time.Now().Add(span); time.Now().Before(end); {
			export := &mcsv1beta1.ServiceExport{ObjectMeta: newExport(service).ObjectMeta}
			if err := all(unexports(cluster, service), lasts(500*time.Millisecond))(ctx, r); err != nil {
				return err
			}
			if err := r.create(ctx, cluster, export); err != nil || !sleep(ctx, 500*time.Millisecond) {
				return errors.Join(err, ctx.Err())
			}
		}
		return nil
	}
}
