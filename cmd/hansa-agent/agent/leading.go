package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/election"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// newElection returns this agent's part in the election of its cluster's leader.
func (m *member) newElection() error {
	address, err := m.replicaAddress()
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("finding a name for this agent: %w", err)
	}
	m.name = election.Identity{Name: host + "-" + rand.Text()[:8], Address: address}
	leases, err := election.NewClient(m.rest, m.options.Namespace)
	if err != nil {
		return fmt.Errorf("making a client of Leases: %w", err)
	}
	m.election, err = election.New(election.Config{Client: leases, Namespace: m.options.Namespace, Name: election.LeaseName, Identity: m.name, Log: m.log})
	return err
}

// newKeeper returns who keeps what outlives this agent.
func (m *member) newKeeper() error {
	config := rest.CopyConfig(m.rest)
	config.QPS = -1
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client of ConfigMaps: %w", err)
	}
	m.keeper = state.New(state.Config{
		ConfigMaps: core.ConfigMaps(m.options.Namespace), Name: state.DefaultName, Self: m.store.Self(), Log: m.log,
		Gate: func(ctx context.Context) (context.Context, func(), error) {
			lead, done, _, err := m.election.Lead(ctx)
			return lead, done, err
		},
	})
	m.departure.lost = m.keeper.Lost
	return nil
}

// replicaAddress is where the other agents of this cluster reach this one.
func (m *member) replicaAddress() (string, error) {
	if m.options.ReplicaAddress != "" {
		return m.options.ReplicaAddress, nil
	}
	tcp, ok := m.port.Addr().(*net.TCPAddr)
	if !ok {
		return "", fmt.Errorf("the port has the address %s", m.port.Addr())
	}
	if !tcp.IP.IsUnspecified() {
		return tcp.String(), nil
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("finding the addresses of this agent: %w", err)
	}
	for _, a := range own {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() {
			return (&net.TCPAddr{IP: ip.IP, Port: tcp.Port}).String(), nil
		}
	}
	return "", errors.New("this agent has no address that others can reach: give --replica-address host:port")
}

// leads reports whether the Lease is this agent's as far as it knows, also while it may not write.
func (m *member) leads(s election.Standing) bool { return s.Leader == m.name }

// route tells the port what becomes of its connections.
func (m *member) route() trust.Route {
	s, changed := m.presence.now()
	return trust.Route{Serve: s.Leads, To: s.Leader, Changed: changed}
}

// elect takes part in the election once this agent knows all that a leader has to know.
func (m *member) elect(ctx context.Context) error {
	select {
	case <-m.importer.Ready():
		return m.election.Start(ctx)
	case <-ctx.Done():
		return nil
	}
}

// takeTerm returns a term of this cluster that no leader had, and tells of the first of each stint.
func (m *member) takeTerm(ctx context.Context, atLeast uint64) (uint64, error) {
	term, err := m.keeper.TakeTerm(ctx, atLeast, time.Now())
	if err != nil {
		return 0, m.blameCluster(err)
	}
	if s := m.election.Now(); m.lastTold.Swap(s.Stint) != s.Stint {
		tellTakeover(m.log, s, term, time.Now())
	}
	return term, nil
}

// tellTakeover tells whom a leader follows. How long that one was not heard is by its own clock.
func tellTakeover(log *slog.Logger, s election.Standing, term uint64, now time.Time) {
	if s.Former == (election.Identity{}) {
		log.Info("took the lead, and know of no leader before", "term", term)
		return
	}
	log.Info("took over the lead", "from", s.Former.String(), "not_heard_for", max(0, now.Sub(s.FormerWrote)).Round(time.Millisecond), "term", term)
}

// recall lets the Store know of the clusters that are remembered, unless this one is outside, and returns where they were.
func (m *member) recall(ctx context.Context) (seeds []string, err error) {
	remembered, err := m.keeper.Load(ctx)
	if err = m.blameCluster(err); err != nil && !isForeign(err) {
		m.log.Error("which clusters there are cannot be recalled", "configmap", m.options.Namespace+"/"+state.DefaultName, "error", err)
	}
	outside := m.departure.outside()
	former := make(map[federation.ClusterID]time.Time, len(remembered.Clusters))
	for _, c := range remembered.Clusters {
		former[c.ID] = c.Heard
		if !outside {
			m.store.Expect(c.ID)
			if c.UID != "" {
				_ = m.store.Meet(c.ID, c.UID) // who was met since the start is known better
			}
		}
		seeds = append(seeds, c.Addresses...)
	}
	if err == nil || len(former) > 0 {
		m.former.CompareAndSwap(nil, &former) // what is remembered later this agent may have seen itself
	}
	return seeds, err
}

// coarsely is how often it is noted when clusters were heard. The keeper writes it less often still.
const coarsely = time.Minute

// remember notes the clusters that there are, until ctx ends.
func (m *member) remember(ctx context.Context) error {
	var keeping sync.WaitGroup
	defer keeping.Wait()
	keeping.Go(func() { _ = m.keeper.Start(ctx) }) // it ends with ctx alone
	tick := time.NewTicker(coarsely)
	defer tick.Stop()
	for {
		joined, revived, advanced := m.store.Joined(), m.store.Revived(), m.store.Changed()
		members, changed := m.members()
		owners := m.store.Owners()
		m.keeper.Note(clustersOf(m.store.Self(), owners, members))
		if !returning(owners, time.Now()) {
			advanced = nil
		}
		select {
		case <-joined:
		case <-revived:
		case <-advanced:
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// clustersOf returns what is to be remembered of the other clusters of which a complete set came.
func clustersOf(self federation.ClusterID, owners []federation.Owner, members []stream.Member) (list []state.Cluster) {
	addresses := map[federation.ClusterID][]string{}
	for _, peer := range members {
		addresses[peer.Cluster] = append(addresses[peer.Cluster], peer.Address)
	}
	for _, o := range owners {
		if o.Cluster != self && !o.Version.IsZero() {
			list = append(list, state.Cluster{ID: o.Cluster, UID: o.UID, Addresses: addresses[o.Cluster], Heard: o.Heard, Left: o.Left})
		}
	}
	return list
}

// returning reports whether a cluster that has left is heard, and so may say at any moment that it is back.
func returning(owners []federation.Owner, now time.Time) bool {
	return slices.ContainsFunc(owners, func(o federation.Owner) bool { return o.Left && now.Sub(o.Heard) < federation.Silence })
}
