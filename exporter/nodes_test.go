package exporter

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	metadatafake "k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// nodeScene is an API server with Nodes alone, and what reads them.
type nodeScene struct {
	*testing.T
	*Nodes
	client *metadatafake.FakeMetadataClient
	log    syncWriter
}

// syncWriter is what was logged.
type syncWriter struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *syncWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

// count returns how many lines contain text.
func (w *syncWriter) count(text string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Count(w.text.String(), text)
}

func newNodeScene(t *testing.T, nodes ...*metav1.PartialObjectMetadata) *nodeScene {
	t.Helper()
	scheme := metadatafake.NewTestScheme()
	if err := metav1.AddMetaToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	var objects []runtime.Object
	for _, n := range nodes {
		objects = append(objects, n)
	}
	s := &nodeScene{T: t, client: metadatafake.NewSimpleMetadataClient(scheme, objects...)}
	var err error
	if s.Nodes, err = newNodes(s.client, slog.New(slog.NewTextHandler(io.MultiWriter(&s.log, t.Output()), nil))); err != nil {
		t.Fatal(err)
	}
	return s
}

// run reads until the test ends, or what it returns is called.
func (s *nodeScene) run() (stop func()) {
	ctx, cancel := context.WithCancel(s.Context())
	done := make(chan error, 1)
	go func() { done <- s.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.Error(err)
		}
	})
	s.Cleanup(stop)
	return stop
}

// put changes a Node, whose version is another each time as on an API server.
func (s *nodeScene) put(n *metav1.PartialObjectMetadata) {
	s.Helper()
	err := s.client.Tracker().Update(corev1.SchemeGroupVersion.WithResource("nodes"), n, "")
	if apierrors.IsNotFound(err) {
		err = s.client.Tracker().Create(corev1.SchemeGroupVersion.WithResource("nodes"), n, "")
	}
	if err != nil {
		s.Fatal(err)
	}
}

func (s *nodeScene) remove(name string) {
	s.Helper()
	if err := s.client.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("nodes"), "", name); err != nil {
		s.Fatal(err)
	}
}

// nodeAt returns a Node of a version, with labels "key=value" beside many that say nothing.
func nodeAt(name, version, region, zone string) *metav1.PartialObjectMetadata {
	n := &metav1.PartialObjectMetadata{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name, ResourceVersion: version, UID: "uid", Labels: map[string]string{"kubernetes.io/hostname": name},
			Annotations: map[string]string{"beat": version}, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubelet"}},
		},
	}
	if region != "" {
		n.Labels[corev1.LabelTopologyRegion] = region
	}
	if zone != "" {
		n.Labels[corev1.LabelTopologyZone] = zone
	}
	return n
}

// names returns the names of Nodes, sorted.
func names(nodes map[string]bool) string { return strings.Join(slices.Sorted(maps.Keys(nodes)), " ") }

func sliceOn(service string, nodes ...string) *discoveryv1.EndpointSlice {
	s := webSlice("10.1.0.1")
	s.Name, s.Labels[discoveryv1.LabelServiceName] = service+"-1", service
	s.Endpoints = nil
	for i, node := range nodes {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{"10.1.0." + string(rune('1'+i))}, NodeName: &node})
	}
	return s
}

// Of a Node nothing is held but what is asked for, and the version by which an informer tells changes.
func TestOfANodeItsPlaceAloneIsHeld(t *testing.T) {
	s := newNodeScene(t, nodeAt("a", "1", "r1", "z1"))
	s.run()
	if !s.await(t.Context()) {
		t.Fatal("nothing is known")
	}
	held, _, err := s.informer.GetStore().GetByKey("a")
	want := metav1.ObjectMeta{Name: "a", ResourceVersion: "1", Labels: map[string]string{corev1.LabelTopologyRegion: "r1", corev1.LabelTopologyZone: "z1"}}
	if node, ok := held.(*metav1.PartialObjectMetadata); err != nil || !ok || node.String() != (&metav1.PartialObjectMetadata{ObjectMeta: want}).String() {
		t.Errorf("held is %v, error %v, want %v", held, err, want)
	}
	imported := sliceOn("web", "a")
	imported.Labels[discoveryv1.LabelManagedBy] = ourSlices
	if got := s.beneath([]*discoveryv1.EndpointSlice{imported}); len(got) != 0 {
		t.Errorf("beneath imported endpoints is %v", got)
	}
}

// Whoever follows hears of the Nodes that are elsewhere, and of no others: not of heartbeats.
func TestWhoFollowsHearsOfNodesThatMoved(t *testing.T) {
	s := newNodeScene(t, nodeAt("a", "1", "r1", "z1"), nodeAt("b", "2", "r1", "z2"), nodeAt("plain", "3", "", ""))
	m := s.follow()
	s.run()
	if !s.await(t.Context()) {
		t.Fatal("nothing is known")
	}
	version := 10
	next := func() string { version++; return string(rune('A' + version)) }
	for _, step := range []struct {
		what string
		do   func()
		want string
	}{
		{"its region is another", func() { s.put(nodeAt("a", next(), "r2", "z1")) }, "a"},
		{"its zone is another", func() { s.put(nodeAt("b", next(), "r1", "z3")) }, "b"},
		{"a heartbeat before a change", func() { s.put(nodeAt("a", next(), "r2", "z1")); s.put(nodeAt("b", next(), "r3", "z3")) }, "b"},
		{"it is labelled no more", func() { s.put(nodeAt("a", next(), "", "")) }, "a"},
		{"one comes", func() { s.put(nodeAt("c", next(), "r1", "")) }, "c"},
		{"one goes", func() { s.remove("b") }, "b"},
		{"one without labels comes, another goes", func() { s.put(nodeAt("d", next(), "", "")); s.remove("plain"); s.remove("c") }, "c"},
	} {
		step.do()
		<-m.more
		if got := names(m.take()); got != step.want {
			t.Errorf("%s: moved %q, want %q", step.what, got, step.want)
		}
	}
	s.tell(toolscache.DeletedFinalStateUnknown{Key: "x", Obj: nodeAt("x", "1", "r1", "")}, nil)
	if got := names(m.take()); got != "x" {
		t.Errorf("one went unseen: moved %q", got)
	}
}

// Without the right to read Nodes nobody waits; once there is one, all who are concerned are told.
func TestNodesThatMayNotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newNodeScene(t, nodeAt("a", "1", "r1", "z1"))
		var mu sync.Mutex
		refused := true
		s.client.PrependReactor("list", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) {
			mu.Lock()
			defer mu.Unlock()
			return refused, nil, apierrors.NewForbidden(corev1.Resource("nodes"), "", errors.New("no role"))
		})
		m, start := s.follow(), time.Now()
		stop := s.run()
		if !s.await(t.Context()) || time.Since(start) > time.Second {
			t.Errorf("waited for %s", time.Since(start))
		}
		time.Sleep(5 * time.Minute)
		if n := s.log.count("level=WARN"); n != 1 || s.log.count("no role") != 1 {
			t.Errorf("%d warnings, want one with the reason", n)
		}
		if got := s.beneath([]*discoveryv1.EndpointSlice{sliceOn("web", "a")}); got["a"] != (Place{}) {
			t.Errorf("beneath is %v", got)
		}
		mu.Lock()
		refused = false
		mu.Unlock()
		time.Sleep(2 * time.Minute)
		if got := names(m.take()); got != "a" {
			t.Errorf("with the right to read, told of %q, want a", got)
		}
		if got := s.beneath([]*discoveryv1.EndpointSlice{sliceOn("web", "a")}); got["a"] != (Place{"r1", "z1"}) {
			t.Errorf("beneath is %v", got)
		}
		if s.log.count("level=INFO") != 1 {
			t.Error("nobody was told that they can be read")
		}
		stop()
	})
}

// An API server that does not answer is waited for, but not for ever.
func TestNodesOfAnAPIServerThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newNodeScene(t)
		s.client.PrependReactor("list", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewInternalError(errors.New("later"))
		})
		start := time.Now()
		stop := s.run()
		if !s.await(t.Context()) || time.Since(start) != forNodes {
			t.Errorf("waited for %s, want %s", time.Since(start), forNodes)
		}
		if s.log.count("level=WARN") != 1 {
			t.Error("want a warning")
		}
		stop()
	})
}

// regions returns those of the endpoints that the Store has of a Service, with their zones.
func (c *cluster) regions(name federation.ServiceName) string {
	c.t.Helper()
	e := c.exporter.Store.Export("own", name)
	if e == nil {
		return "not exported"
	}
	var list []string
	for _, s := range e.Subsets {
		for _, ep := range s.Endpoints {
			list = append(list, ep.Region+"/"+ep.Zone)
		}
	}
	return strings.Join(list, " ")
}

// A Node that moves has the Services looked at again that have endpoints on it, and no others, and they are said to be
// where it is.
func TestANodeThatMovesTakesItsEndpointsAlong(t *testing.T) {
	rule.Covers(t, "S3")
	s := newNodeScene(t, nodeAt("a", "1", "r1", "r1-a"), nodeAt("b", "2", "r2", "r2-a"))
	s.run()
	c := newCluster(t, webService(), ownService("other"), sliceOn("web", "a", "a", "b"), sliceOn("other", "b"))
	c.nodes = s.Nodes
	c.start()
	if got, want := c.regions(webName), "r1/r1-a r1/r1-a r2/r2-a"; got != want {
		t.Fatalf("announced at %q, want %q", got, want)
	}
	woken := func(what string, want ...string) {
		t.Helper()
		for _, name := range want {
			if got := (<-c.exporter.again).Object.Name; got != name {
				t.Fatalf("%s: %s is looked at again, want %v", what, got, want)
			}
		}
		c.reconcile()
	}
	s.put(nodeAt("a", "3", "r1", "r1-a"))
	s.put(nodeAt("a", "4", "r1", "r1-b"))
	woken("a is in another zone", "web")
	if got, want := c.regions(webName), "r1/r1-b r1/r1-b r2/r2-a"; got != want {
		t.Errorf("at %q, want %q", got, want)
	}
	s.put(nodeAt("b", "5", "r3", "r3-a"))
	woken("b is in another region", "other", "web")
	s.remove("a")
	woken("a went", "web")
	if got, want := c.regions(webName), "/ / r3/r3-a"; got != want {
		t.Errorf("at %q, want %q", got, want)
	}
	if c.writes != 1 {
		t.Errorf("%d statuses were written: where endpoints are is no concern of them", c.writes)
	}
}
