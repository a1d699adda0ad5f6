package agent

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/hansa-mcs/hansa/federation"
)

// metrics returns everything that /metrics shows: of this member, and of the libraries in this process.
func (m *member) metrics() prometheus.Gatherer {
	own := prometheus.NewRegistry()
	own.MustRegister(&collector{m}, collectors.NewBuildInfoCollector())
	return prometheus.Gatherers{own, metrics.Registry}
}

// collector reads the numbers where they are kept, when they are asked for.
type collector struct{ m *member }

var (
	viewRevision = prometheus.NewDesc("hansa_view_revision", "Revision of the newest View.", nil, nil)
	exports      = prometheus.NewDesc("hansa_cluster_exports", "Exports held of a cluster, its own included.", []string{"cluster"}, nil)
	heard        = prometheus.NewDesc("hansa_cluster_last_heard_timestamp_seconds", "When a cluster was last heard, in Unix seconds.", []string{"cluster"}, nil)
	restored     = prometheus.NewDesc("hansa_cluster_restored", "1 while what is held of a cluster is remembered from before the start, 0 once it was heard.", []string{"cluster"}, nil)
	behind       = prometheus.NewDesc("hansa_cluster_versions_behind", "Changes of a cluster that others have seen and this member lacks.", []string{"cluster"}, nil)
	members      = prometheus.NewDesc("hansa_members", "Other members that gossip knows.", nil, nil)
	dropped      = prometheus.NewDesc("hansa_gossip_packets_dropped_total", "Gossip packets that were not sent.", nil, nil)
	accepted     = prometheus.NewDesc("hansa_federation_connections_accepted_total", "Connections of members that were accepted.", nil, nil)
	refused      = prometheus.NewDesc("hansa_federation_connections_refused_total", "Connections that were refused.", nil, nil)
	conflict     = prometheus.NewDesc("hansa_cluster_property_conflict", "1 while a ClusterProperty contradicts the agent's flag, else 0.", []string{"property"}, nil)
	blocked      = prometheus.NewDesc("hansa_services_blocked", "Services that are not, or not wholly, imported into this cluster, by reason.", []string{"reason"}, nil)
	xdsRefusals  = prometheus.NewDesc("hansa_xds_refusals_total", "Responses that an xDS client refused (NACK).", nil, nil)
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{viewRevision, exports, heard, restored, behind, members, dropped, accepted, refused, conflict, blocked, xdsRefusals} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	m := c.m
	seen := m.gossip.Seen()
	gauge(viewRevision, float64(m.importer.View().Revision))
	for _, o := range m.store.Owners() {
		id := string(o.Cluster)
		gauge(exports, float64(o.Exports), id)
		if o.Cluster == m.store.Self() {
			continue
		}
		gauge(restored, bit(o.Restored), id)
		gauge(behind, lag(o.Version, seen[o.Cluster]), id)
		delete(seen, o.Cluster)
		if !o.Heard.IsZero() {
			gauge(heard, float64(o.Heard.UnixMilli())/1000, id)
		}
	}
	for id, v := range seen { // clusters of which we hold nothing at all
		if id != m.store.Self() {
			gauge(behind, lag(federation.Version{}, v), string(id))
		}
	}
	gauge(members, float64(len(m.gossip.Members())))
	counter(dropped, m.gossip.Stats().Dropped)
	counter(accepted, m.port.Stats().Accepted)
	counter(refused, m.port.Stats().Refused)
	for _, c := range m.properties.claims {
		gauge(conflict, bit(m.properties.contradicted(c.property)), c.property)
	}
	for reason, n := range m.blocked.Count() {
		gauge(blocked, float64(n), reason)
	}
	if m.xds != nil {
		counter(xdsRefusals, m.xds.Refusals())
	}
}

// lag returns how many changes what is held is behind what others have seen: at least one when they have
// seen another term.
func lag(held, seen federation.Version) float64 {
	switch {
	case seen.Compare(held) <= 0:
		return 0
	case seen.Term == held.Term:
		return float64(seen.Seq - held.Seq)
	}
	return float64(max(1, seen.Seq))
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
