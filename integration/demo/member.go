package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// scheme knows every type that clusters are asked for.
var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, discoveryv1.AddToScheme, mcsv1beta1.Install} {
		utilruntime.Must(add(s))
	}
	return s
}()

// member is one cluster, and its agent once hansa has said how to start it.
type member struct {
	name   string
	client client.WithWatch
	// federation, dns, xds and http are the host:port that the agent listens on.
	federation, dns, xds, http string

	dir     string // in which the agent runs; its files are in the folder of its name there
	binary  string // of the agent
	args    []string
	process *lab.Process
}

func newMember(c *lab.Cluster, dir, binary string) (*member, error) {
	config := c.RESTConfig()
	config.QPS = -1
	kube, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("making a client for cluster %s: %w", c.Name, err)
	}
	m := &member{name: c.Name, client: kube, dir: dir, binary: binary}
	for _, address := range []*string{&m.federation, &m.dns, &m.xds, &m.http} {
		if *address, err = lab.FreeAddress(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// places are the flags that the agent gets beside those that hansa prints: where this machine lets it listen.
func (m *member) places() []string {
	return []string{
		"--listen=" + m.federation,
		"--dns-address=" + m.dns, "--xds-address=" + m.xds, "--xds-tls=none", "--http-address=" + m.http,
	}
}

// objects are the member as the functions of clusterset take it that ask its API server.
func (m *member) objects() *clusterset.Member {
	return &clusterset.Member{Name: m.name, Client: m.client}
}

func (m *member) logFile() string { return filepath.Join(m.dir, m.name, "agent.log") }

// start starts the agent and waits until it is ready.
func (m *member) start(ctx context.Context) (err error) {
	m.process, err = lab.StartProcess(lab.ProcessConfig{
		Name: "hansa-agent of " + m.name, Path: m.binary, Args: m.args, Dir: m.dir, LogFile: m.logFile(),
	})
	if err != nil {
		return err
	}
	return m.awaitReady(ctx)
}

// awaitReady asks /readyz until it says yes, the agent ends, or ctx does. There is no event to wait for: the
// agent is another process.
func (m *member) awaitReady(ctx context.Context) error {
	for {
		_, err := m.get(ctx, "/readyz")
		if err == nil {
			return nil
		}
		select {
		case <-m.process.Done():
			return fmt.Errorf("the agent of %s ended: %s", m.name, m.process.LogTail(1))
		case <-ctx.Done():
			return fmt.Errorf("the agent of %s, whose log is %s, is not ready: %w", m.name, m.logFile(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// get asks the agent's HTTP port for a path, and returns the body of a 200.
func (m *member) get(ctx context.Context, path string) (string, error) {
	return probe.Fetch(ctx, "http://"+m.http+path)
}

// kill ends the agent by SIGKILL.
func (m *member) kill() error {
	if err := m.process.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-m.process.Done()
	return nil
}

// stop ends the agent, if it was started, and waits for it.
func (m *member) stop() error {
	if m.process == nil {
		return nil
	}
	return m.process.Stop(10 * time.Second)
}

// memory returns the agent's resident memory in bytes.
func (m *member) memory() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.process.Pid()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("no VmRSS in /proc")
}
