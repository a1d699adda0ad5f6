package xds

import (
	"fmt"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// BenchmarkChange measures what one changed service of 100 endpoints costs, from its conclusion to the
// response to every stream that subscribes to it, where 100 streams have 1,000 names each. With
// acknowledged, it includes reading the acknowledgements, which repeat all names.
func BenchmarkChange(b *testing.B) {
	for _, concerned := range []int{1, 100} {
		for _, acknowledged := range []bool{false, true} {
			b.Run(fmt.Sprintf("concerns=%d/acknowledged=%t", concerned, acknowledged), func(b *testing.B) {
				benchmarkChange(b, concerned, acknowledged)
			})
		}
	}
}

func benchmarkChange(b *testing.B, concerned int, acknowledged bool) {
	server := newBareServer()
	var streams []*subscriber
	for i := range 100 {
		streams = append(streams, subscribed(b, server.store, i < concerned))
	}
	versions := [2]*importer.Service{hundred(0), hundred(1)}
	sent := 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c := changes{server: server, resources: map[key]*resource{}, hosts: map[string]virtualHost{}}
		c.replace(DefaultDomain, versions[i%2], versions[(i+1)%2])
		server.store.apply(c.resources)
		for _, c := range streams {
			if len(c.mailbox.changed) > 0 {
				sent += c.answer(acknowledged)
			}
		}
	}
	b.ReportMetric(float64(sent)/float64(b.N), "responses/change")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/change")
}

func newBareServer() *Server {
	return &Server{config: Config{Cluster: "own", Domain: DefaultDomain}, store: newStore(), turns: newTurns()}
}

// hundred is web with 100 endpoints, others in each version.
func hundred(version int) *importer.Service {
	var spots []federation.Endpoint
	for n := range 100 {
		spots = append(spots, spot(fmt.Sprintf("z%d/10.0.%d.%d", n%3, version, n), ready))
	}
	return importer.Merge([]*federation.Export{export("b", spots...)})
}

// subscriber is a stream with 1,000 assignments, of which nothing is on its way.
type subscriber struct {
	*talk
	names []string
}

func subscribed(b *testing.B, s *store, web bool) *subscriber {
	c := &subscriber{talk: newTalk(nil, s)}
	for n := range 999 {
		c.names = append(c.names, fmt.Sprintf("outbound|80||svc-%d.shop.svc.clusterset.local", n))
	}
	if web {
		c.names = append(c.names, webCluster)
	}
	in, err := c.session.subscribe(request{kind: assignmentKind, names: c.names})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.subscribe(c.mailbox, in); err != nil {
		b.Fatal(err)
	}
	c.answer(false)
	return c
}

// answer sends what there is and acknowledges it.
func (c *subscriber) answer(names bool) int {
	n := 0
	c.update()
	for r := c.session.next(); r != nil; r = c.session.next() {
		n++
		c.session.acknowledge(request{kind: assignmentKind, nonce: r.nonce})
		if names {
			in, _ := c.session.subscribe(request{kind: assignmentKind, names: c.names})
			_, _ = c.store.subscribe(c.mailbox, in)
		}
	}
	return n
}
