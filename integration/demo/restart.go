package main

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// restart kills the agent of west by SIGKILL while a client goes on calling lighthouse, and starts it
// again.
func (d *demo) restart(ctx context.Context) error {
	west := d.member("west")
	before, err := west.objects().Versions(ctx)
	if err != nil {
		return err
	}
	written, err := watchWrites(ctx, west)
	if err != nil {
		return err
	}
	load, err := startLoad(ctx, west, d.target(lighthouse))
	if err != nil {
		return err
	}
	d.command("kill -9 <the agent of west>; sleep 1; hansa-agent --cluster west …")
	if err := west.kill(); err != nil {
		return err
	}
	// A second without the agent, so that the client really is on its own.
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	began := time.Now()
	if err := west.start(ctx); err != nil {
		return err
	}
	d.ok("west: the agent is ready again %s after its start", milliseconds(time.Since(began)))
	ads, err := probe.OpenAssignment(ctx, west.xds, lighthouse.host(), grpcPort)
	if err != nil {
		return err
	}
	defer ads.Close()
	addresses, err := ads.NextAssignment()
	if err != nil {
		return err
	}
	d.check(len(addresses) == 1, "west: the first assignment after the start is %v, %s after the start", addresses, milliseconds(time.Since(began)))
	if err := awaitHeard(ctx, west); err != nil {
		return err
	}
	d.ok("west: every other cluster is heard again %.1f s after the start, as the killed agent's Lease ran out", time.Since(began).Seconds())
	calls, failures := load.stop()
	d.check(calls > 0 && failures == 0, "west: %d calls meanwhile, %d failed", calls, failures)
	after, err := west.objects().Versions(ctx)
	if err != nil {
		return err
	}
	d.check(maps.Equal(before, after) && len(before) > 0, "west: all %d objects have the UID and resourceVersion that they had", len(before))
	writes := written.stop()
	d.check(len(writes) == 0, "west: nothing was written or withdrawn meanwhile%s", strings.Join(writes, ", "))
	return nil
}

// writes collects every event on what the agent made.
type writes struct {
	mu       sync.Mutex
	seen     []string
	watches  []watch.Interface
	watching sync.WaitGroup
}

func watchWrites(ctx context.Context, m *member) (*writes, error) {
	w := &writes{}
	for _, list := range clusterset.Kinds() {
		if err := m.client.List(ctx, list, clusterset.Made); err != nil {
			return nil, err
		}
		from := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}}
		events, err := m.client.Watch(ctx, list, clusterset.Made, from)
		if err != nil {
			return nil, err
		}
		w.watches = append(w.watches, events)
		w.watching.Go(func() {
			for e := range events.ResultChan() {
				if o, ok := e.Object.(client.Object); ok {
					w.mu.Lock()
					w.seen = append(w.seen, fmt.Sprintf(" %s %T %s", e.Type, o, o.GetName()))
					w.mu.Unlock()
				}
			}
		})
	}
	return w, nil
}

// stop returns what was written since watchWrites.
func (w *writes) stop() []string {
	for _, events := range w.watches {
		events.Stop()
	}
	w.watching.Wait()
	return w.seen
}

// load calls a service without a pause.
type load struct {
	cancel          context.CancelFunc
	calling         sync.WaitGroup
	calls, failures int
}

func startLoad(ctx context.Context, m *member, target string) (*load, error) {
	caller, err := probe.NewCaller(m.xds, target)
	if err != nil {
		return nil, err
	}
	if _, err := caller.Call(ctx); err != nil {
		_ = caller.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &load{cancel: cancel}
	l.calling.Go(func() {
		defer caller.Close()
		for ctx.Err() == nil {
			_, err := caller.Try(ctx)
			if ctx.Err() != nil {
				return
			}
			if l.calls++; err != nil {
				l.failures++
			}
		}
	})
	return l, nil
}

// stop returns how many calls were made, and how many of them failed.
func (l *load) stop() (calls, failures int) {
	l.cancel()
	l.calling.Wait()
	return l.calls, l.failures
}

// awaitHeard waits until the agent holds no cluster's records from memory alone. Its metrics are all
// that tells, so they are asked again and again.
func awaitHeard(ctx context.Context, m *member) error {
	for {
		text, err := m.get(ctx, "/metrics")
		if err != nil {
			return err
		}
		if strings.Contains(text, `hansa_cluster_restored{cluster="east"} 0`) {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("east is not heard: %w", ctx.Err())
		}
	}
}
