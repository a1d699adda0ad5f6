package agent

import "github.com/prometheus/client_golang/prometheus"

// metric is what there is to know of one metric; docs/metrics.md is made of it.
type metric struct {
	name   string
	kind   string
	labels []string
	help   string
	watch  string           // when a person should look; "" for nothing to wait for
	desc   *prometheus.Desc // nil for what is not read but observed
}

const (
	aGauge     = "gauge"
	aCounter   = "counter"
	aHistogram = "histogram"
)

// ofCluster is the label of what there is for each cluster; a few others have reason, or property.
var ofCluster = []string{"cluster"}

func gauge(name, help, watch string, labels ...string) *metric {
	return &metric{name, aGauge, labels, help, watch, prometheus.NewDesc(name, help, labels, nil)}
}

func counter(name, help, watch string, labels ...string) *metric {
	return &metric{name, aCounter, labels, help, watch, prometheus.NewDesc(name, help, labels, nil)}
}

// observed returns a metric that is kept here and told of all that happens.
func observed(kind, name, help, watch string, labels ...string) *metric {
	return &metric{name, kind, labels, help, watch, nil}
}

// counts returns the options of a counter that is observed.
func (m *metric) counts() prometheus.CounterOpts {
	return prometheus.CounterOpts{Name: m.name, Help: m.help}
}

// send sends one value.
func (m *metric) send(ch chan<- prometheus.Metric, value float64, labels ...string) {
	kind := prometheus.GaugeValue
	if m.kind == aCounter {
		kind = prometheus.CounterValue
	}
	ch <- prometheus.MustNewConstMetric(m.desc, kind, value, labels...)
}

// latencies are the bounds of a way that takes microseconds when nobody is in it, in seconds.
var latencies = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}

// What this agent itself is and does.
var (
	viewRevision = gauge("hansa_view_revision",
		"Revision of the newest View: how often this agent concluded something new since it started.", "")
	changeToView = &metric{"hansa_change_to_view_seconds", aHistogram, nil,
		"Time from when this agent learned of a change, of the oldest in each View, to the View that shows it.",
		"`histogram_quantile(0.99, rate(hansa_change_to_view_seconds_bucket[5m])) > 0.1`: the agent lacks CPU, or changes come faster than it can conclude", nil}
	leading = gauge("hansa_leading",
		"1 while this agent leads its cluster, 0 while it is a standby.",
		"the sum over one cluster's agents is not 1 for a minute")
	suspended = gauge("hansa_leading_suspended",
		"1 while this agent leads but may write nothing, as it could not renew its Lease.",
		"1 for a minute: this cluster's API server does not answer, or refuses. What changes here is not told, and nothing is written here; all else goes on")
	leaderKnown = gauge("hansa_leader_known",
		"1 while this agent knows who leads its cluster, though that one may have ended, or the Lease be out of reach since.",
		"0 for a minute: no agent leads, or this one cannot read the Lease since it started")
	leaderStream = gauge("hansa_leader_stream_up",
		"1 while this agent, a standby, has a stream to its leader; of a standby alone.",
		"0 for a minute: it serves what is older and older, and turns away connections that it should pass on")
	stints = counter("hansa_leading_stints_total",
		"How often this agent took the lead.",
		"`increase(hansa_leading_stints_total[1h]) > 3`: agents end, or cannot renew the Lease, again and again")
	standbys = gauge("hansa_standbys",
		"Standbys that this agent keeps up to date; of the leader alone.",
		"less than the other replicas that there should be, for a minute: the loss of the leader would be felt")
	outside = gauge("hansa_clusterset_left",
		"1 while this cluster has left the clusterset, as a person asked, else 0.",
		"1, and nobody meant it: annotation hansa.dev/leave of ConfigMap hansa-state is why")
)

// How the switches stand.
var (
	featureEnabled = gauge("hansa_feature_enabled",
		"1 for a feature gate that is on, 0 for one that is off, as this agent has it.",
		"0 for MCSServiceDiscovery, and nobody meant it, or agents of one cluster that differ: hansa features says by whose word it stands", "name")
	frozen = gauge("hansa_frozen",
		"1 while what is imported of other clusters stays as it is, as a person asked, else 0.",
		"1 for longer than the incident lasts: what is served grows old, and hansa unfreeze releases it")
	autoExports = gauge("hansa_auto_exports",
		"ServiceExports that auto-export made, as far as this agent knows.",
		"a sudden change that nobody meant")
)

// What is known of the clusters, and how well.
var (
	alive = gauge("hansa_cluster_alive",
		"1 while another cluster is heard: within the last 3 seconds and, by the leader, on a stream that is up.",
		"0 for a minute: the cluster is unreachable from here; hansa_cluster_fate says what becomes of what it exported", ofCluster...)
	fates = gauge("hansa_cluster_fate",
		"1 for what becomes of another cluster's endpoints by --demote-after and --withdraw-after, 0 for what does not: fate is served, demoted (after those of other clusters) or withdrawn (not served). A ServiceExport may say otherwise for its service.",
		"1 for demoted or withdrawn: clients are sent elsewhere, or nowhere where no other cluster exports the service", "cluster", "fate")
	unsteady = gauge("hansa_cluster_unsteady",
		"1 while another cluster comes and goes too often, else 0: one that fell silent or came back three times within five minutes is demoted until it was heard for a minute.",
		"1: the network between the two, or that cluster's agent, is not steady", ofCluster...)
	held = gauge("hansa_cluster_withdrawal_held",
		"1 while a mass withdrawal of another cluster is not believed, else 0: what it lost is served for 30 seconds more.",
		"1: the cluster lost more than half of its endpoints at once, and did not say that it means to", ofCluster...)
	heard = gauge("hansa_cluster_last_heard_timestamp_seconds",
		"When another cluster was last heard, in Unix seconds; nothing for one that was not heard since the start.",
		"`time() - hansa_cluster_last_heard_timestamp_seconds` says how old what is served may be", ofCluster...)
	streamUp = gauge("hansa_cluster_stream_up",
		"1 while there is a stream with another cluster; of the leader alone.",
		"it changes several times in ten minutes, as by `changes()`: the network between the two, or one of their agents, is not steady", ofCluster...)
	restored = gauge("hansa_cluster_restored",
		"1 while what is held of another cluster is remembered from before the start, 0 once it was heard.",
		"1 for five minutes: the agent started without reaching that cluster", ofCluster...)
	exports = gauge("hansa_cluster_exports",
		"Services of a cluster, this one included, of which an export is held.",
		"a sudden drop that nobody meant", ofCluster...)
	endpoints = gauge("hansa_cluster_endpoints",
		"Endpoints in the exports that are held of a cluster, this one included.",
		"a sudden drop that nobody meant", ofCluster...)
	behind = gauge("hansa_cluster_versions_behind",
		"Changes of a cluster that it, or anybody else, tells of and this agent lacks. Of its own cluster a standby says how far it is behind its leader. Nothing while nobody tells.",
		"above 0 for a minute: what is served here is older than what the cluster says", ofCluster...)
	unacked = gauge("hansa_cluster_unacked_versions",
		"Changes of this cluster that another one has not confirmed on its stream; of the leader alone.",
		"above 0 for a minute: the other cluster serves what is older than what this one says", ofCluster...)
)

// What goes over the streams.
var (
	receivedBytes  = counter("hansa_cluster_received_bytes_total", "Bytes of frames that came on the stream.", "", ofCluster...)
	receivedFrames = counter("hansa_cluster_received_frames_total", "Frames that came on the stream: one each second, and more with changes.", "", ofCluster...)
	sentBytes      = counter("hansa_cluster_sent_bytes_total", "Bytes of frames that went out on the stream.", "", ofCluster...)
	sentFrames     = counter("hansa_cluster_sent_frames_total", "Frames that went out on the stream: one each second, and more with changes.", "", ofCluster...)

	receivedRecords     = counter("hansa_cluster_received_records_total", "Whole exports that came on the stream.", "", ofCluster...)
	receivedPatches     = counter("hansa_cluster_received_patches_total", "Exports that came as what changed in them.", "", ofCluster...)
	receivedWithdrawals = counter("hansa_cluster_received_withdrawals_total", "Ends of exports that came on the stream by name; what is found to be gone by hashes is not among them.", "", ofCluster...)
	streamsBegun        = counter("hansa_cluster_streams_total", "Streams that came up where there was none.", "more than a few in an hour: connections are cut on the way", ofCluster...)
	refusedRecords      = counter("hansa_cluster_refused_records_total",
		"Exports that came on the stream and were not taken, while others of the same update were; reason is limit, invalid, term for one that nobody can have, or foreign for what the peer may not speak for, and for a second cluster of one ID, which ends the stream.",
		"any increase: the log says which and why. What was held of them before is still served", "cluster", "reason")
	changeSeconds = &metric{"hansa_cluster_change_seconds", aHistogram, ofCluster,
		"Time from when a cluster made a change to when it was held here, by the two clusters' clocks: what they differ by is in it.",
		"`histogram_quantile(0.99, rate(hansa_cluster_change_seconds_bucket[5m])) > 1`: a line is slow, or a clock wrong", nil}
)

// Who connects, and who is there.
var (
	accepted     = counter("hansa_federation_connections_accepted_total", "Connections of members that were accepted.", "")
	refused      = counter("hansa_federation_connections_refused_total", "Connections that were refused: the handshake failed, nobody listens for the protocol, or the leader could not be reached.", "a steady rate: a member's certificate is not valid, or a stranger knocks; the log says who")
	passed       = counter("hansa_federation_connections_passed_total", "Connections that a standby passed on to its leader.", "")
	passing      = gauge("hansa_federation_connections_passing", "Connections that a standby is passing on to its leader now.", "")
	leaderless   = counter("hansa_federation_connections_leaderless_total", "Connections that were closed because no agent of this cluster led.", "an increase for more than a minute")
	joinRequests = counter("hansa_join_requests_total",
		"Requests to this agent for a certificate, by what became of them: result is joined, renewed, silent for a connection without a request, or why it was refused, which the log calls code: unknown is a token that there is not, or another secret.",
		"`increase(hansa_join_requests_total{result=\"unknown\"}[1h]) > 10`: somebody guesses tokens, or goes on with one that was revoked; the log says from where. busy is who asks too often, as who guesses does soon. Any increase of failed: the log says why", "result")
	members = gauge("hansa_members", "Agents of other clusters that gossip knows; of the leader alone.", "less than the other clusters that there should be, for five minutes")
	dropped = counter("hansa_gossip_packets_dropped_total", "Gossip packets that were not sent; of the leader alone. It begins anew with each stint.", "a steady rate: some member cannot be dialed from here")
)

// What is wrong in this cluster.
var (
	conflict = gauge("hansa_cluster_property_conflict", "1 while a ClusterProperty contradicts the agent's flag, else 0.", "1: the agent will refuse to start again", "property")
	blocked  = gauge("hansa_services_blocked", "Services that are not, or not wholly, imported into this cluster, by reason.", "above 0: an object that is not Hansa's is in the way (foreign_object), or the API server refuses a write (refused); Events on the objects say which. Those that --import-namespaces and --import-deny-namespaces keep out (policy) are no alarm", "reason")
)

// What is asked by DNS. Each is there only with --dns-address.
var (
	dnsRequests = observed(aCounter, "hansa_dns_requests_total",
		"Replies by DNS; only with --dns-address, as all of DNS. type is that of the question, other for those that are rare; rcode is that of the reply; transport is udp or tcp.",
		"`sum(rate(hansa_dns_requests_total{rcode=\"SERVFAIL\"}[5m])) > 0` when this agent has run for longer than --withdraw-after: a service has had no address for a while, see hansa_services_blocked. Much of REFUSED, beyond hansa_dns_limited_total: names outside of --dns-zone are asked here, so a resolver forwards what it should not; some of type NS are how CoreDNS looks whether the agent is there",
		"type", "rcode", "transport")
	dnsSeconds = observed(aHistogram, "hansa_dns_request_seconds",
		"Time from when a question was read until its reply was written.",
		"`histogram_quantile(0.99, rate(hansa_dns_request_seconds_bucket[5m])) > 0.005`: the agent lacks CPU")
	dnsReplyBytes = observed(aHistogram, "hansa_dns_reply_bytes",
		"Sizes of replies, at most 1232 over udp.", "", "transport")
	dnsTruncated = observed(aCounter, "hansa_dns_truncated_total",
		"Replies over UDP that had no room for all records, so that the client has to come again by TCP.",
		"above a tenth of all requests: clients say that they take little, or headless services are large. Each such question is asked twice")
	dnsLimited = observed(aCounter, "hansa_dns_limited_total",
		"Questions that were refused because the client asks more than --dns-rate-limit.",
		"any increase: a client runs wild, or the limit is too low for one that asks for many, as CoreDNS does")
	dnsDropped = observed(aCounter, "hansa_dns_dropped_total",
		"Messages that have no reply: reason is malformed for what is no DNS, response for what is a reply itself, unsent for what has one that could not be sent, and crowded for a connection of a client that has 64 already.",
		"a steady rate of malformed or response: something else than DNS is sent to the port, or somebody sends under a false address. Of unsent: the log says why at debug level. Of crowded: a client keeps its connections open", "reason")
)

// What is told by xDS.
var (
	xdsStreams = gauge("hansa_xds_streams",
		"Clients that are connected to this agent by xDS; only with --xds-address, as all of xDS. variant is delta or sotw, the state of the world.",
		"0 on all agents of a cluster that has clients: they do not reach the port; the sum of both near --xds-max-clients: further clients are turned away. That one agent has all clients and another one none is how it is after restarts in turn: they stay where they are", "variant")
	xdsResponses = counter("hansa_xds_responses_total", "Responses that were sent to clients.", "")
	xdsRefusals  = counter("hansa_xds_refusals_total",
		"Responses that a client refused (NACK).",
		"any increase: the client goes on with what it has; hansa xds clients and the log say what it does not take")
	xdsSlow = counter("hansa_xds_slow_clients_total",
		"Clients that were cut because they did not read what they were sent.",
		"a steady rate: a client hangs, or the network to it does; the log says which")
	xdsTurned = counter("hansa_xds_turned_away_total",
		"Times that a client was turned away because as many as --xds-max-clients are connected to this agent, or too many from its address. One that comes again counts again.",
		"any increase on all agents of a cluster: there are more clients than they may have, and more replicas, or a higher limit, take them; or too many come from one address, which the log says")
	xdsQuarantined = gauge("hansa_xds_quarantined_resources",
		"Resources that are not told, or not wholly, because clients would refuse them.",
		"above 0: hansa status says which, and why; that of one service never stops the others")
)

// sections are all metrics, as a person looks for them.
var sections = []struct {
	title   string
	metrics []*metric
}{
	{"This agent", []*metric{viewRevision, changeToView, leading, suspended, leaderKnown, leaderStream, stints, standbys, outside}},
	{"The switches", []*metric{featureEnabled, frozen, autoExports}},
	{"The clusters", []*metric{alive, fates, unsteady, held, heard, streamUp, restored, exports, endpoints, behind, unacked}},
	{"The streams", []*metric{receivedBytes, receivedFrames, sentBytes, sentFrames, receivedRecords, receivedPatches, receivedWithdrawals, streamsBegun, refusedRecords, changeSeconds}},
	{"The port and gossip", []*metric{accepted, refused, passed, passing, leaderless, joinRequests, members, dropped}},
	{"DNS", []*metric{dnsRequests, dnsSeconds, dnsReplyBytes, dnsTruncated, dnsLimited, dnsDropped}},
	{"xDS", []*metric{xdsStreams, xdsResponses, xdsRefusals, xdsSlow, xdsTurned, xdsQuarantined}},
	{"What is in the way", []*metric{conflict, blocked}},
}
