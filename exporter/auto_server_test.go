package exporter_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/exporter"
	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/lab/labtest"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// site is a real API server, and an auto-export that works on it.
type site struct {
	t          *testing.T
	config     *rest.Config
	client     client.WithWatch
	auto       *exporter.Auto
	on, paused *turnable
}

// turnable is what is on or off, as the test says.
type turnable struct {
	mu      sync.Mutex
	is      bool
	changed chan struct{}
}

func newTurnable(is bool) *turnable { return &turnable{is: is, changed: make(chan struct{})} }

func (s *turnable) now() (bool, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.is, s.changed
}

func (s *turnable) set(is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.is = is
	close(s.changed)
	s.changed = make(chan struct{})
}

func siteScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, rbacv1.AddToScheme, apiextensionsv1.AddToScheme, mcsv1beta1.Install} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, config: labtest.Start(t, lab.Config{Clusters: []string{"east"}}).Cluster("east").RESTConfig()}
	var err error
	if s.client, err = client.NewWithWatch(s.config, client.Options{Scheme: siteScheme(t)}); err != nil {
		t.Fatal(err)
	}
	s.must(clusterset.InstallCRD(t.Context(), s.client, "serviceexports.multicluster.x-k8s.io"))
	return s
}

// run runs auto-export until the test ends.
func (s *site) run(c *rest.Config, log *slog.Logger) {
	s.t.Helper()
	s.on, s.paused = newTurnable(true), newTurnable(false)
	mgr, err := ctrl.NewManager(c, ctrl.Options{
		Scheme:     siteScheme(s.t),
		Logger:     logr.FromSlogHandler(slog.DiscardHandler),
		Metrics:    server.Options{BindAddress: "0"},
		Client:     client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)}},
		Controller: config.Controller{SkipNameValidation: new(true)},
	})
	s.must(err)
	locals, err := exporter.ParseLocals("cluster.local", "hansa-system", []string{"*.inner.svc.cluster.local"})
	s.must(err)
	in, err := labels.Parse("team")
	s.must(err)
	of, err := labels.Parse("!private")
	s.must(err)
	s.auto, err = exporter.AddAuto(s.t.Context(), mgr, exporter.AutoConfig{
		Rules:  exporter.AutoRules{Namespaces: in, Services: of, Locals: locals},
		Lead:   func(ctx context.Context) (context.Context, func(), uint64, error) { return ctx, func() {}, 1, nil },
		On:     s.on.now,
		Paused: s.paused.now,
		Log:    log,
	})
	s.must(err)
	ctx, stop := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	s.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	})
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) create(objects ...client.Object) {
	s.t.Helper()
	for _, o := range objects {
		s.must(s.client.Create(s.t.Context(), o))
	}
}

// patch merges a change into an object.
func (s *site) patch(o client.Object, change string) {
	s.t.Helper()
	s.must(s.client.Patch(s.t.Context(), o, client.RawPatch("application/merge-patch+json", []byte(change))))
}

// exported waits until auto-export has made a ServiceExport.
func (s *site) exported(namespace, name string) {
	s.t.Helper()
	_, err := clusterset.Await(s.t.Context(), s.client, &mcsv1beta1.ServiceExportList{}, exporter.ByAuto, client.InNamespace(namespace), clusterset.Named(name))
	s.must(err)
}

// gone waits until there is no ServiceExport.
func (s *site) gone(namespace, name string) {
	s.t.Helper()
	s.must(clusterset.AwaitGone(s.t.Context(), s.client, &mcsv1beta1.ServiceExportList{}, client.InNamespace(namespace), clusterset.Named(name)))
}

// none holds that there is no ServiceExport.
func (s *site) none(namespace, name string) {
	s.t.Helper()
	err := s.client.Get(s.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &mcsv1beta1.ServiceExport{})
	if !apierrors.IsNotFound(err) {
		s.t.Errorf("%s/%s is exported, or is it: %v", namespace, name, err)
	}
}

func namespaceOf(name string, labels map[string]string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}

func serviceOf(namespace, name string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}
}

// On a real API server, each rule takes effect both ways, by what happens to Services and Namespaces alone.
func TestAutoExportOnAnAPIServer(t *testing.T) {
	rule.Covers(t, "E6", "E10")
	s := newSite(t)
	team := map[string]string{"team": "a"}
	byHand := &mcsv1beta1.ServiceExport{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "mine"}}
	s.create(namespaceOf("shop", team), namespaceOf("bar", nil), namespaceOf("inner", team),
		serviceOf("shop", "web"), serviceOf("shop", "mine"), byHand, serviceOf("bar", "tap"), serviceOf("inner", "db"))
	s.run(s.config, slog.New(slog.NewTextHandler(t.Output(), nil)))
	s.exported("shop", "web")

	for what, c := range map[string]struct {
		of       client.Object
		out, in  string
		ns, name string
	}{
		"the Service's annotation":   {serviceOf("shop", "web"), `{"metadata":{"annotations":{"hansa.dev/export":"false"}}}`, `{"metadata":{"annotations":{"hansa.dev/export":null}}}`, "shop", "web"},
		"the namespace's annotation": {namespaceOf("shop", nil), `{"metadata":{"annotations":{"hansa.dev/export":"no"}}}`, `{"metadata":{"annotations":{"hansa.dev/export":"true"}}}`, "shop", "web"},
		"the namespace selector":     {namespaceOf("shop", nil), `{"metadata":{"labels":{"team":null}}}`, `{"metadata":{"labels":{"team":"b"}}}`, "shop", "web"},
		"the Service selector":       {serviceOf("shop", "web"), `{"metadata":{"labels":{"private":""}}}`, `{"metadata":{"labels":{"private":null}}}`, "shop", "web"},
		"the type":                   {serviceOf("shop", "web"), `{"spec":{"type":"ExternalName","externalName":"example.org","clusterIP":""}}`, `{"spec":{"type":"ClusterIP","externalName":null}}`, "shop", "web"},
		"being derived":              {serviceOf("shop", "web"), `{"metadata":{"labels":{"multicluster.kubernetes.io/service-name":"x"}}}`, `{"metadata":{"labels":{"multicluster.kubernetes.io/service-name":null}}}`, "shop", "web"},
	} {
		s.patch(c.of, c.out)
		s.gone(c.ns, c.name)
		s.patch(c.of, c.in)
		s.exported(c.ns, c.name)
		t.Log("both ways by", what)
	}

	s.patch(namespaceOf("bar", nil), `{"metadata":{"labels":{"team":"b"}}}`)
	s.exported("bar", "tap")
	s.must(s.client.Delete(t.Context(), serviceOf("bar", "tap")))
	s.gone("bar", "tap")
	s.create(serviceOf("bar", "keg"))
	s.exported("bar", "keg")
	s.must(s.client.Delete(t.Context(), namespaceOf("bar", nil)))
	s.gone("bar", "keg")

	s.must(s.client.Delete(t.Context(), &mcsv1beta1.ServiceExport{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}))
	s.exported("shop", "web")

	s.create(serviceOf("shop", "kept"))
	s.exported("shop", "kept")
	s.patch(&mcsv1beta1.ServiceExport{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "kept"}}, `{"metadata":{"labels":{"hansa.dev/auto-export":null}}}`)

	s.none("inner", "db")
	s.on.set(false)
	s.gone("shop", "web")
	var all mcsv1beta1.ServiceExportList
	s.must(s.client.List(t.Context(), &all))
	var left []string
	for _, e := range all.Items {
		left = append(left, e.Name)
		if e.Name == "mine" && e.ResourceVersion != byHand.ResourceVersion {
			t.Error("what a person made was written to")
		}
	}
	if got := strings.Join(left, " "); got != "kept mine" {
		t.Errorf("off, %q are left", got)
	}

	s.paused.set(true)
	s.on.set(true)
	s.paused.set(false)
	s.exported("shop", "web")
}

// told is a log that hands on what is said as an error.
type told struct {
	slog.Handler
	said chan string
}

func (h told) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		h.said <- r.Message
	}
	return h.Handler.Handle(ctx, r)
}

// Without the role, auto-export says so once, and which one; for a name that needs nothing it says nothing.
func TestAutoExportWithoutRights(t *testing.T) {
	s := newSite(t)
	agent := rest.CopyConfig(s.config)
	agent.Impersonate = rest.ImpersonationConfig{UserName: "agent"}
	s.create(
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "agent"}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"namespaces", "services"}, Verbs: []string{"get", "list", "watch"}},
			{APIGroups: []string{"multicluster.x-k8s.io"}, Resources: []string{"serviceexports"}, Verbs: []string{"get", "list", "watch"}},
		}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "agent"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "agent"},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "agent"}},
		},
		namespaceOf("shop", map[string]string{"team": "a"}), serviceOf("shop", "web"),
	)
	said := make(chan string, 10)
	s.run(agent, slog.New(told{slog.NewTextHandler(t.Output(), nil), said}))
	if got := <-said; got != "auto-export cannot write ServiceExports" {
		t.Errorf("it logs %q", got)
	}
	const want = `auto-export cannot write ServiceExports in namespace shop: serviceexports.multicluster.x-k8s.io is forbidden: ` +
		`User "agent" cannot create resource "serviceexports" in API group "multicluster.x-k8s.io" in the namespace "shop"; ` +
		`the rights are in ClusterRole hansa-agent-auto-export of docs/roles.yaml, and it is tried again each minute`
	if got := s.auto.Trouble(); got != want {
		t.Errorf("it says %q", got)
	}
	s.none("shop", "web")
	if n := s.auto.Made(); n != 0 {
		t.Errorf("%d are made", n)
	}
}
