package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// metrics returns everything that /metrics shows: of this member, and of the libraries in this process. It is called
// before the importer starts.
func (m *member) metrics() prometheus.Gatherer {
	own := prometheus.NewRegistry()
	own.MustRegister(&collector{func() *reading { return m.read(time.Now()) }}, newLatency(m.importer), m.changeSeconds, collectors.NewBuildInfoCollector())
	if m.asked != nil {
		own.MustRegister(m.asked.collectors()...)
	}
	return prometheus.Gatherers{own, metrics.Registry}
}

// newLatency returns the one metric that cannot be read when it is asked for: each View adds to it.
func newLatency(i *importer.Importer) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: changeToView.name, Help: changeToView.help, Buckets: latencies})
	i.Measure(func(age time.Duration) { h.Observe(age.Seconds()) })
	return h
}

// newChangeSeconds returns what Exchange tells the age of each update to.
func newChangeSeconds() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: changeSeconds.name, Help: changeSeconds.help, Buckets: latencies}, changeSeconds.labels)
}

// collector reads the numbers where they are kept, when they are asked for.
type collector struct{ read func() *reading }

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, s := range sections {
		for _, d := range s.metrics {
			if d.desc != nil {
				ch <- d.desc
			}
		}
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) { c.read().show(ch) }

// blockedByPolicy is the reason of services that --import-namespaces or --import-deny-namespaces keep out.
const blockedByPolicy = "policy"

// read takes the numbers from where they are kept.
func (m *member) read(now time.Time) *reading {
	standing := m.election.Now()
	r := &reading{
		now:       now,
		self:      m.store.Self(),
		standing:  standing,
		leads:     m.leads(standing),
		revision:  m.importer.View().Revision,
		outside:   m.departure.outside(),
		owners:    m.store.Owners(),
		fates:     map[federation.ClusterID]federation.Fate{},
		unsteady:  map[federation.ClusterID]bool{},
		streams:   m.exchange.Streams(),
		totals:    m.exchange.Totals(),
		port:      m.port.Stats(),
		joins:     m.enroll.Stats(),
		blocked:   m.blocked.Count(),
		conflicts: map[string]bool{},
	}
	for _, o := range r.owners {
		pulse := m.store.Pulse(o.Cluster)
		r.fates[o.Cluster], _ = federation.Overdue(pulse, now, m.options.patience())
		r.unsteady[o.Cluster] = pulse.Unsteady(now)
	}
	r.gates, _, _ = m.switches.now()
	r.frozen = m.importer.View().Frozen
	if auto := m.auto.Load(); auto != nil {
		r.autoMade = new(auto.Made())
	}
	r.blocked[blockedByPolicy] = m.importer.KeptOut()
	r.held, _ = m.holding.now()
	if g, _ := m.circle.now(); g != nil {
		r.gossip = &gossiped{seen: g.Seen(), members: len(g.Members()), dropped: g.Stats().Dropped}
	}
	for _, c := range m.properties.claims {
		r.conflicts[c.property] = m.properties.contradicted(c.property)
	}
	if m.xds != nil {
		r.xds = newXDSNumbers(m.xds)
	}
	return r
}
