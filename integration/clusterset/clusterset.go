package clusterset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/integration/lab"
)

// Name is the name of every clusterset made here.
const Name = "lab"

// Config says what to start.
type Config struct {
	Clusters []string
	// DualStack are those of Clusters that have IPv6 Services too.
	DualStack []string
	// ControllerManager starts a kube-controller-manager in each.
	ControllerManager bool
	// InProcess runs the agents in this process instead of as processes of their own.
	InProcess bool
	// WithoutAPI leaves the MCS API out, so the agents, which are started, wait for it: InstallCRDs brings
	// it, and Member.AwaitReady waits until the agent is through.
	WithoutAPI bool
	// Roles is the path of a YAML file of objects that every cluster gets before its agent starts, in their
	// order; the agents then are Account to their API servers, and may do what its ClusterRoles let it. Empty
	// means that agents may do everything.
	Roles string
	// Options changes the options of a cluster's agent each time that it starts. Several clusters may ask at
	// once. Nil changes nothing.
	Options func(cluster string, o *agent.Options)
	// Output is told the progress in sentences for people. Nil means nobody.
	Output io.Writer
}

// Clusterset is a running one.
type Clusterset struct {
	lab     *lab.Lab
	dir     string
	members []*Member
}

// Start starts the control planes, installs the MCS API in each, and starts an agent for each. The agent
// of each member knows the first member as its peer, and the first one the second.
func Start(ctx context.Context, config Config) (*Clusterset, error) {
	// Clients made outside of a manager would complain that they have nowhere to log.
	ctrl.SetLogger(logr.Discard())
	roles, err := readRoles(config.Roles)
	if err != nil {
		return nil, err
	}
	l, err := lab.Start(ctx, lab.Config{
		Clusters: config.Clusters, DualStack: config.DualStack, ControllerManager: config.ControllerManager, Output: config.Output,
	})
	if err != nil {
		return nil, err
	}
	s := &Clusterset{lab: l, dir: filepath.Join(l.Dir(), "agents")}
	binary := ""
	if !config.InProcess {
		if binary, err = buildAgent(ctx, l.Dir(), config.Output); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
	}
	if err := s.makeMembers(config, binary); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	if err := s.start(ctx, roles, config.WithoutAPI); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// makeMembers makes the members, each with its certificate, its kubeconfig and its peer.
func (s *Clusterset) makeMembers(config Config, binary string) error {
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return err
	}
	ca, err := trust.NewAuthority(Name, time.Now())
	if err != nil {
		return err
	}
	for _, c := range s.lab.Clusters() {
		m, err := newMember(c, filepath.Join(s.dir, c.Name), binary)
		if err != nil {
			return err
		}
		if m.files, err = ca.WriteMember(m.dir, federation.ClusterID(c.Name), time.Now()); err != nil {
			return err
		}
		if config.Roles != "" {
			if err := m.impersonate(); err != nil {
				return err
			}
		}
		m.change = config.Options
		s.members = append(s.members, m)
	}
	for i, m := range s.members {
		if len(s.members) > 1 {
			m.peer = s.members[min(1, max(0, 1-i))].Federation
		}
	}
	return nil
}

// start brings into every cluster what its agent needs, and starts the agents.
func (s *Clusterset) start(ctx context.Context, roles []*unstructured.Unstructured, withoutAPI bool) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, m := range s.members {
		group.Go(func() error {
			if err := grant(ctx, m.Client, roles); err != nil {
				return fmt.Errorf("cluster %s: %w", m.Name, err)
			}
			if err := m.createNamespace(ctx); err != nil {
				return fmt.Errorf("cluster %s: %w", m.Name, err)
			}
			if withoutAPI {
				return m.LaunchAgent()
			}
			if err := InstallCRDs(ctx, m.Client); err != nil {
				return fmt.Errorf("cluster %s: %w", m.Name, err)
			}
			return m.StartAgent(ctx)
		})
	}
	return group.Wait()
}

// Member returns the member of that name, which must be one of the Config's.
func (s *Clusterset) Member(name string) *Member {
	for _, m := range s.members {
		if m.Name == name {
			return m
		}
	}
	panic("no member " + name)
}

// ControlPlane returns the control plane of that member, which must be one of the Config's.
func (s *Clusterset) ControlPlane(name string) *lab.Cluster {
	for _, c := range s.lab.Clusters() {
		if c.Name == name {
			return c
		}
	}
	panic("no control plane " + name)
}

// Members returns all members, in the Config's order.
func (s *Clusterset) Members() []*Member { return s.members }

// Kubeconfig returns the path of a kubeconfig with a context for each cluster.
func (s *Clusterset) Kubeconfig() string { return s.lab.Kubeconfig() }

// Kubectl returns the path of a kubectl.
func (s *Clusterset) Kubectl() string { return s.lab.Kubectl() }

// Stop ends everything that Start began, and removes its files.
func (s *Clusterset) Stop() error {
	var errs []error
	for _, m := range s.members {
		for _, twin := range m.twins {
			errs = append(errs, twin.StopAgent())
		}
		errs = append(errs, m.StopAgent())
	}
	return errors.Join(append(errs, s.lab.Stop())...)
}

// agentLog opens a member's log for an agent in this process.
func agentLog(path string) (*slog.Logger, io.Closer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	return slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug})), f, nil
}
