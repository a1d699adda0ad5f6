package clusterset

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

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// Member is one cluster with its agent.
type Member struct {
	Name string
	// Client reads and writes at the API server itself, without a cache.
	Client client.WithWatch
	// REST is how Client reaches it.
	REST *rest.Config
	// Federation, DNS, XDS and HTTP are the host:port that the agent listens on.
	Federation, DNS, XDS, HTTP string
	// Arguments are what the agent is told beside that each time that it starts in this process: flags, which begin with
	// dashes, and variables of its environment, each NAME=value.
	Arguments []string

	dir        string
	binary     string // of the agent; "" to run it in this process
	kubeconfig string // of the agent
	files      trust.Files
	peer       string
	change     func(cluster string, o *agent.Options) // see Config.Options
	ended      <-chan struct{}                        // closes when the agent ended
	process    *lab.Process                           // the agent, if it is a process
	stop       func() error                           // the agent, if it runs in this process
	twins      []*Member
}

func newMember(c *lab.Cluster, dir, binary string) (*Member, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	m := &Member{Name: c.Name, REST: c.RESTConfig(), dir: dir, binary: binary, kubeconfig: c.Kubeconfig}
	m.REST.QPS = -1
	var err error
	if m.Client, err = client.NewWithWatch(m.REST, client.Options{Scheme: scheme}); err != nil {
		return nil, fmt.Errorf("making a client for cluster %s: %w", c.Name, err)
	}
	for _, address := range []*string{&m.Federation, &m.DNS, &m.XDS, &m.HTTP} {
		if *address, err = lab.FreeAddress(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Twin returns another agent of the same cluster, with the same certificate and addresses of its own, which is not
// started yet. It ends with the Clusterset at the latest.
func (m *Member) Twin() (*Member, error) {
	t := *m
	t.twins, t.process, t.stop, t.ended = nil, nil, nil, nil
	t.dir = fmt.Sprintf("%s-%d", m.dir, len(m.twins)+2)
	if err := os.Mkdir(t.dir, 0o700); err != nil {
		return nil, err
	}
	for _, address := range []*string{&t.Federation, &t.DNS, &t.XDS, &t.HTTP} {
		var err error
		if *address, err = lab.FreeAddress(); err != nil {
			return nil, err
		}
	}
	m.twins = append(m.twins, &t)
	return &t, nil
}

// createNamespace makes the namespace of the agent's own objects, if it is not there.
func (m *Member) createNamespace(ctx context.Context) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: agent.Defaults().Namespace}}
	if err := m.Client.Create(ctx, ns); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("creating namespace %s: %w", ns.Name, err)
	}
	return nil
}

// options are the agent's.
func (m *Member) options() agent.Options {
	o := agent.Defaults()
	o.Cluster, o.Clusterset = m.Name, Name
	o.Kubeconfig = m.kubeconfig
	o.Listen = m.Federation
	o.CertFile, o.KeyFile, o.CAFile = m.files.Cert, m.files.Key, m.files.CA
	o.DNSAddress, o.XDSAddress, o.XDSTLS, o.HTTPAddress = m.DNS, m.XDS, "none", m.HTTP
	if m.peer != "" {
		o.Peers = []string{m.peer}
	}
	if m.change != nil {
		m.change(m.Name, &o)
	}
	return o
}

// told returns the options with the Arguments, or what is wrong with them.
func (m *Member) told() (agent.Options, error) {
	o := m.options()
	flags, environment := pflag.NewFlagSet(m.Name, pflag.ContinueOnError), map[string]string{}
	o.AddFlags(flags)
	var args []string
	for _, text := range m.Arguments {
		name, value, _ := strings.Cut(text, "=")
		if strings.HasPrefix(name, "-") {
			args = append(args, text)
		} else {
			environment[name] = value
		}
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.Getenv = func(name string) string { return environment[name] }
	return o, o.Validate()
}

// StartAgent starts the agent and waits until it is ready.
func (m *Member) StartAgent(ctx context.Context) error {
	if err := m.LaunchAgent(); err != nil {
		return err
	}
	return m.AwaitReady(ctx)
}

// LaunchAgent starts the agent.
func (m *Member) LaunchAgent() (err error) {
	if m.binary == "" {
		m.ended, err = m.startHere()
	} else {
		m.ended, err = m.startProcess()
	}
	if err != nil {
		return fmt.Errorf("starting the agent of %s: %w", m.Name, err)
	}
	return nil
}

// LogFile returns where the agent logs.
func (m *Member) LogFile() string { return filepath.Join(m.dir, "agent.log") }

func (m *Member) startProcess() (<-chan struct{}, error) {
	process, err := lab.StartProcess(lab.ProcessConfig{
		Name: "hansa-agent of " + m.Name, Path: m.binary, Args: arguments(m.options()), Dir: m.dir, LogFile: m.LogFile(),
	})
	if err != nil {
		return nil, err
	}
	m.process = process
	return process.Done(), nil
}

// arguments is the command line of options: a flag for each that is not as by default.
func arguments(o agent.Options) (args []string) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	said := agent.Defaults()
	said.AddFlags(flags)
	said = o // which the flags read from now on
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Value.String() == f.DefValue {
			return
		}
		values := []string{f.Value.String()}
		if several, ok := f.Value.(pflag.SliceValue); ok {
			values = several.GetSlice()
		}
		for _, value := range values {
			args = append(args, "--"+f.Name+"="+value)
		}
	})
	return args
}

func (m *Member) startHere() (<-chan struct{}, error) {
	options, err := m.told()
	if err != nil {
		return nil, err
	}
	log, file, err := agentLog(m.LogFile())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var failed error
	go func() {
		defer close(ended)
		failed = errors.Join(agent.Run(ctx, options, log), file.Close())
	}()
	m.stop = func() error {
		cancel()
		<-ended
		return failed
	}
	return ended, nil
}

// AwaitReady asks /readyz until it says yes, the agent ends, or ctx does. There is no event to wait for:
// the agent is another process.
func (m *Member) AwaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		_, err := m.Get(ctx, "/readyz")
		if err == nil {
			return nil
		}
		select {
		case <-m.ended:
			return fmt.Errorf("the agent of %s ended: %s", m.Name, m.lastLine())
		case <-ctx.Done():
			return fmt.Errorf("the agent of %s, whose log is %s, is not ready: %w", m.Name, m.LogFile(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (m *Member) lastLine() string {
	text, err := os.ReadFile(m.LogFile())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// AwaitLog waits until the agent has logged the text so often. There is no event to wait for: the log is a file.
func (m *Member) AwaitLog(ctx context.Context, text string, times int) error {
	for {
		log, err := os.ReadFile(m.LogFile())
		if err != nil {
			return fmt.Errorf("reading the log of %s: %w", m.Name, err)
		}
		if strings.Count(string(log), text) >= times {
			return nil
		}
		select {
		case <-m.ended:
			return fmt.Errorf("the agent of %s ended: %s", m.Name, m.lastLine())
		case <-ctx.Done():
			return fmt.Errorf("the log of %s, %s, has %q fewer than %d times: %w", m.Name, m.LogFile(), text, times, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Get asks the agent's HTTP port for a path, and returns the body of a 200.
func (m *Member) Get(ctx context.Context, path string) (string, error) {
	return probe.Fetch(ctx, "http://"+m.HTTP+path)
}

// KillAgent ends the agent, which must be a process, by SIGKILL.
func (m *Member) KillAgent() error {
	if err := m.process.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-m.process.Done()
	return nil
}

// PauseAgent stops the agent, which must be a process, where it is: it does nothing, and holds its connections, until
// ResumeAgent.
func (m *Member) PauseAgent() error { return m.process.Signal(syscall.SIGSTOP) }

// ResumeAgent lets a paused agent go on.
func (m *Member) ResumeAgent() error { return m.process.Signal(syscall.SIGCONT) }

// StopAgent ends the agent and waits for it.
func (m *Member) StopAgent() error {
	if m.process != nil {
		return m.process.Stop(10 * time.Second)
	}
	if m.stop != nil {
		return m.stop()
	}
	return nil
}

// RestartAgent ends the agent and starts it again, at the same addresses, and waits until it is ready. One
// that ended with an error is not started again.
func (m *Member) RestartAgent(ctx context.Context) error {
	if err := m.StopAgent(); err != nil {
		return fmt.Errorf("stopping the agent of %s: %w", m.Name, err)
	}
	return m.StartAgent(ctx)
}

// PID is the number of the agent's process; the agent must be one, and run.
func (m *Member) PID() int { return m.process.Pid() }

// Memory returns the agent's resident memory in bytes; the agent must be a process.
func (m *Member) Memory() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.PID()))
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
