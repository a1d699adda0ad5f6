package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// run is one fault in its clusterset.
type run struct {
	fault
	out io.Writer
	dir string

	set   *clusterset.Clusterset
	net   *network
	ca    *authority
	api   *faultyAPI
	pairs map[string][]*clusterset.Member // the agents of each cluster
	users []*user
	nodes []*node
	marks map[string]time.Time
	kept  map[string]any // what a step leaves for a later one

	mu       sync.Mutex
	optioned error // the first mistake of an agent's options
	measured []measurement
	cleanups []func()
}

// measurement is a time that is told.
type measurement struct {
	what string
	took time.Duration
}

// play runs a fault, and returns its result. Whatever it started has ended then.
func play(ctx context.Context, f fault, logs bool, out io.Writer) (res result) {
	r := &run{fault: f, out: out, pairs: map[string][]*clusterset.Member{}, marks: map[string]time.Time{}, kept: map[string]any{}}
	began := time.Now()
	fmt.Fprintf(out, "\n== %s. %s\n", f.id, f.title)
	err := r.start(ctx)
	for i, s := range f.steps {
		if err != nil {
			break
		}
		if err = s(ctx, r); err != nil {
			err = fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	if err == nil {
		err = r.askedAll()
	}
	res = r.result(err)
	if err != nil || logs {
		r.keepLogs()
	}
	if err := r.stop(); err != nil {
		res.failed = errors.Join(res.failed, err)
	}
	res.took = time.Since(began)
	return res
}

// askedAll fails if a user never asked by a door: then nothing is known about it.
func (r *run) askedAll() error {
	for _, u := range r.users {
		counts, _ := u.result()
		for d, c := range counts {
			if c.asked == 0 {
				return fmt.Errorf("nobody asked for %s in %s by %s: %w", u.service, u.cluster, door(d), errUnwanted)
			}
		}
	}
	return nil
}

// start brings up the clusterset.
func (r *run) start(ctx context.Context) (err error) {
	if r.dir, err = os.MkdirTemp("", "hansa-faults-"); err != nil {
		return err
	}
	if r.ca, err = newAuthority(r.dir); err != nil {
		return err
	}
	r.net = newNetwork()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	r.set, err = clusterset.Start(ctx, clusterset.Config{
		Clusters: r.clusters, ControllerManager: r.manager, Options: r.settle,
	})
	if err := errors.Join(err, r.optioned); err != nil {
		return err
	}
	for _, m := range r.set.Members() {
		r.pairs[m.Name] = []*clusterset.Member{m}
		if r.twins {
			if err := r.startTwin(ctx, m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) startTwin(ctx context.Context, m *clusterset.Member) error {
	twin, err := m.Twin()
	if err != nil {
		return err
	}
	r.pairs[m.Name] = append(r.pairs[m.Name], twin)
	return twin.StartAgent(ctx)
}

// settle changes the options of an agent: its place in the network, its certificate, and what the fault wants.
func (r *run) settle(cluster string, o *agent.Options) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.net.settle(cluster, r.peer(cluster), o)
	if err == nil {
		err = r.ca.write(cluster, o)
	}
	if err == nil && r.quiet.demote > 0 {
		err = setFlag(o, "demote-after", r.quiet.demote.String())
	}
	if err == nil && r.quiet.withdraw > 0 {
		err = setFlag(o, "withdraw-after", r.quiet.withdraw.String())
	}
	if err == nil && r.faulty == cluster {
		o.Kubeconfig, err = r.faultyKubeconfig(o.Kubeconfig)
	}
	if r.options != nil {
		r.options(r, cluster, o)
	}
	r.optioned = errors.Join(r.optioned, err)
}

// peer is the first other cluster, the second for the first.
func (r *run) peer(cluster string) string {
	i := slices.IndexFunc(r.clusters, func(c string) bool { return c != cluster })
	if i < 0 {
		return ""
	}
	return r.clusters[i]
}

// setFlag sets an option by its flag.
func setFlag(o *agent.Options, name, value string) error {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.AddFlags(flags)
	if err := flags.Set(name, value); err != nil {
		return fmt.Errorf("hansa-agent does not take --%s=%s: %w", name, value, err)
	}
	return nil
}

// atEnd calls do when the fault is over.
func (r *run) atEnd(do func()) { r.cleanups = append(r.cleanups, do) }

// stop ends everything.
func (r *run) stop() (err error) {
	for _, u := range r.users {
		u.leave()
	}
	for _, do := range slices.Backward(r.cleanups) {
		do()
	}
	if r.set != nil {
		err = r.set.Stop()
	}
	if r.api != nil {
		r.api.stop()
	}
	if r.net != nil {
		r.net.stop()
	}
	return errors.Join(err, os.RemoveAll(r.dir))
}

// keepLogs copies the agents' logs to where they stay.
func (r *run) keepLogs() {
	dir := filepath.Join(os.TempDir(), "hansa-faults-logs", r.id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return
	}
	for name, pair := range r.pairs {
		for i, m := range pair {
			if text, err := os.ReadFile(m.LogFile()); err == nil {
				_ = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d.log", name, i+1)), text, 0o600)
			}
		}
	}
	fmt.Fprintf(r.out, "  the agents' logs are kept in %s\n", dir)
}

// tell prints a line for people.
func (r *run) tell(format string, args ...any) { fmt.Fprintf(r.out, "  "+format+"\n", args...) }

// measure notes a time.
func (r *run) measure(what string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.measured = append(r.measured, measurement{what, took})
	r.tell("%s: %s", what, round(took))
}

// member returns the agent of a cluster, of two the one that leads.
func (r *run) member(ctx context.Context, cluster string) (*clusterset.Member, error) {
	if len(r.pairs[cluster]) == 1 {
		return r.pairs[cluster][0], nil
	}
	leads, _, err := r.leader(ctx, cluster)
	return leads, err
}

// user returns who uses a service in a cluster, nil if nobody does.
func (r *run) user(cluster, service string) *user {
	i := slices.IndexFunc(r.users, func(u *user) bool { return u.cluster == cluster && u.service == service })
	if i < 0 {
		return nil
	}
	return r.users[i]
}
