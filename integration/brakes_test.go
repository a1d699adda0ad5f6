package integration

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
	"github.com/hansa-mcs/hansa/integration/echo"
	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// The two brakes of a control plane, with two agents in each cluster: MCSServiceDiscovery off and on, and the freeze.
// While they are pulled and released a client goes on calling its own cluster's Service by each agent, and never fails.
func TestBrakes(t *testing.T) {
	r := startReplicas(t)
	b := &braked{replicas: r}
	b.setUp()
	t.Run("#7 I7 discovery off withdraws from peers first, and on again brings back every address", r.in(b.discovery))
	t.Run("what is imported stays until peers have confirmed", r.in(b.discoveryAwaitsPeers))
	t.Run("discovery stays off whoever leads", r.in(b.discoveryWhoeverLeads))
	t.Run("a freeze holds by each agent, whoever leads", r.in(b.freeze))
	t.Run("cluster.local was not disturbed for a moment", func(t *testing.T) { b.undisturbed(t) })
}

// braked is what the parts of the story share.
type braked struct {
	*replicas
	backends map[string]*echo.Server
	callers  []*steadyCaller
	own      map[client.ObjectKey]string // versions of east's own objects
}

// setUp exports web of both clusters, and begins to call that of east by its name in cluster.local, by both agents there.
func (b *braked) setUp() {
	b.t.Helper()
	address, err := lab.MachineAddress()
	if err != nil {
		b.t.Fatal(err)
	}
	b.backends = map[string]*echo.Server{}
	for _, cluster := range []string{"east", "west"} {
		backend, err := echo.Start(cluster, address)
		if err != nil {
			b.t.Fatal(err)
		}
		b.t.Cleanup(backend.Stop)
		b.backends[cluster] = backend
		s := slice("web", "web-1", backend.GRPC.Addr().String())
		s.Ports[0].Port = new(int32(backend.GRPC.Port()))
		b.create(cluster, namespace(), service("web"), s, exportOf("web"))
	}
	for _, cluster := range []string{"east", "west"} {
		b.awaitImport(cluster, "web", "east", "west")
	}
	b.own = b.versions()
	for _, m := range b.pairs["east"] {
		b.callers = append(b.callers, b.call(m.XDS, "web.shop.svc.cluster.local:80", "east"))
	}
}

// versions returns those of all that is east's own in shop.
func (b *braked) versions() map[client.ObjectKey]string {
	b.t.Helper()
	all := map[client.ObjectKey]string{}
	var services corev1.ServiceList
	var slices discoveryv1.EndpointSliceList
	if err := errors.Join(b.Member("east").Client.List(b.t.Context(), &services, client.InNamespace("shop")), b.Member("east").Client.List(b.t.Context(), &slices, client.InNamespace("shop"))); err != nil {
		b.t.Fatal(err)
	}
	for _, o := range services.Items {
		if o.Labels[mcsv1beta1.LabelServiceName] == "" {
			all[client.ObjectKey{Namespace: "Service", Name: o.Name}] = o.ResourceVersion
		}
	}
	for _, o := range slices.Items {
		if o.Labels[mcsv1beta1.LabelServiceName] == "" {
			all[client.ObjectKey{Namespace: "EndpointSlice", Name: o.Name}] = o.ResourceVersion
		}
	}
	return all
}

// turn lets east's ConfigMap of the gates say of MCSServiceDiscovery what it is to be.
func (r *replicas) turn(on bool) {
	r.t.Helper()
	cm := &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: agent.Defaults().Namespace, Name: features.ConfigMap},
		Data:       map[string]string{string(features.ServiceDiscovery): fmt.Sprint(on)},
	}
	r.apply(cm)
}

// freezes lets east's ConfigMap that remembers say whether what is imported is frozen.
func (r *replicas) freezes(frozen bool) {
	r.t.Helper()
	r.apply(&corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: agent.Defaults().Namespace, Name: state.DefaultName, Annotations: map[string]string{state.FreezeAnnotation: fmt.Sprint(frozen)},
		},
	})
}

func (r *replicas) apply(cm *corev1.ConfigMap) {
	r.t.Helper()
	//nolint:staticcheck // a whole object says all that a person would
	if err := r.Member("east").Client.Patch(r.t.Context(), cm, client.Apply, client.FieldOwner("story"), client.ForceOwnership); err != nil {
		r.t.Fatal(err)
	}
}

func (b *braked) discovery(r *replicas) {
	rule.Covers(r.t, "I7", "#7")
	for round := range 3 {
		east, west := r.awaitImport("east", "web", "east", "west"), r.awaitImport("west", "web", "east", "west")
		withdrawn := r.moment(func(ctx context.Context) error { return b.withdrawnFromWest(ctx, r) })
		gone := r.moment(func(ctx context.Context) error { return deleted(ctx, r.Member("east"), "web") })
		r.turn(false)
		first, last := <-withdrawn, <-gone
		if first.err != nil || last.err != nil || first.at.After(last.at) {
			r.t.Fatalf("round %d: west served east's endpoints until %v (%v), east's import went at %v (%v): want that order", round, first.at, first.err, last.at, last.err)
		}
		r.awaitImport("west", "web", "west")
		for _, m := range r.pairs["east"] {
			r.awaitDNS(m, "NXDOMAIN")
		}
		for _, m := range r.pairs["west"] {
			r.awaitDNS(m, "NOERROR", west.Spec.IPs...)
		}
		if n := heldOf(r, "west", "east"); n != "0" {
			r.t.Errorf("round %d: west holds what east withdrew: %q", round, n)
		}
		r.turn(true)
		for cluster, before := range map[string]*mcsv1beta1.ServiceImport{"east": east, "west": west} {
			now := r.awaitImport(cluster, "web", "east", "west")
			if !slices.Equal(now.Spec.IPs, before.Spec.IPs) {
				r.t.Errorf("round %d: web has %v in %s, want %v again", round, now.Spec.IPs, cluster, before.Spec.IPs)
			}
			for _, m := range r.pairs[cluster] {
				r.awaitDNS(m, "NOERROR", before.Spec.IPs...)
			}
		}
	}
}

// unconfirmed is how long peers are kept from confirming: shorter than the agents' patience, and than what is taken for
// silence.
const unconfirmed = 2 * time.Second

func (b *braked) discoveryAwaitsPeers(r *replicas) {
	both := []string{b.backends["east"].GRPC.String(), b.backends["west"].GRPC.String()}
	slices.Sort(both)
	leader, _ := r.leader("east")
	for _, m := range r.pairs["west"] {
		if err := m.PauseAgent(); err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(func() { _ = m.ResumeAgent() }) // which one that runs does not notice
	}
	gone := r.moment(func(ctx context.Context) error { return deleted(ctx, r.Member("east"), "web") })
	r.turn(false)
	r.awaitMetric(leader, `hansa_cluster_exports{cluster="east"} 0`) // it has taken back what it exports
	r.assigned(leader, both...)
	select {
	case early := <-gone:
		r.t.Errorf("the import went at %s (%v), and no peer had confirmed", early.at, early.err)
		return
	case <-time.After(unconfirmed):
	}
	for _, m := range r.pairs["west"] {
		if err := m.ResumeAgent(); err != nil {
			r.t.Fatal(err)
		}
	}
	if late := <-gone; late.err != nil {
		r.t.Fatal(late.err)
	}
	r.turn(true)
	r.awaitImport("east", "web", "east", "west")
	r.awaitImport("west", "web", "east", "west")
}

func (b *braked) discoveryWhoeverLeads(r *replicas) {
	before := r.awaitImport("east", "web", "east", "west")
	r.turn(false)
	r.awaitGone("east", "web")
	leader, standby := r.leader("east")
	callers := b.callers
	for i, m := range b.pairs["east"] {
		if m == leader {
			callers[i].stop() // whose agent ends
		}
	}
	if err := leader.KillAgent(); err != nil {
		r.t.Fatal(err)
	}
	r.awaitLeader("east", standby)
	r.create("west", service("marker"), exportOf("marker"))
	r.awaitImport("west", "marker", "west")
	r.awaitDNS(standby, "NXDOMAIN")
	if err := leader.StartAgent(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	for _, m := range r.pairs["east"] {
		r.awaitDNS(m, "NXDOMAIN")
	}
	var imports mcsv1beta1.ServiceImportList
	if err := r.Member("east").Client.List(r.t.Context(), &imports, client.InNamespace("shop")); err != nil || len(imports.Items) > 0 {
		r.t.Errorf("%d ServiceImports in east (%v), want none", len(imports.Items), err)
	}
	r.turn(true)
	if now := r.awaitImport("east", "web", "east", "west"); !slices.Equal(now.Spec.IPs, before.Spec.IPs) {
		r.t.Errorf("web has %v, want %v again", now.Spec.IPs, before.Spec.IPs)
	}
	r.awaitImport("east", "marker", "west")
}

func (b *braked) freeze(r *replicas) {
	r.freezes(true)
	for _, m := range r.pairs["east"] {
		r.awaitFrozen(m, "1")
	}
	r.delete("west", exportOf("web"))
	r.awaitImport("west", "web", "east")
	leader, standby := r.leader("east")
	both := []string{b.backends["east"].GRPC.String(), b.backends["west"].GRPC.String()}
	slices.Sort(both)
	r.awaitVersions(leader)
	for _, m := range r.pairs["east"] {
		r.assigned(m, both...)
	}
	if err := leader.KillAgent(); err != nil {
		r.t.Fatal(err)
	}
	r.awaitLeader("east", standby)
	r.assigned(standby, both...)
	r.awaitImport("east", "web", "east", "west")
	if err := leader.StartAgent(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	r.assigned(leader, both...)
	r.freezes(false)
	for _, m := range r.pairs["east"] {
		r.assigned(m, b.backends["east"].GRPC.String())
		r.awaitFrozen(m, "0")
	}
	r.awaitImport("east", "web", "east")
}

// undisturbed ends the calls, of which none may have failed, and looks at what is east's own.
func (b *braked) undisturbed(t *testing.T) {
	total := 0
	for _, c := range b.callers {
		c.stop()
		total += c.calls
		for _, wrong := range c.wrong {
			t.Error(wrong)
		}
	}
	t.Logf("%d calls", total)
	if total < 1000 {
		t.Errorf("%d calls in all, want enough to notice a moment", total)
	}
	if now := b.versions(); !maps.Equal(now, b.own) {
		t.Errorf("what is east's own was %v, and is %v", b.own, now)
	}
}
