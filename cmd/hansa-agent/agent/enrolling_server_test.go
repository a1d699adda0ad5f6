package agent

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/secrets"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/lab/labtest"
)

// TestLettingInOnAnAPIServer lets two clusters come at the very same moment: both requests have read the token's record
// before either changes it.
func TestLettingInOnAnAPIServer(t *testing.T) {
	unleaked(t)
	l := labtest.Start(t, lab.Config{Clusters: []string{"east"}})
	for _, tt := range []struct {
		name, namespace string
		uses            int
		ids             [2]federation.ClusterID
		loser           enroll.Code
	}{
		{"a token for one", "one", 1, [2]federation.ClusterID{"west", "north"}, enroll.Used},
		{"a token for two, and one ID", "id", 2, [2]federation.ClusterID{"west", "west"}, enroll.Taken},
		{"a token for two, and two IDs", "two", 2, [2]federation.ClusterID{"west", "north"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGate(t, l.Cluster("east").RESTConfig(), tt.namespace)
			token := g.token(t, tt.uses)
			in := g.comeTogether(t, token, tt.ids)
			want := 2
			if tt.loser != "" {
				want = 1
			}
			joined := 0
			for _, err := range in {
				if err == nil {
					joined++
				} else if code := enroll.CodeOf(err); code != tt.loser {
					t.Errorf("one was refused: %q, %v, want %q", code, err, tt.loser)
				}
			}
			used := g.used(t)
			if joined != want || len(used) != want {
				t.Fatalf("%d got in and the record has %+v, want %d", joined, used, want)
			}
			for i, err := range in {
				mine := enroll.Use{Cluster: tt.ids[i], UID: applicantUIDs[i]}
				if noted := noted(used, mine); noted != (err == nil) {
					t.Errorf("%s of UID %s: %v, and the record has %+v", mine.Cluster, mine.UID, err, used)
				}
			}
		})
	}
}

var applicantUIDs = [2]string{"uid-one", "uid-other"}

func noted(used []enroll.Use, u enroll.Use) bool {
	for _, have := range used {
		if have.Cluster == u.Cluster && have.UID == u.UID {
			return true
		}
	}
	return false
}

// gate is what lets clusters in, of an agent of east, wired as the agent wires it. Its first two reads of a token's record wait
// for each other.
type gate struct {
	ca      *trust.Authority
	address string
	kept    *secrets.Secrets
}

func newGate(t *testing.T, config *rest.Config, namespace string) *gate {
	t.Helper()
	admin, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if _, err := admin.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	g := &gate{kept: secrets.New(admin.CoreV1().Secrets(namespace))}
	if g.ca, err = trust.NewAuthority("acme", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := g.kept.PutCA(t.Context(), "acme", g.ca); err != nil {
		t.Fatal(err)
	}
	config = rest.CopyConfig(config)
	config.QPS = -1
	both := &meeting{all: make(chan struct{})}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &meetingReader{next, both} })
	o := Defaults()
	o.Cluster, o.Clusterset, o.Namespace, o.Listen = "east", "acme", namespace, "127.0.0.1:0"
	m := &member{options: o, rest: config, log: slog.New(slog.DiscardHandler), store: federation.NewStore("east"), circle: newCircle()}
	g.start(t, m)
	return g
}

// start runs the port and what is behind it until the test ends.
func (g *gate) start(t *testing.T, m *member) {
	t.Helper()
	c, err := g.ca.NewMember("east", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if m.identity, err = trust.New("acme", "east", c); err != nil {
		t.Fatal(err)
	}
	if m.port, err = trust.Listen(t.Context(), m.options.Listen, m.identity, m.log); err != nil {
		t.Fatal(err)
	}
	if err := m.newEnroll(); err != nil {
		t.Fatal(err)
	}
	g.address = m.port.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	for _, start := range []func(context.Context) error{m.port.Start, m.enroll.Start} {
		work.Go(func() {
			if err := start(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		work.Wait()
	})
}

func (g *gate) token(t *testing.T, uses int) trust.Token {
	t.Helper()
	token, err := g.ca.NewToken("")
	if err != nil {
		t.Fatal(err)
	}
	record, err := enroll.NewRecord(token, time.Now(), time.Hour, uses)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.kept.AddToken(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	return token
}

// used returns the uses of the one token.
func (g *gate) used(t *testing.T) []enroll.Use {
	t.Helper()
	list, err := g.kept.Tokens(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("%d tokens, %v, want one", len(list), err)
	}
	return list[0].Used
}

// comeTogether lets two clusters join at once, and returns what became of each.
func (g *gate) comeTogether(t *testing.T, token trust.Token, ids [2]federation.ClusterID) (in [2]error) {
	t.Helper()
	var all sync.WaitGroup
	for i, id := range ids {
		key, err := trust.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			_, in[i] = enroll.Join(t.Context(), g.address, token, enroll.Applicant{Cluster: id, UID: applicantUIDs[i], Key: key})
		})
	}
	all.Wait()
	return in
}

// meeting is where two wait for each other. Whoever comes later need not wait.
type meeting struct {
	mu   sync.Mutex
	came int
	all  chan struct{}
}

func (m *meeting) come(ctx context.Context) error {
	m.mu.Lock()
	if m.came++; m.came == 2 {
		close(m.all)
	}
	m.mu.Unlock()
	select {
	case <-m.all:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// meetingReader is a way to the API server on which those who have read a token meet.
type meetingReader struct {
	next http.RoundTripper
	*meeting
}

// RoundTrip implements http.RoundTripper.
func (m *meetingReader) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := m.next.RoundTrip(r)
	if err != nil || r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/secrets/hansa-token-") {
		return answer, err
	}
	if err := m.come(r.Context()); err != nil {
		answer.Body.Close()
		return nil, err
	}
	return answer, nil
}
