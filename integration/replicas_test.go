package integration

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/election"
	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// Two agents in each of two clusters, those of east behind a load balancer that picks at random: whichever of them
// is ended, and however, nothing goes anywhere, and what changes meanwhile arrives.
func TestReplicas(t *testing.T) {
	r := startReplicas(t)
	r.t.Run("a standby answers as its leader does", r.in(standbysAnswer))
	r.t.Run("a leader that stops hands over", r.in(func(r *replicas) { r.handOver((*clusterset.Member).StopAgent, 3) }))
	r.t.Run("a leader that is killed is replaced", r.in(func(r *replicas) { r.handOver((*clusterset.Member).KillAgent, 4) }))
	r.t.Run("a cluster without its API server loses nothing, and neither does anybody else", r.in(withoutAPIServer))
	r.t.Run("both agents start again", r.in(bothStartAgain))
}

// replicas is a clusterset with two agents in each cluster.
type replicas struct {
	*story
	pairs map[string][]*clusterset.Member
}

func startReplicas(t *testing.T) *replicas {
	t.Helper()
	front := startBalancer(t)
	set, err := clusterset.Start(t.Context(), clusterset.Config{Clusters: []string{"east", "west"}, Options: func(cluster string, o *agent.Options) {
		if cluster == "east" {
			o.Advertise = front.Addr().String()
		} else {
			o.Peers = []string{front.Addr().String()}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Stop(); err != nil {
			t.Error(err)
		}
	})
	r := &replicas{story: &story{set, t}, pairs: map[string][]*clusterset.Member{}}
	for _, m := range set.Members() {
		twin, err := m.Twin()
		if err != nil {
			t.Fatal(err)
		}
		if err := twin.StartAgent(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.pairs[m.Name] = []*clusterset.Member{m, twin}
	}
	// Until here the balancer had none, and whoever came was turned away.
	front.SetBackends(r.pairs["east"][0].Federation, r.pairs["east"][1].Federation)
	return r
}

func (r *replicas) in(part func(*replicas)) func(*testing.T) {
	return func(t *testing.T) {
		part(&replicas{&story{r.Clusterset, t}, r.pairs})
	}
}

// leader returns the agent that holds a cluster's Lease, and the other one.
func (r *replicas) leader(cluster string) (leads, stands *clusterset.Member) {
	r.t.Helper()
	var lease coordinationv1.Lease
	key := client.ObjectKey{Namespace: agent.Defaults().Namespace, Name: election.LeaseName}
	if err := r.Member(cluster).Client.Get(r.t.Context(), key, &lease); err != nil {
		r.t.Fatal(err)
	}
	pair := r.pairs[cluster]
	holder := *lease.Spec.HolderIdentity
	i := slices.IndexFunc(pair, func(m *clusterset.Member) bool { return strings.HasSuffix(holder, "/"+m.Federation) })
	if i < 0 {
		r.t.Fatalf("%s: the Lease is held by %q", cluster, holder)
	}
	return pair[i], pair[1-i]
}

func standbysAnswer(r *replicas) {
	for _, cluster := range []string{"east", "west"} {
		r.create(cluster, namespace())
	}
	r.create("east", service("web"), slice("web", "web-1", "10.1.0.1", "10.1.0.2"), exportOf("web"))
	si := r.awaitImport("west", "web", "east")
	r.awaitImport("east", "web", "east")
	for _, cluster := range []string{"east", "west"} {
		_, standby := r.leader(cluster)
		for _, m := range r.pairs[cluster] {
			r.assigned(m, "10.1.0.1:8080", "10.1.0.2:8080")
		}
		if cluster == "west" {
			r.answers(standby, si.Spec.IPs...)
		}
	}
}

// assigned waits until an agent's xDS assigns these to web.
func (r *replicas) assigned(m *clusterset.Member, want ...string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	ads, err := probe.OpenAssignment(ctx, m.XDS, "web.shop.svc.clusterset.local", 80)
	if err != nil {
		r.t.Fatal(err)
	}
	defer ads.Close()
	for {
		got, err := ads.NextAssignment()
		if err != nil {
			r.t.Fatalf("%s at %s: waiting for the assignment %v: %v", m.Name, m.XDS, want, err)
		}
		if fmt.Sprint(got) == fmt.Sprint(want) {
			return
		}
	}
}

// answers checks what an agent's DNS says of web.
func (r *replicas) answers(m *clusterset.Member, ips ...string) {
	r.t.Helper()
	got, err := probe.Query(r.t.Context(), m.DNS, "web.shop.svc.clusterset.local", "A")
	if err != nil || got.Rcode != "NOERROR" || !slices.Equal(got.Records, ips) {
		r.t.Errorf("%s at %s: DNS answers %v, want %v (%v)", m.Name, m.DNS, got, ips, err)
	}
}

// endpointsOfEast are the first so many of web.
func endpointsOfEast(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("10.1.0.%d:8080", i+1))
	}
	return list
}

// all returns the agents of both clusters.
func (r *replicas) all() []*clusterset.Member { return slices.Concat(r.pairs["east"], r.pairs["west"]) }

// handOver ends the leader of east, then that of west, and starts each again: the nth endpoint, which comes
// meanwhile, arrives everywhere, nobody loses what it had, and an agent that starts again has it at once.
func (r *replicas) handOver(end func(*clusterset.Member) error, n int) {
	address := fmt.Sprintf("10.1.0.%d", n)
	before := r.awaitImport("west", "web", "east")
	w := r.watch(r.all(), endpointsOfEast(n-1)...)
	var steady []*clusterset.Member
	defer func() { w.end(steady...) }()
	records := r.received("west", "east")
	for _, cluster := range []string{"east", "west"} {
		leader, standby := r.leader(cluster)
		began := time.Now()
		if err := end(leader); err != nil {
			r.t.Fatal(err)
		}
		r.awaitLeader(cluster, standby)
		r.t.Logf("%s: another agent leads %s after the end of its leader", cluster, time.Since(began).Round(time.Millisecond))
		if cluster == "east" {
			r.create("east", slice("web", "web-"+address, address))
		} else {
			records = 0 // of another agent, which has had a stream to nobody before
		}
		await(r.story, "west", "the slice with "+address, &discoveryv1.EndpointSliceList{}, func(s *discoveryv1.EndpointSlice) bool {
			return s.Labels[mcsv1beta1.LabelServiceName] == "web" && slices.ContainsFunc(s.Endpoints, func(e discoveryv1.Endpoint) bool { return slices.Contains(e.Addresses, address) })
		})
		if now := r.received("west", "east"); now > records+1 {
			r.t.Errorf("%s: %d records of east were sent to west, want no more than the one that changed", cluster, now-records)
		}
		r.t.Logf("%s: an endpoint of east is in west %s after that", cluster, time.Since(began).Round(time.Millisecond))
		if err := leader.StartAgent(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
		w.await(leader, 2)
		w.await(standby, 1)
		steady = append(steady, standby)
	}
	after := r.awaitImport("west", "web", "east")
	if after.UID != before.UID || !slices.Equal(after.Spec.IPs, before.Spec.IPs) {
		r.t.Errorf("the import was %s %v and is %s %v", before.UID, before.Spec.IPs, after.UID, after.Spec.IPs)
	}
}

// received returns how many records of a cluster came to the agent that leads another.
func (r *replicas) received(to, of string) int {
	r.t.Helper()
	leader, _ := r.leader(to)
	text, err := leader.Get(r.t.Context(), "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, fmt.Sprintf("hansa_cluster_received_records_total{cluster=%q} ", of)); ok {
			n, err := strconv.Atoi(strings.TrimSpace(value))
			if err != nil {
				r.t.Fatalf("%s: %v", line, err)
			}
			return n
		}
	}
	return 0
}

// awaitLeader waits until an agent holds its cluster's Lease.
func (r *replicas) awaitLeader(cluster string, m *clusterset.Member) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	_, err := clusterset.Await(ctx, m.Client, &coordinationv1.LeaseList{}, func(l *coordinationv1.Lease) bool {
		return l.Name == election.LeaseName && l.Spec.HolderIdentity != nil && strings.HasSuffix(*l.Spec.HolderIdentity, "/"+m.Federation)
	}, client.InNamespace(agent.Defaults().Namespace))
	if err != nil {
		r.t.Fatalf("%s: waiting for the agent at %s to lead: %v", cluster, m.Federation, err)
	}
}

// withoutAPIServer takes east's API server away for longer than any Lease lasts.
func withoutAPIServer(r *replicas) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Minute)
	defer cancel()
	w := r.watch(r.all(), endpointsOfEast(4)...)
	east := r.ControlPlane("east")
	leader, standby := r.leader("east")
	if err := east.StopAPIServer(); err != nil {
		r.t.Fatal(err)
	}
	if err := leader.AwaitLog(ctx, "the Lease could not be renewed in time", 1); err != nil {
		r.t.Fatal(err)
	}
	<-time.After(2 * election.DefaultDuration) // the Lease runs out, but nobody can take it
	// What others say is still heard and answered.
	r.create("west", slice("web", "web-west", "10.2.0.1"), service("web"), exportOf("web"))
	want := append(endpointsOfEast(4), "10.2.0.1:8080")
	r.assigned(leader, want...)
	r.assigned(standby, want...)
	r.awaitImport("west", "web", "east", "west")
	if err := east.StartAPIServer(ctx); err != nil {
		r.t.Fatal(err)
	}
	if err := leader.AwaitLog(ctx, "renewed the Lease again, writing on", 1); err != nil {
		r.t.Fatal(err)
	}
	r.awaitImport("east", "web", "east", "west")
	w.end(r.all()...)
	r.delete("west", exportOf("web"))
	r.awaitImport("west", "web", "east")
}

// bothStartAgain ends all agents, and starts those of west when nobody of east is there: what is remembered is
// served from the first answer on, and what was never known is not denied.
func bothStartAgain(r *replicas) {
	si := r.awaitImport("west", "web", "east")
	w := r.watch(r.all(), endpointsOfEast(4)...)
	defer w.end()
	for _, cluster := range []string{"west", "east"} {
		for _, m := range r.pairs[cluster] {
			if err := m.KillAgent(); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	for _, m := range r.pairs["west"] {
		if err := m.StartAgent(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
		r.answers(m, si.Spec.IPs...)
		if got, err := probe.Query(r.t.Context(), m.DNS, "unknown.shop.svc.clusterset.local", "A"); err != nil || got.Rcode != "SERVFAIL" {
			r.t.Errorf("a name that east may know: DNS answers %v (%v), want SERVFAIL", got, err)
		}
		r.assigned(m, endpointsOfEast(4)...)
		w.await(m, 2)
	}
	for _, m := range r.pairs["east"] {
		if err := m.StartAgent(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
		w.await(m, 2)
	}
	r.create("east", slice("web", "web-again", "10.1.0.5"))
	for _, m := range r.pairs["west"] {
		r.assigned(m, endpointsOfEast(5)...)
		if got, err := probe.Query(r.t.Context(), m.DNS, "unknown.shop.svc.clusterset.local", "A"); err != nil || got.Rcode != "NXDOMAIN" {
			r.t.Errorf("once east was heard: DNS answers %v (%v), want NXDOMAIN", got, err)
		}
	}
}
