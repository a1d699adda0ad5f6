package install

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"helm.sh/helm/v4/pkg/action"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/release/common"
	release "helm.sh/helm/v4/pkg/release/v1"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// Name is that of the release.
	Name = "hansa"
	// DefaultNamespace is where the agents are, if nobody says otherwise.
	DefaultNamespace = "hansa-system"
	// Agents is the name of what the chart makes: Deployment, Service, account and roles.
	Agents = "hansa-agent"
)

// history is how many revisions of the release are kept, as Secrets.
const history = 10

// Config says where an Installer works.
type Config struct {
	// Kubernetes leads to the cluster, with the credentials of whoever installs.
	Kubernetes clientcmd.ClientConfig
	// Namespace is the release's, which the agents are in. "" means DefaultNamespace.
	Namespace string
	// Tell is told what is going on, a line at a time. Nil means nobody.
	Tell func(line string)
	// Log is told what Helm does. Nil means nobody.
	Log *slog.Logger
}

// Installer puts the agents into one cluster. Its methods are for one goroutine.
type Installer struct {
	namespace string
	tell      func(string)
	getter    *getter
	helm      *action.Configuration
	chart     *chartv2.Chart
}

// New returns an Installer. The cluster is not asked yet.
func New(c Config) (*Installer, error) {
	if c.Namespace == "" {
		c.Namespace = DefaultNamespace
	}
	if c.Tell == nil {
		c.Tell = func(string) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	chart, err := load()
	if err != nil {
		return nil, err
	}
	i := &Installer{namespace: c.Namespace, tell: c.Tell, getter: newGetter(c.Kubernetes, c.Namespace), chart: chart}
	sameManager()
	i.helm = action.NewConfiguration(action.ConfigurationSetLogger(c.Log.Handler()))
	if err := i.helm.Init(i.getter, c.Namespace, "secret"); err != nil {
		return nil, fmt.Errorf("setting up Helm: %w", err)
	}
	return i, nil
}

// sameManager makes what we apply Helm's: otherwise helm upgrade would have to take each field from us by force. Helm has
// one variable for that, which goes by the program's name.
var sameManager = sync.OnceFunc(func() { kube.ManagedFieldsManager = "helm" })

// Options are what Apply installs.
type Options struct {
	// Values are the chart's. Those that are not named stay as they were said before, with what went well.
	Values map[string]any
	// Adopt takes over objects of the chart's names that Helm did not make, such as those of docs/roles.yaml.
	Adopt bool
}

// Change is what Apply did.
type Change string

// What Apply did.
const (
	Installed Change = "installed"
	Upgraded  Change = "upgraded"
	Unchanged Change = "unchanged"
)

// Result is what there is after Apply.
type Result struct {
	Change   Change
	Revision int
	Notes    string // what to do next
	Zone     string // for which the agents answer DNS, "" if they do not
}

func resultOf(change Change, r *release.Release) Result {
	result := Result{Change: change, Revision: r.Version, Notes: r.Info.Notes}
	all := merge(r.Chart.Values, r.Config)
	if address, _ := all["dnsAddress"].(string); address != "" {
		result.Zone, _ = all["dnsZone"].(string)
	}
	return result
}

// Apply makes the cluster have the release: it installs or upgrades it, or leaves it alone if nothing would change. now is
// the time, by which a release that somebody else is at is told from one that was interrupted. It does not wait for the
// agents; see Ready. What has begun is not interrupted when ctx ends: it takes some requests, each bounded.
func (i *Installer) Apply(ctx context.Context, o Options, now time.Time) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	last, err := i.last(now)
	if err != nil {
		return Result{}, err
	}
	if last == nil || last.Info.Status == common.StatusUninstalled {
		i.tell(fmt.Sprintf("installing chart %s %s in namespace %s", i.chart.Name(), i.chart.Metadata.Version, i.namespace))
		return i.install(ctx, o)
	}
	values, err := i.values(last, o.Values)
	if err != nil {
		return Result{}, err
	}
	same, err := i.same(ctx, last, values, o)
	if err != nil {
		return Result{}, err
	}
	if same {
		i.tell(fmt.Sprintf("chart %s %s is installed in namespace %s, with these values", i.chart.Name(), i.chart.Metadata.Version, i.namespace))
		return resultOf(Unchanged, last), nil
	}
	i.tell(fmt.Sprintf("upgrading to chart %s %s in namespace %s", i.chart.Name(), i.chart.Metadata.Version, i.namespace))
	made, err := i.upgrade(ctx, values, o, action.DryRunNone)
	if err != nil {
		return Result{}, err
	}
	return resultOf(Upgraded, made), nil
}

func (i *Installer) install(ctx context.Context, o Options) (Result, error) {
	client := action.NewInstall(i.helm)
	client.ReleaseName, client.Namespace, client.CreateNamespace = Name, i.namespace, true
	client.WaitStrategy, client.Timeout = kube.HookOnlyStrategy, requestTimeout
	client.ServerSideApply = true
	client.TakeOwnership, client.ForceConflicts = o.Adopt, o.Adopt
	client.Replace = true // of an uninstalled one whose history was kept
	// Helm installs CRDs before it looks at the values.
	if _, _, err := Render(i.namespace, o.Values); err != nil {
		return Result{}, err
	}
	chart, err := i.withoutPresentCRDs(ctx)
	if err != nil {
		return Result{}, err
	}
	made, err := client.RunWithContext(context.WithoutCancel(ctx), chart, merge(nil, o.Values))
	if err != nil {
		return Result{}, explain(err)
	}
	r, err := read(made)
	if err != nil {
		return Result{}, err
	}
	return resultOf(Installed, r), nil
}

// upgrade makes the next revision of the release, with all of its values.
func (i *Installer) upgrade(ctx context.Context, values map[string]any, o Options, dry action.DryRunStrategy) (*release.Release, error) {
	client := action.NewUpgrade(i.helm)
	client.Namespace, client.MaxHistory, client.ResetValues = i.namespace, history, true
	client.WaitStrategy, client.Timeout = kube.HookOnlyStrategy, requestTimeout
	client.TakeOwnership, client.ForceConflicts = o.Adopt, o.Adopt
	client.DryRunStrategy = dry
	made, err := client.RunWithContext(context.WithoutCancel(ctx), Name, i.chart, values)
	if err != nil {
		return nil, explain(err)
	}
	return read(made)
}

// Installed reports whether there is a release.
func (i *Installer) Installed(ctx context.Context) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	r, err := i.stored()
	return r != nil && r.Info.Status != common.StatusUninstalled, err
}

// Uninstall takes the release away, and reports whether there was one. What stays are the CRDs, and whatever the agents and
// people made: hansa-state, the Lease, Secrets, and all that was imported. So leave the clusterset first.
func (i *Installer) Uninstall(ctx context.Context) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	found, err := i.stored()
	if err != nil || found == nil {
		return false, err
	}
	i.tell(fmt.Sprintf("uninstalling revision %d in namespace %s", found.Version, i.namespace))
	client := action.NewUninstall(i.helm)
	client.WaitStrategy, client.Timeout = kube.HookOnlyStrategy, requestTimeout
	client.DeletionPropagation = "background"
	if _, err := client.Run(Name); err != nil {
		return false, explain(err)
	}
	return true, nil
}

// ErrBusy is wrapped by an error that says that somebody else is at the release.
var ErrBusy = errors.New("the release is being changed")
