package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// steadyCaller calls a service without a pause until it is stopped, and remembers what went wrong.
type steadyCaller struct {
	stop  func()
	calls int
	wrong []string
}

// call begins to call a service, of which the first call has succeeded when it returns.
func (b *braked) call(xds, target, want string) *steadyCaller {
	b.t.Helper()
	caller, err := probe.NewCaller(xds, "xds:///"+target)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	first, done := context.WithTimeout(ctx, patience)
	defer done()
	if got, err := caller.Call(first); err != nil || got != want {
		b.t.Fatalf("%s by the agent at %s is %q, %v: want %s", target, xds, got, err, want)
	}
	s := &steadyCaller{}
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			got, err := caller.Try(ctx)
			if ctx.Err() != nil {
				return
			}
			if s.calls++; (err != nil || got != want) && len(s.wrong) < 10 {
				s.wrong = append(s.wrong, fmt.Sprintf("call %d by the agent at %s: %q, %v", s.calls, xds, got, err))
			}
			select { // enough to notice a moment, and not all of the machine
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	s.stop = sync.OnceFunc(func() { cancel(); running.Wait(); _ = caller.Close() })
	b.t.Cleanup(s.stop)
	return s
}

// instant is when something came to be, or why it did not.
type instant struct {
	at  time.Time
	err error
}

// moment returns a channel of when wait returned.
func (r *replicas) moment(wait func(context.Context) error) <-chan instant {
	at := make(chan instant, 1)
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		defer cancel()
		err := wait(ctx)
		at <- instant{time.Now(), err}
	})
	r.t.Cleanup(waiting.Wait)
	return at
}

// withdrawnFromWest returns once west's leader assigns nothing of east to web.
func (b *braked) withdrawnFromWest(ctx context.Context, r *replicas) error {
	leader, _ := r.leader("west")
	ads, err := probe.OpenAssignment(ctx, leader.XDS, "web.shop.svc.clusterset.local", 80)
	if err != nil {
		return err
	}
	defer ads.Close()
	for {
		got, err := ads.NextAssignment()
		if err != nil {
			return err
		}
		if !slices.Contains(got, b.backends["east"].GRPC) {
			return nil
		}
	}
}

// deleted returns once a ServiceImport was deleted.
func deleted(ctx context.Context, m *clusterset.Member, name string) error {
	w, err := m.Client.Watch(ctx, &mcsv1beta1.ServiceImportList{}, client.InNamespace("shop"), clusterset.Named(name))
	if err != nil {
		return err
	}
	defer w.Stop()
	for {
		select {
		case e, ok := <-w.ResultChan():
			if !ok {
				return errors.New("the watch ended")
			}
			if e.Type == watch.Deleted {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// heldOf returns the metric of whether a cluster's leader holds what another one withdrew.
func heldOf(r *replicas, cluster, of string) string {
	leader, _ := r.leader(cluster)
	text, err := leader.Get(r.t.Context(), "/metrics")
	_, rest, _ := strings.Cut(text, fmt.Sprintf("\nhansa_cluster_withdrawal_held{cluster=%q} ", of))
	value, _, found := strings.Cut(rest, "\n")
	if err != nil || !found {
		r.t.Fatalf("no metric of what is held: %v", err)
	}
	return value
}

// awaitDNS asks an agent for the A records of web until the answer is as wanted.
func (r *replicas) awaitDNS(m *clusterset.Member, rcode string, records ...string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	for {
		got, err := probe.Query(ctx, m.DNS, "web.shop.svc.clusterset.local", "A")
		if err == nil && got.Rcode == rcode && slices.Equal(got.Records, records) {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			r.t.Fatalf("%s at %s: DNS answers %v (%v), want %s %v", m.Name, m.DNS, got, err, rcode, records)
		}
	}
}

// awaitFrozen waits until an agent shows whether what is imported is frozen.
func (r *replicas) awaitFrozen(m *clusterset.Member, want string) {
	r.t.Helper()
	r.awaitMetric(m, "hansa_frozen "+want)
}

// awaitVersions waits until an agent lacks nothing of west.
func (r *replicas) awaitVersions(m *clusterset.Member) {
	r.t.Helper()
	r.awaitMetric(m, `hansa_cluster_versions_behind{cluster="west"} 0`)
}

func (r *replicas) awaitMetric(m *clusterset.Member, line string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	for {
		text, err := m.Get(ctx, "/metrics")
		if err == nil && strings.Contains(text, "\n"+line+"\n") {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			r.t.Fatalf("%s at %s: no metric %s (%v)", m.Name, m.HTTP, line, err)
		}
	}
}
