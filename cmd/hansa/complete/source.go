package complete

import (
	"context"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
)

// Patience is how long a person waits for names.
const Patience = 2 * time.Second

// grace is how long a look-up that was ended has to hand over what it found.
const grace = 200 * time.Millisecond

// Source is where names are looked up.
type Source struct {
	Kubeconfig string // its path, "" for where kubectl looks
	Context    string // of the kubeconfig, "" for the current one
	Namespace  string // of Services, "" for the context's
	Agents     string // the namespace of the agents
	Agent      string // address of an agent to ask for what it knows, "" for none
	// Patience bounds each look-up; 0 is for the package's.
	Patience time.Duration
}

// within returns what find finds in time. What find leaves behind ends with the program: a plugin that gets credentials heeds
// no context, and may wait for somebody to log in.
func (s Source) within(ctx context.Context, find func(context.Context) []Name) []Name {
	patience := s.Patience
	if patience == 0 {
		patience = Patience
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found := make(chan []Name, 1)
	go func() { found <- find(ctx) }()
	select {
	case names := <-found:
		return names
	case <-time.After(patience + grace):
		return nil
	}
}

func (s Source) config() clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = s.Kubeconfig
	rules.Warner = func(error) {}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: s.Context})
}

// rest returns how the API server is reached: as fast as it answers, without a word, and without asking the person anything.
func (s Source) rest() (*rest.Config, error) {
	config, err := s.config().ClientConfig()
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	if config.ExecProvider != nil {
		config.ExecProvider.StdinUnavailable = true
		config.ExecProvider.StdinUnavailableMessage = "a shell is completing a command"
	}
	return config, nil
}

// namespace returns that of Services.
func (s Source) namespace() (string, error) {
	if s.Namespace != "" {
		return s.Namespace, nil
	}
	namespace, _, err := s.config().Namespace()
	return namespace, err
}

func (s Source) report() (*report.Client, error) { return report.NewClient(s.Agent, nil) }
