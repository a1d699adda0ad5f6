package integration

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
)

// barrierNamespace holds the markers.
const barrierNamespace = "barrier"

// barrier exports a marker that is new from every cluster, and waits until all have imported them all, with
// their endpoints. An API server tells what happened in order, and agents pass it on in order, so whoever
// has the markers has seen what was before. The agents write several services at once, so of what was before
// the last may still be on its way: a second round of markers comes behind it.
func (s *scene) barrier() error {
	for range 2 {
		s.barriers++
		if err := s.round(s.barriers); err != nil {
			return fmt.Errorf("barrier: %w", err)
		}
	}
	return nil
}

func (s *scene) round(n int) error {
	ctx, cancel := s.patiently()
	defer cancel()
	var running []*site
	for _, at := range s.sites {
		if !s.away[at] {
			running = append(running, at)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, from := range running {
		name := fmt.Sprintf("marker-%d-%s", n, from.Name)
		group.Go(func() error { return from.createMarker(ctx, n, name) })
		for _, to := range running {
			group.Go(func() error { return to.awaitMarker(ctx, name) })
		}
	}
	return group.Wait()
}

// marker is what a marker is made of: its name, and an address that no other has.
const marker = `
apiVersion: v1
kind: Service
metadata: {name: %[1]s, annotations: {hansa.dev/export: "false"}}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [{port: 80}]
endpoints: [{addresses: [%[2]s]}]
---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: {name: %[1]s}
`

func (at *site) createMarker(ctx context.Context, n int, name string) error {
	address := fmt.Sprintf("10.%d.%d.%d", 200+at.number, n/250, 1+n%250)
	for doc := range strings.SplitSeq(fmt.Sprintf(marker, name, address), "\n---\n") {
		r, o, err := at.read(barrierNamespace, doc)
		if err != nil {
			return err
		}
		if _, err := at.of(r).Create(ctx, o, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("%s: creating %s: %w", at.Name, r, err)
		}
	}
	return nil
}

// awaitMarker waits for the import of a marker, and for its endpoint.
func (at *site) awaitMarker(ctx context.Context, name string) error {
	imported, err := at.ref(barrierNamespace, "serviceimport/"+name)
	if err != nil {
		return err
	}
	slices, err := at.ref(barrierNamespace, "endpointslice")
	if err != nil {
		return err
	}
	missing := "the import"
	_, err = at.await(ctx, imported, func(o *unstructured.Unstructured) (bool, error) {
		clusters, _, _ := unstructured.NestedSlice(o.Object, "status", "clusters")
		missing = "status.clusters of the import"
		return len(clusters) > 0, nil
	})
	if err == nil {
		missing = "an endpoint"
		selector := metav1.ListOptions{LabelSelector: "multicluster.kubernetes.io/service-name=" + name}
		err = at.each(ctx, slices, selector, func(what watch.EventType, o *unstructured.Unstructured) (bool, error) {
			endpoints, _, _ := unstructured.NestedSlice(o.Object, "endpoints")
			return what != watch.Deleted && len(endpoints) > 0, nil
		})
	}
	if err != nil {
		return fmt.Errorf("%s: awaiting %s: %w; %s is missing\n%s", at.Name, imported, inWords(err), missing, tail(at.LogFile()))
	}
	return nil
}

// tick waits for the next second: times in the API have whole ones, and two exports of one second are equally
// old. There is no event to wait for but the clock, which API servers on this machine share.
func (s *scene) tick() error {
	select {
	case <-time.After(time.Until(time.Now().Truncate(time.Second).Add(time.Second))):
		return nil
	case <-s.t.Context().Done():
		return s.t.Context().Err()
	}
}
