package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/clusterset"
)

func restoredOf(cluster string) string { return of("hansa_cluster_restored", cluster) }

func restarts(t timers) []fault {
	return []fault{coldStart(t), killedWhileWriting(), failover()}
}

func coldStart(t timers) fault {
	return fault{
		id: "14", title: "a cluster starts when no peer can be reached",
		sees:     "everything as last known, as soon as the agent is ready",
		holds:    "the agent is ready without a peer, each door answers what was known before, shown as remembered, until the peer is heard",
		clusters: []string{"east", "west"},
		steps: []step{
			exports("east", "web", "10.1.0.1", "10.1.0.2"), exports("east", "db", "10.1.1.1"), hasNamespace("west"),
			agree("east", "west"), killsAgents("east"), killsAgents("west"),
			timed("ready after its start in", late, startsAgents("west")),
			timed("every door answers in", late, all(uses("west", "web", "10.1.0.1", "10.1.0.2"), uses("west", "db", "10.1.1.1"))),
			shows("west", restoredOf("east"), is(1)), keeps(t.long, "west", aliveIn("east"), is(0)),
			finds("west", "web", "10.1.0.1", "10.1.0.2"), losesNothing,
			startsAgents("east"), timed("the peer, once it is back, is heard in", reunited, shows("west", restoredOf("east"), is(0))),
			timed("and a change arrives in", 2*time.Second, change("east", "west", "db", "10.1.1.1", 2)), losesNothing,
		},
	}
}

func killedWhileWriting() fault {
	const services = 200
	return fault{
		id: "15", title: "an agent is killed again and again while it takes in everything for the first time",
		sees:     "services appear later",
		holds:    "once it is let alone, each slice is there once and whole, none is left over, and who was served stays so",
		clusters: []string{"east", "west"},
		steps: []step{
			exports("east", "web", "10.1.0.1"), hasNamespace("west"), uses("west", "web", "10.1.0.1"),
			stopsCounting(""), killsAgents("west"), exportsMany("east", services),
			startsAgents("west"), killsAt("west", services/5), startsAgents("west"), killsAt("west", services/2),
			startsAgents("west"), killsAt("west", services*4/5),
			marks("alone"), startsAgents("west"), startsCounting,
			since("alone", fmt.Sprintf("all of %d services are whole after", services+1), 0, 0, agree("west")),
			losesNothing,
		},
	}
}

// exportsMany makes services with three endpoints each and exports them.
func exportsMany(cluster string, n int) step {
	return func(ctx context.Context, r *run) error {
		for i := range n {
			name := fmt.Sprintf("many-%d", i)
			a := addresses(fmt.Sprintf("10.%d", 20+i/80), 240)[i%80*3:]
			if err := exports(cluster, name, a[:3]...)(ctx, r); err != nil {
				return err
			}
		}
		return nil
	}
}

// killsAt kills the agent of a cluster as soon as it has written so many slices.
func killsAt(cluster string, n int) step {
	return func(ctx context.Context, r *run) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		seen := map[string]bool{}
		_, err := clusterset.Await(ctx, r.pairs[cluster][0].Client, &discoveryv1.EndpointSliceList{}, func(s *discoveryv1.EndpointSlice) bool {
			seen[s.Name] = true
			return len(seen) >= n
		}, client.InNamespace(namespace), clusterset.Made)
		if err != nil {
			return fmt.Errorf("%s has written %d slices, want %d: %w", cluster, len(seen), n, err)
		}
		return killsAgents(cluster)(ctx, r)
	}
}

func failover() fault {
	return fault{
		id: "16", title: "the leaders of both clusters die while endpoints come, two agents each",
		sees:     "changes are late by as long as a new leader takes",
		holds:    "no slice is missing, double or left over, and no write takes back what was there: nobody wrote beside the leader",
		clusters: []string{"east", "west"}, twins: true,
		steps: []step{
			exports("east", "web", "10.1.0.1"), hasNamespace("west"), uses("west", "web", "10.1.0.1"),
			agree("east", "west"), witnesses("west"),
			during(comes("east", "web", 120), all(
				lasts(2*time.Second), timed("another agent leads the exporter after", patience, killsLeader("east")),
				timed("and the importer after", patience, killsLeader("west")),
			)),
			timed("after the last change all is there in", patience, agree("east", "west")),
			startsFallen("east"), startsFallen("west"),
			timed("with all agents back, a change arrives in", patience, adds("east", "web", "10.1.8.1")), agree("east", "west"),
			nobodyTookBack, losesNothing,
		},
	}
}

// comes adds endpoints from 10.1.7.1 on one after the other, ten a second.
func comes(cluster, service string, n int) step {
	return func(ctx context.Context, r *run) error {
		for i := range n {
			if err := adds(cluster, service, fmt.Sprintf("10.1.%d.%d", 7+i/250, i%250+1))(ctx, r); err != nil {
				return err
			}
			if !sleep(ctx, 100*time.Millisecond) {
				return ctx.Err()
			}
		}
		return nil
	}
}

// killsLeader kills the agent that leads a cluster and waits until the other one does.
func killsLeader(cluster string) step {
	return func(ctx context.Context, r *run) error {
		leads, stands, err := r.leader(ctx, cluster)
		if err != nil {
			return err
		}
		if err := leads.KillAgent(); err != nil {
			return err
		}
		r.kept["fallen of "+cluster] = leads
		return r.awaitLeader(ctx, stands)
	}
}

// startsFallen starts again whom killsLeader killed.
func startsFallen(cluster string) step {
	return func(ctx context.Context, r *run) error {
		m, ok := r.kept["fallen of "+cluster].(*clusterset.Member)
		if !ok {
			return fmt.Errorf("nobody fell in %s: %w", cluster, errUnwanted)
		}
		return m.StartAgent(ctx)
	}
}

// witness sees every write of the slices of a cluster while endpoints only come: a write that takes one away was made
// by somebody who did not know what was written before.
type witness struct {
	stop func()
	done sync.WaitGroup
	back []string
}

func witnesses(cluster string) step {
	return func(_ context.Context, r *run) error {
		ctx, stop := context.WithCancel(context.Background())
		changes, err := r.pairs[cluster][0].Client.Watch(ctx, &discoveryv1.EndpointSliceList{}, client.InNamespace(namespace), clusterset.Made)
		if err != nil {
			stop()
			return err
		}
		w := &witness{}
		w.stop = func() { stop(); w.done.Wait() }
		w.done.Go(func() {
			defer changes.Stop()
			w.see(changes.ResultChan())
		})
		r.kept["witness"] = w
		r.atEnd(w.stop)
		return nil
	}
}

func (w *witness) see(events <-chan watch.Event) {
	had := map[string][]string{}
	for e := range events {
		s, ok := e.Object.(*discoveryv1.EndpointSlice)
		if !ok {
			continue
		}
		var has []string
		for _, ep := range s.Endpoints {
			has = append(has, ep.Addresses...)
		}
		lost := slices.DeleteFunc(slices.Clone(had[s.Name]), func(a string) bool { return slices.Contains(has, a) })
		if e.Type == watch.Deleted || len(lost) > 0 {
			w.back = append(w.back, fmt.Sprintf("%s %s %s of %s lost %v", e.Type, s.Name, s.ResourceVersion, s.Labels[mcsv1beta1.LabelServiceName], lost))
		}
		had[s.Name] = has
	}
}

// nobodyTookBack fails if the witness saw a write that took something away.
func nobodyTookBack(_ context.Context, r *run) error {
	w, ok := r.kept["witness"].(*witness)
	if !ok {
		return fmt.Errorf("nobody watched: %w", errUnwanted)
	}
	w.stop()
	if len(w.back) > 0 {
		return fmt.Errorf("%d writes took something away, such as %s: %w", len(w.back), w.back[0], errUnwanted)
	}
	return nil
}
