package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// losses are what the known services lose of what agents made of them, while nobody means them to.
type losses struct {
	mu    sync.Mutex
	seen  []string // for people
	err   error    // of a watch that ended by itself
	stops []func()
	done  sync.WaitGroup
}

// watchLosses watches all that the agents of the members make, until close.
func watchLosses(ctx context.Context, members ...*clusterset.Member) (*losses, error) {
	l := &losses{}
	for _, m := range members {
		for _, kind := range clusterset.Kinds() {
			next, stop, err := follow(ctx, m, kind, client.InNamespace(knownNamespace), clusterset.Made)
			if err != nil {
				return nil, errors.Join(err, l.close())
			}
			ended := make(chan struct{})
			l.stops = append(l.stops, func() { close(ended); stop() })
			l.done.Go(func() { l.watch(m.Name, next, ended) })
		}
	}
	return l, nil
}

func (l *losses) watch(cluster string, next func() (watch.Event, error), ended <-chan struct{}) {
	before := map[types.UID]client.Object{}
	for {
		e, err := next()
		select {
		case <-ended:
			return
		default:
		}
		l.mu.Lock()
		if err != nil {
			l.err = errors.Join(l.err, fmt.Errorf("watching what the agents of %s make: %w", cluster, err))
		} else if loss := lossIn(before, e); loss != "" {
			l.seen = append(l.seen, cluster+": "+loss)
		}
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// take returns what was lost since the last time.
func (l *losses) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := l.seen
	l.seen = nil
	return seen
}

// close ends the watches. It is an error if one had ended before.
func (l *losses) close() error {
	for _, stop := range l.stops {
		stop()
	}
	l.done.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// lossIn says what an event takes away from what was there before, which it brings up to date; "" if it is nothing.
func lossIn(before map[types.UID]client.Object, e watch.Event) string {
	o, ok := e.Object.(client.Object)
	if !ok {
		return ""
	}
	was := before[o.GetUID()]
	before[o.GetUID()] = o
	name := fmt.Sprintf("%T %s", o, o.GetName())
	if e.Type == watch.Deleted {
		return name + " was deleted"
	}
	if was == nil {
		return ""
	}
	for _, had := range has(was) {
		if !slices.Contains(has(o), had) {
			return name + " lost " + had
		}
	}
	return ""
}

// has lists what users of an object rely on.
func has(o client.Object) (all []string) {
	switch o := o.(type) {
	case *mcsv1beta1.ServiceImport:
		all = append(all, o.Spec.IPs...)
		for _, c := range o.Status.Clusters {
			all = append(all, "cluster "+c.Cluster)
		}
	case *corev1.Service:
		all = o.Spec.ClusterIPs
	case *discoveryv1.EndpointSlice:
		for _, ep := range o.Endpoints {
			if ep.Conditions.Ready == nil || *ep.Conditions.Ready {
				all = append(all, ep.Addresses...)
			}
		}
	}
	return all
}
