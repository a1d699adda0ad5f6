package election

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/hansa-mcs/hansa/integration/lab"
)

// On a real API server, with short times. Each part has a namespace of its own.
func TestOnARealAPIServer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if _, err := lab.Build(ctx, t.Output(), false); err != nil {
		t.Fatal(err)
	}
	l, err := lab.Start(ctx, lab.Config{Clusters: []string{"east"}, Output: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Stop(); err != nil {
			t.Error(err)
		}
	})
	c := &site{cluster: l.Cluster("east"), ctx: ctx}
	t.Run("the namespace may come later", c.in(laterNamespace))
	t.Run("the rights that the hint names are enough", c.in(rights))
	t.Run("handover at the end of the leader", c.in(handover))
	t.Run("takeover after the leader was killed", c.in(takeover))
	t.Run("freeze and thaw", c.in(freezeAndThaw))
	t.Run("a Lease deleted by hand", c.in(deletedByHand))
	t.Run("the API server restarts", c.in(restart))
}

// site is a cluster, or one part of the test in it.
type site struct {
	*testing.T
	cluster *lab.Cluster
	ctx     context.Context // bounds the whole test
	admin   *kubernetes.Clientset
	room    string // the namespace
}

func (c *site) in(part func(*site)) func(*testing.T) {
	return func(t *testing.T) {
		config, line := c.connect(t)
		admin, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(line.cut)
		part(&site{T: t, cluster: c.cluster, ctx: c.ctx, admin: admin, room: "hansa-" + time.Now().Format("150405.000000000")[7:]})
	}
}

func (c *site) connect(t *testing.T) (*rest.Config, *line) {
	t.Helper()
	l := &line{conns: map[net.Conn]bool{}}
	config := c.cluster.RESTConfig()
	config.Dial = l.dial
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &meter{next, l} })
	return config, l
}

func (c *site) makeNamespace() {
	c.Helper()
	_, err := c.admin.CoreV1().Namespaces().Create(c.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.room}}, metav1.CreateOptions{})
	if err != nil {
		c.Fatal(err)
	}
}

// voter is an Election on the real API server.
type voter struct {
	*Election
	site *site
	line *line
	log  *words
	end  func() // returns when Start has
}

func (c *site) voter(name, user string) *voter {
	c.Helper()
	config, line := c.connect(c.T)
	config.Impersonate.UserName = user
	client, err := NewClient(config, c.room)
	if err != nil {
		c.Fatal(err)
	}
	v := &voter{site: c, line: line, log: &words{}}
	v.Election, err = New(Config{
		Client: client, Namespace: c.room, Name: "hansa-agent", Identity: Identity{name, name + ".example:7946"},
		Duration: 3 * time.Second, RenewWithin: 2 * time.Second, Retry: 500 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(v.log, nil)).With("voter", name),
	})
	if err != nil {
		c.Fatal(err)
	}
	ctx, cancel := context.WithCancel(c.ctx)
	var group sync.WaitGroup
	group.Go(func() {
		if err := v.Start(ctx); err != nil {
			c.Error(err)
		}
	})
	v.end = func() { cancel(); group.Wait() }
	c.Cleanup(func() {
		v.end()
		line.cut()
		if c.Failed() {
			c.Logf("%s", v.log)
		}
	})
	return v
}

// leads waits until the voter leads, and returns its stint.
func (v *voter) leads() uint64 {
	v.site.Helper()
	_, done, stint, err := v.Lead(v.site.ctx)
	if err != nil {
		v.site.Fatalf("%v; the log:\n%s", err, v.log)
	}
	done()
	return stint
}

// until waits until the voter stands so.
func (v *voter) until(what string, so func(Standing) bool) {
	v.site.Helper()
	for s := v.Now(); !so(s); s = v.Now() {
		select {
		case <-s.Changed:
		case <-v.site.ctx.Done():
			v.site.Fatalf("%s does not come, but %+v; the log:\n%s", what, v.Now(), v.log)
		}
	}
}

func (v *voter) follows(leader string) {
	v.site.Helper()
	v.until("that it follows "+leader, func(s Standing) bool { return !s.Leading && s.Leader.Name == leader })
}

func laterNamespace(c *site) {
	a := c.voter("a", "")
	if err := a.log.awaits(c.ctx, "kubectl create namespace "+c.room); err != nil {
		c.Fatal(err)
	}
	c.makeNamespace()
	a.leads()
	if n := a.line.old.Load(); n > 0 || a.line.requests.Load() == 0 {
		c.Errorf("%d of %d requests not by HTTP/1.1", n, a.line.requests.Load())
	}
}

func rights(c *site) {
	c.makeNamespace()
	const user = "system:serviceaccount:hansa:agent"
	a := c.voter("a", user)
	if err := a.log.awaits(c.ctx, "must allow get, list, watch and update on leases.coordination.k8s.io named hansa-agent, and create without a name"); err != nil {
		c.Fatal(err)
	}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "agent"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{"hansa-agent"}, Verbs: []string{"get", "list", "watch", "update"}},
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create"}},
	}}
	if _, err := c.admin.RbacV1().Roles(c.room).Create(c.ctx, role, metav1.CreateOptions{}); err != nil {
		c.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "agent"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "agent"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "hansa", Name: "agent"}},
	}
	if _, err := c.admin.RbacV1().RoleBindings(c.room).Create(c.ctx, binding, metav1.CreateOptions{}); err != nil {
		c.Fatal(err)
	}
	a.leads()
	b := c.voter("b", user)
	b.follows("a")
	a.end()
	b.leads()
	if n := b.log.count("level=ERROR"); n != 0 {
		c.Errorf("b complained:\n%s", b.log)
	}
}

func handover(c *site) {
	c.makeNamespace()
	a := c.voter("a", "")
	a.leads()
	b := c.voter("b", "")
	b.follows("a")
	began := time.Now()
	a.end()
	b.leads()
	c.Logf("the other leads %v after the end began", time.Since(began))
	l, err := c.admin.CoordinationV1().Leases(c.room).Get(c.ctx, "hansa-agent", metav1.GetOptions{})
	if err != nil {
		c.Fatal(err)
	}
	if got := l.Spec; *got.HolderIdentity != "b/b.example:7946" || *got.LeaseTransitions != 1 || *got.LeaseDurationSeconds != 3 {
		c.Errorf("the Lease says %v", got)
	}
	if s := b.Now(); !s.Since.Equal(l.Spec.AcquireTime.Time) {
		c.Errorf("b leads since %v, and the Lease says %v", s.Since, l.Spec.AcquireTime)
	}
}

func takeover(c *site) {
	c.makeNamespace()
	a := c.voter("a", "")
	a.leads()
	b := c.voter("b", "")
	b.follows("a")
	began := time.Now()
	a.line.cut()
	a.end()
	if a.log.count("could not be released") != 1 {
		c.Errorf("a was not killed:\n%s", a.log)
	}
	b.leads()
	c.Logf("the other leads %v after the kill, of a Lease of 3 s", time.Since(began))
}

func freezeAndThaw(c *site) {
	c.makeNamespace()
	a := c.voter("a", "")
	a.leads()
	lead, done, stint, err := a.Lead(c.ctx)
	if err != nil {
		c.Fatal(err)
	}
	a.line.cut()
	select {
	case <-lead.Done():
	case <-c.ctx.Done():
		c.Fatal("it does not freeze")
	}
	if !errors.Is(context.Cause(lead), errNotLeading) || a.Now().Leading || a.Now().Leader.Name != "a" {
		c.Errorf("%v, %+v", context.Cause(lead), a.Now())
	}
	done()
	began := time.Now()
	a.line.mend()
	if again := a.leads(); again != stint || stint != 1 {
		c.Errorf("stint %d before the freeze and %d after", stint, again)
	}
	c.Logf("thawed %v after the connection was back", time.Since(began))
}

func deletedByHand(c *site) {
	c.makeNamespace()
	a := c.voter("a", "")
	a.leads()
	if err := c.admin.CoordinationV1().Leases(c.room).Delete(c.ctx, "hansa-agent", metav1.DeleteOptions{}); err != nil {
		c.Fatal(err)
	}
	a.until("its second stint", func(s Standing) bool { return s.Leading && s.Stint == 2 })
}

func restart(c *site) {
	c.makeNamespace()
	a := c.voter("a", "")
	a.leads()
	b := c.voter("b", "")
	b.follows("a")
	if err := c.cluster.StopAPIServer(); err != nil {
		c.Fatal(err)
	}
	a.until("the freeze", func(s Standing) bool { return !s.Leading })
	if err := c.cluster.StartAPIServer(c.ctx); err != nil {
		c.Fatal(err)
	}
	// Who is first depends on this machine; somebody is, and the other knows.
	a.until("a leader", func(s Standing) bool { return s.Leading || s.Leader.Name == "b" })
	if a.Now().Leading {
		b.follows("a")
	} else {
		b.leads()
	}
	c.Logf("after the restart a stands at %+v", a.Now())
}

// line is a connection to the API server that can be cut.
type line struct {
	mu            sync.Mutex
	down          bool
	conns         map[net.Conn]bool
	requests, old atomic.Int64 // all, and those that were not HTTP/1.1
}

func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		_ = conn.Close()
		return nil, errors.New("the line is cut")
	}
	l.conns[conn] = true
	return conn, nil
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for conn := range l.conns {
		_ = conn.Close()
	}
	clear(l.conns)
}

func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}

// meter counts requests by their protocol.
type meter struct {
	next http.RoundTripper
	line *line
}

func (m *meter) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := m.next.RoundTrip(r)
	if err == nil {
		m.line.requests.Add(1)
		if response.ProtoMajor != 1 {
			m.line.old.Add(1)
		}
	}
	return response, err
}
