package report

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/federationtest"
	"github.com/hansa-mcs/hansa/federation/stream"
)

// large returns the scene of a leader with 100 peers, each of which exports 100 services, of which each has 5 endpoints
// and our own cluster exports half too.
func large(b *testing.B) *Scene {
	const peers, services = 100, 10_000
	s := newStory("east", "")
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.importer.Start(ctx) }()
	b.Cleanup(func() { cancel(); <-done })
	var ours []*federation.Export
	for p := range peers {
		peer := federation.ClusterID(fmt.Sprintf("peer-%d", p))
		var list []*federation.Export
		for n := range services / peers {
			name := federation.ServiceName{Namespace: fmt.Sprintf("ns-%d", n), Name: fmt.Sprintf("s-%d", p)}
			s.importer.SetNamespace(name.Namespace, true)
			for _, cluster := range []federation.ClusterID{peer, "east"}[:1+n%2] {
				e := exportOf(cluster, name)
				for i := range 5 {
					addEndpoint(e, federation.Endpoint{Address: netip.AddrFrom4([4]byte{10, byte(p), byte(n), byte(i)}), Conditions: federation.Ready})
				}
				e.Normalize()
				if cluster == peer {
					list = append(list, e)
				} else {
					ours = append(ours, e)
				}
			}
		}
		s.store.Heard(peer, time.Now())
		if err := federationtest.Say(s.store, peer, federation.Version{Term: 1, Seq: 1}, list...); err != nil {
			b.Fatal(err)
		}
		s.scene.Streams = append(s.scene.Streams, stream.Up{Peer: peer, Since: time.Now(), Acked: federation.Head{Version: federation.Version{Term: 1, Seq: 1}}})
	}
	s.store.Announce(1, ours)
	s.importer.Open()
	<-s.importer.Ready()
	s.scene.Now, s.scene.View = time.Now(), s.importer.View()
	if n := s.scene.imports().Services; n != services {
		b.Fatalf("%d services", n)
	}
	return &s.scene
}

// BenchmarkAnswers are the answers with 100 peers and 10,000 services, as they go out: `hansa status` is to take less
// than 300 ms.
func BenchmarkAnswers(b *testing.B) {
	scene := large(b)
	name := federation.ServiceName{Namespace: "ns-1", Name: "s-1"}
	for _, c := range []struct {
		name   string
		answer func() any
	}{
		{"status", func() any { return scene.Status() }},
		{"clusters", func() any { return scene.Clusters() }},
		{"services", func() any { return scene.Services(Query{}) }},
		{"endpoints", func() any { return scene.Endpoints(Query{}) }},
		{"explain", func() any { return scene.Explain(name) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var size int
			for b.Loop() {
				text, err := json.Marshal(c.answer())
				if err != nil {
					b.Fatal(err)
				}
				size = len(text)
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/answer")
			b.ReportMetric(float64(size), "B/answer")
		})
	}
}

// BenchmarkStatusOverAConnection is what `hansa status` waits for, but for the way to the agent.
func BenchmarkStatusOverAConnection(b *testing.B) {
	scene := large(b)
	c := client(b, serve(b, Handler(func(time.Time) *Scene { return scene }, Local)))
	for b.Loop() {
		status, err := c.Status(b.Context())
		if err != nil || len(status.Peers) != 100 || status.Imported.Services != 10_000 {
			b.Fatalf("%v", err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/answer")
}
