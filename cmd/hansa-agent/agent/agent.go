package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/credentials/insecure"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/hansa-mcs/hansa/dns"
	"github.com/hansa-mcs/hansa/exporter"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/gossip"
	"github.com/hansa-mcs/hansa/federation/stream"
	"github.com/hansa-mcs/hansa/federation/trust"
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

	properties *properties

	identity *trust.Identity
	port     *trust.Port
	gossip   *gossip.Gossip
	exchange *stream.Exchange
	dns      *dns.Server // nil without --dns-address
	xds      *xds.Server // nil without --xds-address
	http     *httpServer

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
	group.Go(func() error { return m.properties.Start(ctx) })
	group.Go(func() error { return m.run(ctx) })
	err = group.Wait()
	m.log.Info("stopped")
	return err
}

// newMember builds and binds everything, in order of how soon a mistake can be told. It is one straight
// line because nearly every step needs the one before. After an error, what was bound stays so until the
// process ends.
func newMember(ctx context.Context, options Options, log *slog.Logger) (m *member, err error) {
	m = &member{options: options, log: log, store: federation.NewStore(federation.ClusterID(options.Cluster))}
	m.importer = importer.New(m.store)
	if m.rest, err = loadREST(options.Kubeconfig, options.Context); err != nil {
		return nil, err
	}
	m.rest.WarningHandlerWithContext = newAPIWarnings(log)
	m.rest.Wrap((&reach{log: log}).wrap)
	if m.properties, err = newProperties(m.rest, claims(options), log); err != nil {
		return nil, err
	}
	m.identity, err = trust.Load(options.Clusterset, m.store.Self(), trust.Files{Cert: options.CertFile, Key: options.KeyFile, CA: options.CAFile})
	if err != nil {
		return nil, blameFile(options, err)
	}
	if m.port, err = trust.Listen(ctx, options.Listen, m.identity, log); err != nil {
		return nil, fmt.Errorf("--listen %q: %w", options.Listen, err)
	}
	if m.gossip, err = gossip.New(m.gossipConfig()); err != nil {
		return nil, fmt.Errorf("joining the clusterset: %w", err)
	}
	m.exchange = stream.New(m.streamConfig())
	if options.DNSAddress != "" {
		m.dns, err = dns.New(dns.Config{
			Address: options.DNSAddress, Zone: options.DNSZone,
			View: m.importer.View, Ready: m.importer.Ready(), Log: log,
		})
		if err != nil {
			return nil, fmt.Errorf("--dns-address %q: %w", options.DNSAddress, err)
		}
	}
	if options.XDSAddress != "" {
		m.xds, err = xds.New(xds.Config{
			Address: options.XDSAddress, Cluster: m.store.Self(), Domain: options.DNSZone,
			View: m.importer.View, Ready: m.importer.Ready(), Credentials: insecure.NewCredentials(), Log: log,
		})
		if err != nil {
			return nil, fmt.Errorf("--xds-address %q: %w", options.XDSAddress, err)
		}
	}
	if m.http, err = newHTTPServer(options.HTTPAddress, m.metrics(), m.ready); err != nil {
		return nil, fmt.Errorf("--http-address %q: %w", options.HTTPAddress, err)
	}
	return m, nil
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
	m.log.Info("starting", "build", build(), "clusterset", m.options.Clusterset, "listen", m.port.Addr().String(), "advertise", m.options.advertised())
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
	err = exporter.Add(ctx, mgr, exporter.Config{Store: m.store, Restored: m.importer.Ready(), Definition: exports, Log: m.log})
	if err != nil {
		return nil, err
	}
	err = kube.Add(ctx, mgr, kube.Config{Store: m.store, Importer: m.importer, Definition: imports, AddressRest: m.options.AddressRest, Blocked: &m.blocked, Log: m.log})
	if err != nil {
		return nil, err
	}
	runnables := []manager.Runnable{exports, imports, m.importer, m.port, m.gossip, m.exchange, manager.RunnableFunc(m.tellHeads)}
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

// wait returns once this cluster is one that the agent may serve in, with the MCS API; or when ctx ends. A
// contradiction with a ClusterProperty is a mistake only when they are first read.
func (m *member) wait(ctx context.Context) error {
	tell := func(what string) { m.waiting.Store(&what) }
	if err := greet(ctx, m.rest, m.log, tell); err != nil {
		return err
	}
	select {
	case <-m.properties.Settled():
	case <-ctx.Done():
		return nil
	}
	if err := m.properties.Err(); err != nil {
		return err
	}
	var failed map[string]error
	if m.options.InstallCRDs {
		var err error
		if failed, err = installCRDs(ctx, m.rest, m.log); err != nil {
			return err
		}
	}
	return waitForCRDs(ctx, m.rest, failed, m.log, tell)
}

func (m *member) gossipConfig() gossip.Config {
	return gossip.Config{
		Cluster:   m.store.Self(),
		Advertise: m.options.advertised(),
		Seeds:     m.options.Peers,
		Listener:  m.port.Listener(trust.ProtoGossip),
		Dial: func(ctx context.Context, address string, want federation.ClusterID) (gossip.Conn, error) {
			return m.identity.Dial(ctx, address, want, trust.ProtoGossip)
		},
		Heads: m.heads,
		Log:   m.log,
	}
}

func (m *member) streamConfig() stream.Config {
	return stream.Config{
		Store:    m.store,
		Listener: m.port.Listener(trust.ProtoGRPC),
		Dial: func(ctx context.Context, address string, want federation.ClusterID) (stream.Conn, error) {
			return m.identity.Dial(ctx, address, want, trust.ProtoGRPC)
		},
		Members: m.members,
		Log:     m.log,
	}
}

// members tells the streams whom gossip knows.
func (m *member) members() ([]stream.Member, <-chan struct{}) {
	changed := m.gossip.Changed()
	var list []stream.Member
	for _, peer := range m.gossip.Members() {
		list = append(list, stream.Member{Cluster: peer.Cluster, Address: peer.Address})
	}
	return list, changed
}

// tellHeads lets gossip spread our version whenever it moves: evidence for others of how far they lag.
func (m *member) tellHeads(ctx context.Context) error {
	for {
		advanced := m.store.Advanced(m.store.Self())
		m.gossip.Advance()
		select {
		case <-advanced:
		case <-ctx.Done():
			return nil
		}
	}
}

// heads tells gossip at which versions this cluster holds all clusters.
func (m *member) heads() gossip.Heads {
	heads := gossip.Heads{}
	for _, o := range m.store.Owners() {
		if !o.Version.IsZero() {
			heads[o.Cluster] = o.Version
		}
	}
	return heads
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
	if m.store.Version(m.store.Self()).IsZero() {
		return errors.New("the exports of this cluster have not been announced yet")
	}
	return nil
}
