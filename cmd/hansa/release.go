package main

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"helm.sh/helm/v4/pkg/cli/values"

	"github.com/hansa-mcs/hansa/cmd/hansa/install"
	"github.com/hansa-mcs/hansa/cmd/hansa/link"
	"github.com/hansa-mcs/hansa/federation/gossip"
)

// chosen are the flags that say what is installed, in Helm's own words.
type chosen struct {
	options values.Options
	adopt   bool
	typed   map[string]any // what they say, once it was parsed
}

func (ch *chosen) add(f *pflag.FlagSet) {
	f.StringArrayVar(&ch.options.Values, "set", nil, "value of the chart, as image.repository=registry.example.com/hansa-agent; as of helm, may be given several times")
	f.StringArrayVar(&ch.options.ValueFiles, "values", nil, "file with values of the chart, which --set overrides; may be given several times")
	f.BoolVar(&ch.adopt, "adopt", false, "let the installation take over objects of its names that Helm did not make")
}

// parse reads what is typed for the chart, and the address in it.
func (b *becoming) parse() (err error) {
	if o := b.chart.options; !b.install && len(o.Values)+len(o.ValueFiles) > 0 {
		return fmt.Errorf("--set, --values: they are of the chart, which --install=false leaves out; give an agent that runs elsewhere its flags: %w", errUsage)
	}
	if b.chart.typed, err = b.chart.options.MergeValues(nil); err != nil {
		return fmt.Errorf("--set, --values: %w: %w", err, errUsage)
	}
	if typed, ok := b.chart.typed["advertise"].(string); ok && b.advertise == "" {
		b.advertise = typed
	}
	if b.advertise == "" {
		return nil
	}
	if err := gossip.CheckAddress(b.advertise); err != nil {
		return fmt.Errorf("--advertise: %w: %w", err, errUsage)
	}
	return nil
}

// check finds what is wrong with what is typed before anything is made: what the chart does not take, what this cluster says
// of itself already, and a folder that holds another cluster's identity.
func (b *becoming) check(c *cobra.Command, t *link.Target, m link.Member) error {
	if _, err := install.Objects(b.namespace, b.values(m)); err != nil {
		return fmt.Errorf("--set, --values: %w: %w", err, errUsage)
	}
	if err := checkFolder(b.files, m); err != nil {
		return err
	}
	i, err := install.New(install.Config{Kubernetes: t.Kubernetes, Namespace: t.Namespace})
	if err != nil {
		return err
	}
	return i.Contradicts(c.Context(), b.values(m))
}

// values returns those of the chart for a member: what was typed, and over it what the member is.
func (b *becoming) values(m link.Member) map[string]any {
	all := maps.Clone(b.chart.typed)
	all["cluster"], all["clusterset"] = string(m.Cluster), m.Clusterset
	if m.Issuer {
		all["issuer"] = true
	}
	if len(m.Peers) > 0 {
		peers := make([]any, len(m.Peers))
		for n, p := range m.Peers {
			peers[n] = p
		}
		all["peer"] = peers
	}
	if b.advertise != "" {
		all["advertise"] = b.advertise
	} else if b.install {
		all["memberService"] = balanced(all["memberService"])
	}
	return all
}

// repeated are the flags of init that are as good for the next cluster.
func (b *becoming) repeated() string {
	var s strings.Builder
	if b.namespace != install.DefaultNamespace {
		s.WriteString(" --namespace " + quoted(b.namespace))
	}
	if !b.install {
		s.WriteString(" --install=false")
	}
	for _, file := range b.chart.options.ValueFiles {
		s.WriteString(" --values " + quoted(file))
	}
	for _, value := range b.chart.options.Values {
		if !strings.HasPrefix(value, "advertise=") {
			s.WriteString(" --set " + quoted(value))
		}
	}
	return s.String()
}

// plain is what a shell takes as it stands.
var plain = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

// quoted returns a text as a shell takes it for one word.
func quoted(text string) string {
	if plain.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// balanced gives the agents a load balancer, unless somebody said how others reach them.
func balanced(typed any) map[string]any {
	service := map[string]any{"type": "LoadBalancer"}
	if said, ok := typed.(map[string]any); ok {
		maps.Copy(service, said)
	}
	return service
}

// release installs the agents, and waits for what the next cluster needs.
func (b *becoming) release(c *cobra.Command, i *install.Installer, all map[string]any, now time.Time, o *outcome) error {
	done, err := i.Apply(c.Context(), install.Options{Values: all, Adopt: b.chart.adopt}, now)
	if err != nil {
		return err
	}
	o.Release = string(done.Change)
	if o.Zone = done.Zone; o.Zone != "" {
		o.DNS = b.snippet(o)
	}
	if b.wait == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(c.Context(), b.wait, fmt.Errorf("--wait %s is over", b.wait))
	defer cancel()
	if o.Address == "" {
		if o.Address, err = i.Address(ctx); err != nil {
			return fmt.Errorf("%w: if there is another way to the agents, repeat this command with --advertise, or with --set memberService.type=ClusterIP where pods of other clusters are reached", err)
		}
		if o.Address != "" {
			all["advertise"] = o.Address
			if _, err := i.Apply(c.Context(), install.Options{Values: all, Adopt: b.chart.adopt}, now); err != nil {
				return err
			}
		}
	}
	return i.Ready(ctx)
}

// snippet is the command that prints what CoreDNS is to be told of a member's zone.
func (b *becoming) snippet(o *outcome) string {
	line := "hansa dns snippet"
	if b.kubeconfig != "" {
		line += " --kubeconfig " + quoted(b.kubeconfig)
	}
	line += " --context " + quoted(o.Context)
	if o.Namespace != install.DefaultNamespace {
		line += " --namespace " + quoted(o.Namespace)
	}
	return line
}

// preview prints what settle would make of a member, but Secrets.
func (b *becoming) preview(c *cobra.Command, m link.Member) error {
	objects, err := install.Objects(b.namespace, b.values(m))
	if err != nil {
		return fmt.Errorf("--set, --values: %w: %w", err, errUsage)
	}
	if !b.install {
		objects = install.Prerequisites(objects)
	}
	telling(c)("kubectl takes all of it once the CRDs are served: apply it twice in a cluster that has none")
	telling(c)("not among them: the Secrets that make this cluster a member; this command with --install=false makes those alone, beside CRDs and ClusterProperties")
	return b.dry.show(c, b.output, objects...)
}
