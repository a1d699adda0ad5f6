package xds

import (
	"fmt"
	"testing"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

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
	server := &Server{config: Config{Cluster: "own", Domain: DefaultDomain}, store: newStore()}
	var streams []*subscriber
	for i := range 100 {
		streams = append(streams, subscribed(b, server.store, i < concerned))
	}
	versions := [2]*importer.Service{hundred(0), hundred(1)}
	sent := 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		changes := map[key]*Resource{}
		server.replace(changes, DefaultDomain, versions[i%2], versions[(i+1)%2])
		server.store.apply(changes)
		for _, c := range streams {
			select {
			case <-c.mailbox.wake:
				sent += c.answer(acknowledged)
			default:
			}
		}
	}
	b.ReportMetric(float64(sent)/float64(b.N), "responses/change")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/change")
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
	in, err := c.session.subscribe(assignmentKind, c.names)
	if err != nil {
		b.Fatal(err)
	}
	s.subscribe(c.mailbox, in)
	c.answer(false)
	select {
	case <-c.mailbox.wake:
	default:
	}
	return c
}

// answer sends what there is and acknowledges it.
func (c *subscriber) answer(names bool) int {
	n := 0
	c.session.update(c.store.take(c.mailbox))
	for r := c.session.next(); r != nil; r = c.session.next() {
		n++
		c.session.acknowledge(assignmentKind, &discoveryv3.DiscoveryRequest{ResponseNonce: r.GetNonce()})
		if names {
			in, _ := c.session.subscribe(assignmentKind, c.names)
			c.store.subscribe(c.mailbox, in)
		}
	}
	return n
}
