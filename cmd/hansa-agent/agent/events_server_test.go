package agent_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/lab"
)

// east may hold two services of another cluster, and the agents may do what docs/roles.yaml says and no more.
func TestOnRealAPIServers(t *testing.T) {
	if _, err := lab.Build(t.Context(), t.Output(), false); err != nil {
		t.Fatal(err)
	}
	var east atomic.Pointer[string] // its agent's kubeconfig
	var astray atomic.Bool
	set, err := clusterset.Start(t.Context(), clusterset.Config{
		Clusters: []string{"east", "west"}, InProcess: true, Roles: "../../../docs/roles.yaml", Output: t.Output(),
		Options: func(cluster string, o *agent.Options) {
			switch {
			case cluster == "east":
				o.MaxServices = 2
				o.DemoteAfter = 5 * time.Second
				east.Store(&o.Kubeconfig)
			case astray.Load():
				o.Kubeconfig = *east.Load()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Run("Events tell of the other clusters", func(t *testing.T) { tellOfClusters(t, set) })
	t.Run("a cluster leaves and comes back", func(t *testing.T) { leaveAndReturn(t, set) })
	t.Run("an agent in another cluster ends", func(t *testing.T) { goAstray(t, set, &astray) })
}

func tellOfClusters(t *testing.T, set *clusterset.Clusterset) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	east, west := set.Member("east"), set.Member("west")
	awaitEvent(ctx, t, west, "LeaderChanged", "agent ", "/"+west.Federation+" leads this cluster")
	awaitEvent(ctx, t, east, "PeerJoined", "cluster west joined, of which nothing was known here before: it exports ")
	for _, o := range append(exported("a"), append(exported("b"), exported("c")...)...) {
		if err := west.Client.Create(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	awaitEvent(ctx, t, east, "RecordsRefused", "refused 1 record of cluster west (limit)")
	if err := west.StopAgent(); err != nil {
		t.Fatal(err)
	}
	awaitEvent(ctx, t, east, "PeerUnreachable", "cluster west was not heard for 3s", "2 services with 0 endpoints, stays served")
	awaitEvent(ctx, t, east, "PeerDemoted", "cluster west was not heard for ", ": its endpoints are demoted in 2 of 2 services; in 0 they come behind those of other clusters, in 2 ")
	if err := west.StartAgent(ctx); err != nil {
		t.Fatal(err)
	}
	awaitEvent(ctx, t, east, "PeerReachable", "cluster west is heard again after ", "; its endpoints, which were demoted, are served as it says them")
	awaitEvent(ctx, t, west, "PeerRejoined", "cluster east is heard again, ", " after hansa-state last noted it as heard: it exports nothing")

	// What kubectl describe shows of the ConfigMap.
	var state corev1.ConfigMap
	if err := east.Client.Get(ctx, client.ObjectKey{Namespace: "hansa-system", Name: "hansa-state"}, &state); err != nil {
		t.Fatal(err)
	}
	var described corev1.EventList
	about := client.MatchingFieldsSelector{Selector: fields.Set{"involvedObject.uid": string(state.UID), "involvedObject.kind": "ConfigMap", "involvedObject.name": "hansa-state"}.AsSelector()}
	if err := east.Client.List(ctx, &described, client.InNamespace("hansa-system"), about); err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, e := range described.Items {
		reasons = append(reasons, e.Reason)
	}
	slices.Sort(reasons)
	if want := []string{"LeaderChanged", "PeerDemoted", "PeerJoined", "PeerReachable", "PeerUnreachable", "RecordsRefused"}; !slices.Equal(reasons, want) {
		t.Errorf("the Events about %s %q are %q, want each of %q once", state.Name, state.UID, reasons, want)
	}
	if state.Data["self"] != "east" {
		t.Errorf("the state says that it is of cluster %q", state.Data["self"])
	}
}

// exported are the objects of a Service of namespace default that is exported.
func exported(name string) []client.Object {
	meta := metav1.ObjectMeta{Namespace: "default", Name: name}
	return []client.Object{
		&corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}},
		&mcsv1beta1.ServiceExport{ObjectMeta: meta},
	}
}

// awaitEvent waits for an Event of a reason with all texts in its note.
func awaitEvent(ctx context.Context, t *testing.T, m *clusterset.Member, reason string, texts ...string) {
	t.Helper()
	_, err := clusterset.Await(ctx, m.Client, &corev1.EventList{}, func(e *corev1.Event) bool {
		return e.Reason == reason && !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(e.Message, text) })
	}, client.InNamespace("hansa-system"))
	if err != nil {
		log, _ := os.ReadFile(m.LogFile())
		t.Fatalf("%s: waiting for an Event %s with %q: %v; its log:\n%s", m.Name, reason, texts, err, log)
	}
}

// leaveAndReturn lets west leave, be down and come back.
func leaveAndReturn(t *testing.T, set *clusterset.Clusterset) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	east, west := set.Member("east"), set.Member("west")
	ask := func(patch string) {
		t.Helper()
		o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "hansa-system", Name: "hansa-state"}}
		if err := west.Client.Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
			t.Fatal(err)
		}
	}
	awaitState(ctx, t, east, "to remember west", func(data map[string]string) bool { return data["cluster.west"] != "" })
	ask(`{"metadata":{"annotations":{"hansa.dev/leave":"true"}}}`)
	awaitEvent(ctx, t, west, "Left", "this cluster has left the clusterset", "joins again when the annotation is removed")
	awaitEvent(ctx, t, east, "PeerLeft", "cluster west has left the clusterset")
	awaitState(ctx, t, west, "to say that it left, and remember east", func(data map[string]string) bool {
		return data["left"] != "" && data["cluster.east"] != ""
	})
	awaitState(ctx, t, east, "to have forgotten west", func(data map[string]string) bool { return data["cluster.west"] == "" })
	if err := west.StopAgent(); err != nil {
		t.Fatal(err)
	}
	if err := west.StartAgent(ctx); err != nil { // it is ready
		t.Fatal(err)
	}
	awaitImports(ctx, t, west, 0)
	ask(`{"metadata":{"annotations":{"hansa.dev/leave":null}}}`)
	awaitState(ctx, t, west, "to be back", func(data map[string]string) bool { return data["left"] == "" })
	awaitState(ctx, t, east, "to remember west again", func(data map[string]string) bool { return data["cluster.west"] != "" })
	awaitImports(ctx, t, west, 3)
	awaitImports(ctx, t, east, 2)
	awaitEvent(ctx, t, east, "PeerRejoined", "cluster west is heard again, ", " after it left: it exports 2 services with 0 endpoints")
}

// awaitState waits until hansa-state is as wanted.
func awaitState(ctx context.Context, t *testing.T, m *clusterset.Member, what string, want func(data map[string]string) bool) {
	t.Helper()
	_, err := clusterset.Await(ctx, m.Client, &corev1.ConfigMapList{}, func(o *corev1.ConfigMap) bool {
		return o.Name == "hansa-state" && want(o.Data)
	}, client.InNamespace("hansa-system"))
	if err != nil {
		t.Fatalf("%s: waiting for hansa-state %s: %v", m.Name, what, err)
	}
}

// awaitImports waits until there are so many ServiceImports.
func awaitImports(ctx context.Context, t *testing.T, m *clusterset.Member, want int) {
	t.Helper()
	for {
		var list mcsv1beta1.ServiceImportList
		if err := m.Client.List(ctx, &list); err != nil {
			t.Fatalf("%s: waiting for %d ServiceImports: %v", m.Name, want, err)
		}
		if len(list.Items) == want {
			return
		}
	}
}

// goAstray starts an agent of west with the kubeconfig of east, then with its own, which takes over in the end.
func goAstray(t *testing.T, set *clusterset.Clusterset, astray *atomic.Bool) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	east := set.Member("east")
	twin, err := set.Member("west").Twin()
	if err != nil {
		t.Fatal(err)
	}
	astray.Store(true)
	if err := twin.StartAgent(ctx); err == nil {
		t.Error("an agent of west is ready in east")
	}
	err = twin.StopAgent()
	want := `--cluster "west": ConfigMap hansa-system/hansa-state at ` + east.REST.Host + ` says self: "east", so it is the state of cluster "east": check --kubeconfig and --context, and --namespace `
	if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") || !strings.HasSuffix(err.Error(), `-p '{"data":{"self":"west"}}'`) {
		t.Errorf("it ended with %v, want one line that begins with %s", err, want)
	}
	astray.Store(false)
	if err := twin.StartAgent(ctx); err != nil {
		t.Fatal(err)
	}
	west := set.Member("west")
	if err := west.StopAgent(); err != nil {
		t.Fatal(err)
	}
	awaitEvent(ctx, t, twin, "LeaderChanged", "/"+twin.Federation+" leads this cluster, after ", "/"+west.Federation)
	if err := twin.AwaitLog(ctx, "took over the lead", 1); err != nil {
		t.Error(err)
	}
}
