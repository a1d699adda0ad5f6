package agent

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hansa-mcs/hansa/dns"
)

// The values of label transport.
const (
	overUDP = "udp"
	overTCP = "tcp"
)

// The bounds of answers from memory, in seconds, and of replies, in bytes: 512 is what every client takes, 1232 the most
// over UDP.
var (
	answerTimes = []float64{.00001, .000025, .00005, .0001, .00025, .0005, .001, .005, .025, .1, .5}
	replySizes  = []float64{64, 128, 256, 512, 1232, 4096, 16384, 65535}
)

// dnsNumbers counts what is asked by DNS. Each question is told to it, a hundred thousand in a second: once a kind of
// question was seen, it takes no lock and no memory.
type dnsNumbers struct {
	requests  *prometheus.CounterVec
	seconds   prometheus.Histogram
	bytes     *prometheus.HistogramVec
	truncated prometheus.Counter
	limited   prometheus.Counter
	drops     *prometheus.CounterVec

	byKind           counters[dnsKind]
	byReason         counters[dns.Drop]
	udpSize, tcpSize prometheus.Observer
}

// dnsKind is what requests are told apart by.
type dnsKind struct {
	kind, rcode string
	tcp         bool
}

func newDNSNumbers() *dnsNumbers {
	n := &dnsNumbers{
		requests:  prometheus.NewCounterVec(dnsRequests.counts(), dnsRequests.labels),
		seconds:   prometheus.NewHistogram(prometheus.HistogramOpts{Name: dnsSeconds.name, Help: dnsSeconds.help, Buckets: answerTimes}),
		bytes:     prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: dnsReplyBytes.name, Help: dnsReplyBytes.help, Buckets: replySizes}, dnsReplyBytes.labels),
		truncated: prometheus.NewCounter(dnsTruncated.counts()),
		limited:   prometheus.NewCounter(dnsLimited.counts()),
		drops:     prometheus.NewCounterVec(dnsDropped.counts(), dnsDropped.labels),
	}
	n.byKind.find = func(k dnsKind) prometheus.Counter {
		return n.requests.WithLabelValues(k.kind, k.rcode, transport(k.tcp))
	}
	n.byReason.find = func(why dns.Drop) prometheus.Counter { return n.drops.WithLabelValues(string(why)) }
	for _, why := range dns.Drops {
		n.byReason.of(why) // shows 0 from the start
	}
	n.udpSize, n.tcpSize = n.bytes.WithLabelValues(overUDP), n.bytes.WithLabelValues(overTCP)
	return n
}

func transport(tcp bool) string {
	if tcp {
		return overTCP
	}
	return overUDP
}

// collectors returns everything that is counted.
func (n *dnsNumbers) collectors() []prometheus.Collector {
	return []prometheus.Collector{n.requests, n.seconds, n.bytes, n.truncated, n.limited, n.drops}
}

// served counts one reply.
func (n *dnsNumbers) served(e dns.Exchange) {
	n.byKind.of(dnsKind{e.Type, e.Rcode, e.TCP}).Inc()
	n.seconds.Observe(e.Took.Seconds())
	size := n.udpSize
	if e.TCP {
		size = n.tcpSize
	}
	size.Observe(float64(e.Reply))
	if e.Truncated {
		n.truncated.Inc()
	}
	if e.Limited {
		n.limited.Inc()
	}
}

// dropped counts one message without a reply.
func (n *dnsNumbers) dropped(why dns.Drop) { n.byReason.of(why).Inc() }

// counters finds the counter of a key. There are few keys: the map is copied for each new one, and only read for the rest.
type counters[K comparable] struct {
	find  func(K) prometheus.Counter
	known atomic.Pointer[map[K]prometheus.Counter]
	mu    sync.Mutex // while known is replaced
}

func (c *counters[K]) of(key K) prometheus.Counter {
	if known := c.known.Load(); known != nil {
		if counter, ok := (*known)[key]; ok {
			return counter
		}
	}
	return c.add(key)
}

func (c *counters[K]) add(key K) prometheus.Counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	more := map[K]prometheus.Counter{}
	if known := c.known.Load(); known != nil {
		maps.Copy(more, *known)
	}
	more[key] = c.find(key)
	c.known.Store(&more)
	return more[key]
}
