package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Service ranges are 10.96.0.0/16, 10.97.0.0/16 and so on up to 10.255.0.0/16,
// and of those in DualStack also fd00:10:96::/112 and so on.
const (
	firstRange  = 96
	maxClusters = 256 - firstRange
)

// Config says what Start starts.
type Config struct {
	// Clusters are the names, 1 to 160 different DNS labels. Each cluster has a
	// service range of its own by its place here: 10.96.0.0/16, 10.97.0.0/16 ...
	Clusters []string
	// ControllerManager starts a kube-controller-manager for each as well.
	ControllerManager bool
	// DualStack are those of Clusters that have an IPv6 service range besides, by
	// the cluster's place there as well: fd00:10:96::/112, fd00:10:97::/112 ...
	DualStack []string
	// Dir is a new or empty directory for everything of the lab, which stays after
	// Stop. Empty means one below the cache that Stop removes.
	Dir string
	// Output is told the progress in sentences for people. Nil means nobody.
	Output io.Writer
	// Log is told what is started. Nil means nobody.
	Log *slog.Logger
}

// Lab is a set of running control planes. It owns their processes until Stop.
type Lab struct {
	clusters []*Cluster
	dir      *runDir
	output   io.Writer // written to by one goroutine at a time.
	log      *slog.Logger
	stop     func() error
}

// Start starts the clusters side by side and returns when all are ready: a few
// seconds, and minutes if Build has to make the binary first. The end of ctx
// ends only the starting. After an error nothing runs; otherwise the caller must
// call Stop. If the calling process ends first, its labs end with it.
func Start(ctx context.Context, config Config) (*Lab, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	l := &Lab{output: cmp.Or[io.Writer](config.Output, io.Discard), log: config.Log}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.stop = sync.OnceValue(l.stopAll)
	binary, err := Build(ctx, l.output, config.ControllerManager)
	if err != nil {
		return nil, err
	}
	if l.dir, err = openRunDir(ctx, config.Dir); err != nil {
		return nil, fmt.Errorf("make the lab's directory: %w", err)
	}
	if err := l.start(ctx, config, binary); err != nil {
		return nil, errors.Join(err, l.Stop())
	}
	return l, nil
}

// Validate says what is wrong with a configuration before anything is started.
func (c Config) Validate() error {
	if n := len(c.Clusters); n == 0 || n > maxClusters {
		return fmt.Errorf("clusters: got %d names, expected 1 to %d", n, maxClusters)
	}
	for i, name := range c.Clusters {
		if problems := validation.IsDNS1123Label(name); len(problems) > 0 {
			return fmt.Errorf("clusters: %q is no DNS label, expected at most 63 of a-z, 0-9 and '-', as in east", name)
		}
		if slices.Contains(c.Clusters[:i], name) {
			return fmt.Errorf("clusters: %q is named twice, expected different names", name)
		}
	}
	for _, name := range c.DualStack {
		if !slices.Contains(c.Clusters, name) {
			return fmt.Errorf("dual stack: %q is no cluster, expected some of %s", name, strings.Join(c.Clusters, ", "))
		}
	}
	return nil
}

func openRunDir(ctx context.Context, given string) (*runDir, error) {
	if given != "" {
		return givenRunDir(given)
	}
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	return newRunDir(ctx, filepath.Join(cache, "run"))
}

func (l *Lab) start(ctx context.Context, config Config, binary string) error {
	if err := l.link(binary); err != nil {
		return err
	}
	advertise, err := MachineAddress()
	if err != nil || !advertise.Is4() { // it must be of the family of the service range.
		advertise = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	fmt.Fprintf(l.output, "Starting %s.\n", strings.Join(config.Clusters, ", "))
	var speaking sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	for i, name := range config.Clusters {
		cluster := l.newCluster(i, name, config, advertise)
		l.clusters = append(l.clusters, cluster)
		group.Go(func() error { return l.startCluster(ctx, cluster, &speaking) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return writeKubeconfig(l.Kubeconfig(), l.clusters...)
}

func (l *Lab) newCluster(i int, name string, config Config, advertise netip.Addr) *Cluster {
	dir := filepath.Join(l.dir.path, "clusters", name)
	return &Cluster{
		Name:       name,
		Kubeconfig: filepath.Join(dir, "kubeconfig"),
		LogDir:     filepath.Join(dir, "logs"),
		dir:        dir,
		bin:        l.bin(),
		services:   serviceRanges(i, slices.Contains(config.DualStack, name)),
		advertise:  advertise,
		manager:    config.ControllerManager,
	}
}

func serviceRanges(i int, dualStack bool) []netip.Prefix {
	ranges := []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/16", firstRange+i))}
	if dualStack {
		ranges = append(ranges, netip.MustParsePrefix(fmt.Sprintf("fd00:10:%d::/112", firstRange+i)))
	}
	return ranges
}

func (l *Lab) startCluster(ctx context.Context, cluster *Cluster, speaking *sync.Mutex) error {
	begun := time.Now()
	if err := cluster.start(ctx); err != nil {
		return fmt.Errorf("start cluster %s: %w", cluster.Name, err)
	}
	took := time.Since(begun).Round(10 * time.Millisecond)
	l.log.Info("cluster is ready", "cluster", cluster.Name, "after", took)
	speaking.Lock()
	defer speaking.Unlock()
	fmt.Fprintf(l.output, "Cluster %s is ready after %s.\n", cluster.Name, took)
	return nil
}

// link makes the programs' names point to the one binary.
func (l *Lab) link(binary string) error {
	if err := os.Mkdir(l.bin(), 0o700); err != nil {
		return err
	}
	for _, program := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kubectl"} {
		if err := os.Symlink(binary, filepath.Join(l.bin(), program)); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) bin() string { return filepath.Join(l.dir.path, "bin") }

// Clusters are the lab's, in the order of Config.Clusters.
func (l *Lab) Clusters() []*Cluster { return slices.Clone(l.clusters) }

// Cluster is the cluster of that name, or nil.
func (l *Lab) Cluster(name string) *Cluster {
	i := slices.IndexFunc(l.clusters, func(c *Cluster) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return l.clusters[i]
}

// Dir is the lab's directory.
func (l *Lab) Dir() string { return l.dir.path }

// Kubeconfig is the path of a kubeconfig with a context per cluster, named like
// it; the current context is the first cluster.
func (l *Lab) Kubeconfig() string { return filepath.Join(l.dir.path, "kubeconfig") }

// Kubectl is the path of a kubectl of the clusters' version.
func (l *Lab) Kubectl() string { return filepath.Join(l.bin(), "kubectl") }

// Stop kills the lab's processes, returns when they are gone, and removes its
// directory unless Config.Dir named it. Calling it again returns the same.
func (l *Lab) Stop() error { return l.stop() }

func (l *Lab) stopAll() error {
	var errs []error
	for _, cluster := range l.clusters {
		errs = append(errs, cluster.stop())
	}
	if err := errors.Join(append(errs, l.dir.close())...); err != nil {
		return fmt.Errorf("stop the lab: %w", err)
	}
	return nil
}
