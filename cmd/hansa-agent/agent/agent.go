package agent

import (
	"context"
	"errors"
	"fmt"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	eventsv1client "k8s.io/client-go/kubernetes/typed/events/v1"
	"k8s.io/client-go/rest"
	"log/slog"
	"net"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/election"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/secrets"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
	"github.com/hansa-mcs/hansa/dns"
	"github.com/hansa-mcs/hansa/exporter"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
	"github.com/hansa-mcs/hansa/importer"
	"github.com/hansa-mcs/hansa/importer/kube"
	"github.com/hansa-mcs/hansa/importer/xds"
)

// member is everything of one agent that is there before its manager runs.
type member struct {
	options  Options
	log      *slog.Logger
	rest     *rest.Config
	store    *federation.Store
	importer *importer.Importer
	blocked  kube.Blocked
	ranges   *serviceRanges

	changeSeconds *prometheus.HistogramVec

	properties *properties

	switches  *switches
	departure *departure
	steering  *steering
	unwritten unwritten
	auto      atomic.Pointer[exporter.Auto] // nil until it is made
	presence  *current[stream.Standing]
	holding   *holding
	dooming   *dooming
	former    atomic.Pointer[map[federation.ClusterID]time.Time] // clusters that were remembered at the start, and when they were heard

	identity *trust.Identity
	renewal  renewal
	port     *trust.Port
	name     election.Identity // of this agent among those of its cluster
	election *election.Election
	keeper   *state.Keeper
	events   eventsv1client.EventInterface
	foreign  chan error    // holds why this agent may not be in this cluster, if it found out
	lastTold atomic.Uint64 // the stint whose takeover was told
	circle   *circle
	settled  chan struct{} // closes when what is not known does not exist
	exchange *stream.Exchange
	secrets  *secrets.Secrets
	enroll   *enroll.Server
	dns      *dns.Server // nil without --dns-address
	asked    *dnsNumbers // likewise
	xds      *xds.Server // nil without --xds-address
	http     *httpServer
	reports  *reportServer

	// waiting is what keeps the manager from starting, nil once it has.
	waiting atomic.Pointer[string]
}

// Run runs an agent with valid Options until ctx ends, and returns when all of it has ended. A mistake in
// the Options' files and addresses is returned before anything is announced. It waits for the MCS API to
// be installed, and says so.
func Run(ctx context.Context, options Options, log *slog.Logger) error {
	m, err := newMember(ctx, options, log.With("cluster", options.Cluster))
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		<-ctx.Done()
		m.log.Info("stopping")
		return nil
	})
	group.Go(func() error { return m.http.Start(ctx) })
	if m.dns != nil {
		group.Go(func() error { return m.dns.Start(ctx) })
	}
	for _, start := range []func(context.Context) error{m.properties.Start, m.switches.Start, m.departure.Start, m.present} {
		group.Go(func() error { return start(ctx) })
	}
	group.Go(func() error {
		select {
		case err := <-m.foreign:
			return err
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error { return m.run(ctx) })
	err = group.Wait()
	m.log.Info("stopped")
	return err
}

// newMember builds and binds everything, in order of how soon a mistake can be told. It is one straight
// line because nearly every step needs the one before. After an error, what was bound stays so until the
// process ends.
func newMember(ctx context.Context, options Options, log *slog.Logger) (m *member, err error) {
	m = &member{options: options, log: log, circle: newCircle(), changeSeconds: newChangeSeconds(), presence: newCurrent[stream.Standing](), holding: newHolding(log), dooming: newDooming(log), settled: make(chan struct{}), foreign: make(chan error, 1), store: federation.NewStoreWithin(federation.ClusterID(options.Cluster), limits(options))}
	m.store.Withhold(options.exportPolicy())
	m.importer = importer.New(m.store, importer.Config{
		Patience: options.patience(),
		Admit:    options.importPolicy(),
		Holding:  m.holding.take,
		Fated:    m.dooming.take,
	})
	if m.rest, err = loadREST(options.Kubeconfig, options.Context); err != nil {
		return nil, err
	}
	m.rest.WarningHandlerWithContext = newAPIWarnings(log)
	m.rest.Wrap((&reach{log: log}).wrap)
	if m.properties, err = newProperties(m.rest, claims(options), log); err != nil {
		return nil, err
	}
	if m.switches, err = newSwitches(m.rest, options, log); err != nil {
		return nil, err
	}
	if m.departure, err = newDeparture(m.rest, options.Namespace, log); err != nil {
		return nil, err
	}
	m.steering = newSteering(m.store.Self(), m.switches, m.departure, m.importer, log)
	m.identity, err = trust.Load(options.Clusterset, m.store.Self(), trust.Files{Cert: options.CertFile, Key: options.KeyFile, CA: options.CAFile})
	if err != nil {
		return nil, blameFile(options, err)
	}
	if m.port, err = trust.Listen(ctx, options.Listen, m.identity, log); err != nil {
		return nil, blameAddress("listen", options.Listen, err)
	}
	m.identity.DialFrom(m.port.Addr())
	m.port.Route(m.route)
	if err := m.newElection(); err != nil {
		return nil, err
	}
	if err := m.newKeeper(); err != nil {
		return nil, err
	}
	if m.events, err = newEvents(m.rest, options.Namespace); err != nil {
		return nil, err
	}
	if m.ranges, err = newServiceRanges(m.rest, options.ServiceCIDRs, log); err != nil {
		return nil, err
	}
	m.exchange = stream.New(m.streamConfig())
	if err := m.newEnroll(); err != nil {
		return nil, err
	}
	if err := m.newDNS(); err != nil {
		return nil, err
	}
	if err := m.newXDS(); err != nil {
		return nil, err
	}
	if m.http, err = newHTTPServer(options.HTTPAddress, m.metrics(), m.ready, report.Handler(m.scenery, report.Local)); err != nil {
		return nil, blameAddress("http-address", options.HTTPAddress, err)
	}
	m.reports = newReportServer(m.port.Listener(trust.ProtoReport), m.store.Self(), m.scenery, log)
	return m, nil
}

// blameAddress names the flag whose address cannot be listened on, and the address once.
func blameAddress(flag, address string, err error) error {
	if network, ok := errors.AsType[*net.OpError](err); ok {
		err = network.Err
	}
	return fmt.Errorf("--%s %q: %w", flag, address, err)
}

func limits(o Options) federation.Limits {
	return federation.Limits{Services: o.MaxServices, Endpoints: o.MaxEndpoints, Bytes: o.MaxBytes}
}

// blameFile names the flag whose file an error is about.
func blameFile(options Options, err error) error {
	first, blamed := len(err.Error()), ""
	for _, f := range options.files() { // an error begins with the file that it is about
		if i := strings.Index(err.Error(), f.path); i >= 0 && i < first {
			first, blamed = i, f.flag
		}
	}
	if blamed != "" {
		return fmt.Errorf("--%s: %w", blamed, err)
	}
	return fmt.Errorf("--tls-cert-file, --tls-key-file, --tls-ca-file: %w", err)
}

// run waits for the MCS API, then runs the manager with every component.
func (m *member) run(ctx context.Context) error {
	if err := m.wait(ctx); err != nil || ctx.Err() != nil {
		return errors.Join(err, m.unbind(ctx))
	}
	m.waiting.Store(nil)
	mgr, err := m.assemble(ctx)
	if err != nil {
		return errors.Join(err, m.unbind(ctx))
	}
	m.log.Info("starting", "build", build(), "clusterset", m.options.Clusterset, "listen", m.port.Addr().String(), "advertise", m.options.advertised(),
		"identity", m.name.Name, "replica_address", m.name.Address)
	return mgr.Start(ctx)
}

// assemble returns the manager that runs every component.
func (m *member) assemble(ctx context.Context) (manager.Manager, error) {
	mgr, err := newManager(m.rest, m.log)
	if err != nil {
		return nil, err
	}
	exports, err := newDefinition(m.rest, exportsCRD, m.log)
	if err != nil {
		return nil, err
	}
	imports, err := newDefinition(m.rest, importsCRD, m.log)
	if err != nil {
		return nil, err
	}
	nodes, err := exporter.AddNodes(mgr, m.log)
	if err != nil {
		return nil, err
	}
	err = exporter.Add(ctx, mgr, exporter.Config{
		Store: m.store, Restored: m.importer.Ready(), Policy: m.options.exportPolicy(), Definition: exports, Lead: m.election.Lead, TakeTerm: m.takeTerm, Stance: m.steering.speaking.now, Drain: m.steering.drain.now, Auto: new(m.options.autoRules()), Nodes: nodes, Log: m.log,
	})
	if err != nil {
		return nil, err
	}
	own, err := m.assembleOwn(ctx, mgr, nodes)
	if err != nil {
		return nil, err
	}
	err = kube.Add(ctx, mgr, kube.Config{
		Store: m.store, Importer: m.importer, Definition: imports, AddressRest: m.options.AddressRest, Lead: m.election.Lead, Left: m.steering.left.now, Withdrawn: m.steering.withdrawn.now, Before: own, Blocked: &m.blocked, Log: m.log,
	})
	if err != nil {
		return nil, err
	}
	runnables := []manager.Runnable{exports, imports, m.importer, m.port, m.ranges}
	for _, f := range []farewell{m.leaves(), m.withholds()} {
		runnables = append(runnables, manager.RunnableFunc(func(ctx context.Context) error { return m.partWays(ctx, f) }))
	}
	for _, start := range []manager.RunnableFunc{m.exchangeOnce, m.elect, m.gossipWhileLeading, m.remember, m.settle, m.tellClusters, m.steering.Start, m.noteFreeze, m.keepAway, m.enroll.Start, m.reports.Start, m.watchFiles, m.renew} {
		runnables = append(runnables, start)
	}
	if m.xds != nil {
		runnables = append(runnables, m.xds)
	}
	for _, r := range runnables {
		if err := mgr.Add(r); err != nil {
			return nil, err
		}
	}
	return mgr, nil
}

// assembleOwn makes mgr run what is about this cluster's own Services: auto-export, and with xDS, which serves them, what
// tells the importer of them. The channel closes once all are told.
func (m *member) assembleOwn(ctx context.Context, mgr manager.Manager, nodes *exporter.Nodes) (<-chan struct{}, error) {
	auto, err := exporter.AddAuto(ctx, mgr, exporter.AutoConfig{
		Rules: m.options.autoRules(), Lead: m.election.Lead, On: m.steering.auto.now, Paused: m.steering.paused.now, Log: m.log,
	})
	if err != nil {
		return nil, err
	}
	m.auto.Store(auto)
	if m.xds == nil {
		return nil, nil
	}
	return exporter.AddOwn(mgr, exporter.OwnConfig{Cluster: m.store.Self(), Say: m.importer.SetOwn, Nodes: nodes})
}

// unbind gives back the addresses of what will not run, by starting it when its time is over.
func (m *member) unbind(ctx context.Context) error {
	over, cancel := context.WithCancel(ctx)
	cancel()
	err := m.port.Start(over)
	if m.xds != nil {
		err = errors.Join(err, m.xds.Start(over))
	}
	return err
}

// wait returns once this cluster is one that the agent may serve in, with the MCS API, and it is known whether it has
// left its clusterset; or when ctx ends. Nothing is
// written before it is known whose hansa-state is. A
// contradiction with a ClusterProperty is a mistake only when they are first read.
func (m *member) wait(ctx context.Context) error {
	tell := func(what string) { m.waiting.Store(&what) }
	if err := greet(ctx, m.rest, m.log, tell); err != nil {
		return err
	}
	if err := m.meetOwn(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	for _, settled := range []<-chan struct{}{m.properties.Settled(), m.switches.Settled(), m.departure.Settled()} {
		select {
		case <-settled:
		case <-ctx.Done():
			return nil
		}
	}
	if err := m.properties.Err(); err != nil {
		return err
	}
	m.steering.turn()
	if _, err := m.recall(ctx); isForeign(err) {
		return err
	} // of another error it has told, and settle tries again
	var failed map[string]error
	if m.options.InstallCRDs {
		var err error
		if failed, err = installCRDs(ctx, m.rest, m.log); err != nil {
			return err
		}
	}
	return waitForCRDs(ctx, m.rest, failed, m.log, tell)
}

// exchangeOnce runs the streams once it is known which addresses of other members are our own.
func (m *member) exchangeOnce(ctx context.Context) error {
	select {
	case <-m.ranges.Known():
	case <-ctx.Done():
	}
	return m.exchange.Start(ctx)
}

func (m *member) streamConfig() stream.Config {
	return stream.Config{
		Store:    m.store,
		Listener: m.port.Listener(trust.ProtoGRPC),
		Dial: func(ctx context.Context, address string, want federation.ClusterID) (stream.Conn, error) {
			return m.identity.Dial(ctx, address, want, trust.ProtoGRPC)
		},
		Members: m.members,
		Drop:    m.ranges.Own,
		Observe: func(owner federation.ClusterID, age time.Duration) {
			m.changeSeconds.WithLabelValues(string(owner)).Observe(age.Seconds())
		},
		Standing: m.presence.now,
		Log:      m.log,
	}
}

// ready returns why the agent is not ready yet, or nil. It never waits for a peer.
func (m *member) ready() error {
	if what := m.waiting.Load(); what != nil {
		return errors.New(*what)
	}
	select {
	case <-m.importer.Ready():
	default:
		return errors.New("the objects of this cluster have not been read yet")
	}
	switch s := m.election.Now(); {
	case s.Leader == (election.Identity{}):
		return errors.New("it is not known which agent of this cluster leads; the log says if this one may not read or take the Lease")
	case m.leads(s) && m.store.Version(m.store.Self()).IsZero():
		return errors.New("the exports of this cluster have not been announced yet")
	}
	return nil
}
