package install

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/release/common"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/typed/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/lab/labtest"
)

// cluster is one with a real API server, in which no pod runs.
type cluster struct {
	*testing.T
	config  clientcmd.ClientConfig
	clients kubernetes.Interface
	said    []string // what the Installers told, since it was last looked at
}

// TestOnAnAPIServer tells a story: each part begins with what the one before left.
func TestOnAnAPIServer(t *testing.T) {
	l := labtest.Start(t, lab.Config{Clusters: []string{"east"}})
	clients, err := kubernetes.NewForConfig(l.Cluster("east").RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{config: clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: l.Kubeconfig()}, &clientcmd.ConfigOverrides{CurrentContext: "east"},
	), clients: clients}
	for _, part := range []struct {
		name string
		test func(*cluster)
	}{
		{"what somebody else made is named", refuseForeign},
		{"and adopted if that is wanted", adopt},
		{"uninstalling leaves what the agents remember", uninstall},
		{"a mistake makes nothing", makeNothing},
		{"a CRD that is there is left alone", leaveCRDs},
		{"what never went well is forgotten", forgetFirst},
		{"installing makes a release", installAnew},
		{"installing again changes nothing", installAgain},
		{"another value is another revision, with the former ones", upgradeOne},
		{"what is missing is made", repair},
		{"Helm goes on with the release", goOnWithHelm},
		{"a mistaken value is forgotten", forgetMistake},
		{"who is at it is waited for, and not for ever", interrupted},
		{"the agents' readiness is told", ready},
		{"what keeps the agents is told", notReady},
		{"the load balancer's address is waited for", loadBalancer},
		{"an API server that is away is named", away(l)},
	} {
		t.Run(part.name, func(t *testing.T) {
			c.T, c.said = t, nil
			part.test(c)
		})
	}
}

func (c *cluster) installer() *Installer {
	c.Helper()
	i, err := New(Config{Kubernetes: c.config, Tell: func(line string) { c.said = append(c.said, line) }})
	if err != nil {
		c.Fatal(err)
	}
	return i
}

func (c *cluster) apply(o Options) Result {
	c.Helper()
	r, err := c.installer().Apply(c.Context(), o, time.Now())
	if err != nil {
		c.Fatal(err)
	}
	return r
}

// versions returns the resourceVersion of each object of the chart that is not cluster-wide, and of the roles.
func (c *cluster) versions() map[string]string {
	c.Helper()
	all := map[string]string{}
	note := func(kind string, o metav1.Object, err error) {
		c.Helper()
		if err == nil {
			all[kind+" "+o.GetName()] = o.GetResourceVersion()
		} else if !apierrors.IsNotFound(err) {
			c.Fatal(err)
		}
	}
	ctx, none := c.Context(), metav1.GetOptions{}
	d, err := c.clients.AppsV1().Deployments(DefaultNamespace).Get(ctx, Agents, none)
	note("Deployment", d, err)
	b, err := c.clients.PolicyV1().PodDisruptionBudgets(DefaultNamespace).Get(ctx, Agents, none)
	note("PodDisruptionBudget", b, err)
	a, err := c.clients.CoreV1().ServiceAccounts(DefaultNamespace).Get(ctx, Agents, none)
	note("ServiceAccount", a, err)
	for _, name := range []string{Agents, Agents + "-metrics"} {
		s, err := c.clients.CoreV1().Services(DefaultNamespace).Get(ctx, name, none)
		note("Service", s, err)
	}
	r, err := c.clients.RbacV1().Roles(DefaultNamespace).Get(ctx, Agents, none)
	note("Role", r, err)
	for _, name := range []string{Agents, "hansa-export", "hansa-view"} {
		r, err := c.clients.RbacV1().ClusterRoles().Get(ctx, name, none)
		note("ClusterRole", r, err)
	}
	return all
}

func refuseForeign(c *cluster) {
	_, err := c.clients.RbacV1().ClusterRoles().Create(c.Context(), &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: Agents}}, metav1.CreateOptions{})
	if err != nil {
		c.Fatal(err)
	}
	_, err = c.installer().Apply(c.Context(), Options{Values: map[string]any{"cluster": "east"}}, time.Now())
	if err == nil || !strings.Contains(err.Error(), `ClusterRole "hansa-agent"`) || !strings.HasSuffix(err.Error(), "delete it, or let this installation adopt it (--adopt)") {
		c.Errorf("got %v, want the ClusterRole and what to do", err)
	}
	if left := c.versions(); len(left) != 1 {
		c.Errorf("made %v", left)
	}
}

func adopt(c *cluster) {
	if r := c.apply(Options{Values: map[string]any{"cluster": "east"}, Adopt: true}); r.Change != Installed {
		c.Errorf("got %+v", r)
	}
	r, err := c.clients.RbacV1().ClusterRoles().Get(c.Context(), Agents, metav1.GetOptions{})
	if err != nil || len(r.Rules) == 0 {
		c.Errorf("the ClusterRole is %+v (%v), want the chart's", r, err)
	}
}

func uninstall(c *cluster) {
	state := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "hansa-state"}}
	if _, err := c.clients.CoreV1().ConfigMaps(DefaultNamespace).Create(c.Context(), state, metav1.CreateOptions{}); err != nil {
		c.Fatal(err)
	}
	if was, err := c.installer().Uninstall(c.Context()); err != nil || !was {
		c.Fatalf("was there %t: %v", was, err)
	}
	if left := c.versions(); len(left) > 0 {
		c.Errorf("left are %v", left)
	}
	if _, err := c.clients.CoreV1().ConfigMaps(DefaultNamespace).Get(c.Context(), "hansa-state", metav1.GetOptions{}); err != nil {
		c.Error(err)
	}
	if err := c.clients.Discovery().RESTClient().Get().AbsPath("/apis/multicluster.x-k8s.io/v1beta1").Do(c.Context()).Error(); err != nil {
		c.Errorf("the MCS API went: %v", err)
	}
	if was, err := c.installer().Uninstall(c.Context()); err != nil || was {
		c.Errorf("again: was there %t: %v", was, err)
	}
}

func makeNothing(c *cluster) {
	_, err := c.installer().Apply(c.Context(), Options{Values: map[string]any{"cluster": "east", "clustre": "west"}}, time.Now())
	if err == nil || err.Error() != "values of the chart: additional properties 'clustre' not allowed" {
		c.Errorf("got %v", err)
	}
	ended, cancel := context.WithCancel(c.Context())
	cancel()
	if _, err := c.installer().Apply(ended, Options{Values: map[string]any{"cluster": "east"}}, time.Now()); !errors.Is(err, context.Canceled) {
		c.Errorf("got %v, want that it was cancelled", err)
	}
	if left := c.versions(); len(left) > 0 {
		c.Errorf("made %v", left)
	}
}

// leaveCRDs makes one of another release, which must not become ours.
func leaveCRDs(c *cluster) {
	const label = "multicluster.x-k8s.io/release-version"
	config, err := c.config.ClientConfig()
	if err != nil {
		c.Fatal(err)
	}
	clients, err := apiextensions.NewForConfig(config)
	if err != nil {
		c.Fatal(err)
	}
	newer, err := clients.CustomResourceDefinitions().Get(c.Context(), "serviceexports.multicluster.x-k8s.io", metav1.GetOptions{})
	if err != nil {
		c.Fatal(err)
	}
	newer.Labels[label] = "v99.0.0"
	if _, err := clients.CustomResourceDefinitions().Update(c.Context(), newer, metav1.UpdateOptions{}); err != nil {
		c.Fatal(err)
	}
	c.apply(Options{Values: map[string]any{"cluster": "east"}, Adopt: true})
	after, err := clients.CustomResourceDefinitions().Get(c.Context(), newer.Name, metav1.GetOptions{})
	if err != nil || after.Labels[label] != "v99.0.0" {
		c.Errorf("the newer CRD became one of %s (%v)", after.Labels[label], err)
	}
	if _, err := c.installer().Uninstall(c.Context()); err != nil {
		c.Error(err)
	}
}

func installAnew(c *cluster) {
	r := c.apply(Options{Values: map[string]any{"cluster": "east", "clusterset": "acme", "image": map[string]any{"tag": "x"}}})
	if r.Change != Installed || r.Revision != 1 || !strings.Contains(r.Notes, "cluster east, a member of clusterset acme") {
		c.Errorf("got %+v", r)
	}
	if made := c.versions(); len(made) != 9 {
		c.Errorf("made %v", made)
	}
	if want := []string{"installing chart hansa 0.1.0 in namespace hansa-system"}; !slices.Equal(c.said, want) {
		c.Errorf("said %q, want %q", c.said, want)
	}
	text, err := c.clients.Discovery().RESTClient().Get().AbsPath("/apis/about.k8s.io/v1beta1/clusterproperties/cluster.clusterset.k8s.io").DoRaw(c.Context())
	if err != nil || !strings.Contains(string(text), `"value":"east"`) {
		c.Errorf("ClusterProperty: %s (%v)", text, err)
	}
}

func installAgain(c *cluster) {
	before := c.versions()
	for _, values := range []map[string]any{nil, {"cluster": "east"}, {"image": map[string]any{"tag": "x"}}} {
		if r := c.apply(Options{Values: values}); r.Change != Unchanged || r.Revision != 1 || r.Notes == "" {
			c.Errorf("%v: got %+v", values, r)
		}
	}
	if after := c.versions(); fmt.Sprint(after) != fmt.Sprint(before) {
		c.Errorf("%v became %v", before, after)
	}
}

func upgradeOne(c *cluster) {
	r := c.apply(Options{Values: map[string]any{"image": map[string]any{"pullPolicy": "Never"}, "peer": []any{"west.example:8443"}}})
	if r.Change != Upgraded || r.Revision != 2 {
		c.Errorf("got %+v", r)
	}
	agent := c.agent()
	if agent.Image != "hansa-agent:x" || agent.ImagePullPolicy != "Never" || !slices.Contains(agent.Args, "--peer=west.example:8443") || !slices.Contains(agent.Args, "--clusterset=acme") {
		c.Errorf("the agent is %s %s %q", agent.Image, agent.ImagePullPolicy, agent.Args)
	}
}

func (c *cluster) deployment() *appsv1.Deployment {
	c.Helper()
	d, err := c.clients.AppsV1().Deployments(DefaultNamespace).Get(c.Context(), Agents, metav1.GetOptions{})
	if err != nil {
		c.Fatal(err)
	}
	return d
}

func (c *cluster) agent() corev1.Container {
	c.Helper()
	return c.deployment().Spec.Template.Spec.Containers[0]
}

func repair(c *cluster) {
	if err := c.clients.RbacV1().Roles(DefaultNamespace).Delete(c.Context(), Agents, metav1.DeleteOptions{}); err != nil {
		c.Fatal(err)
	}
	if r := c.apply(Options{}); r.Change != Upgraded || c.said[0] != "Role hansa-agent is missing" {
		c.Errorf("got %+v, said %q", r, c.said)
	}
	if made := c.versions(); len(made) != 9 {
		c.Errorf("there are %v", made)
	}
}

// goOnWithHelm upgrades as helm upgrade does.
func goOnWithHelm(c *cluster) {
	i := c.installer()
	client := action.NewUpgrade(i.helm)
	client.Namespace, client.ReuseValues, client.WaitStrategy = DefaultNamespace, true, kube.HookOnlyStrategy
	if _, err := client.Run(Name, i.chart, map[string]any{"logLevel": "debug"}); err != nil {
		c.Fatal(err)
	}
	if r := c.apply(Options{}); r.Change != Unchanged {
		c.Errorf("got %+v, want nothing to do", r)
	}
	for _, f := range c.deployment().ManagedFields {
		if f.Manager != "helm" {
			c.Errorf("fields are %s's, of which helm upgrade would know nothing", f.Manager)
		}
	}
	if args := c.agent().Args; !slices.Contains(args, "--log-level=debug") || !slices.Contains(args, "--cluster=east") {
		c.Errorf("the agent is told %q", args)
	}
}

func interrupted(c *cluster) {
	i := c.installer()
	r, err := i.stored()
	if err != nil {
		c.Fatal(err)
	}
	r.SetStatus(common.StatusPendingUpgrade, "Preparing upgrade")
	if err := i.helm.Releases.Update(r); err != nil {
		c.Fatal(err)
	}
	began := r.Info.LastDeployed
	_, err = c.installer().Apply(c.Context(), Options{}, began.Add(time.Minute))
	if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "try again in 9m0s") {
		c.Errorf("got %v, want for how long to wait", err)
	}
	result, err := c.installer().Apply(c.Context(), Options{}, began.Add(abandoned))
	if err != nil || result.Change != Upgraded || result.Revision != r.Version+1 {
		c.Errorf("got %+v (%v)", result, err)
	}
}
