package agent

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/secrets"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// drawer keeps Secrets as an API server would, for one who reads and writes them one by one.
type drawer struct {
	corev1client.SecretInterface // what is not kept here is not asked

	mu    sync.Mutex
	kept  map[string]*corev1.Secret
	fails error // of each write
	wrote int
}

func (d *drawer) Get(_ context.Context, name string, _ metav1.GetOptions) (*corev1.Secret, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.kept[name]; s != nil {
		return s.DeepCopy(), nil
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name)
}

func (d *drawer) Create(_ context.Context, s *corev1.Secret, _ metav1.CreateOptions) (*corev1.Secret, error) {
	return d.write(s)
}

func (d *drawer) Update(_ context.Context, s *corev1.Secret, _ metav1.UpdateOptions) (*corev1.Secret, error) {
	return d.write(s)
}

func (d *drawer) write(s *corev1.Secret) (*corev1.Secret, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fails != nil {
		return nil, d.fails
	}
	d.kept[s.Name] = s.DeepCopy()
	d.wrote++
	return s, nil
}

// writes returns how often it was written to since it was last asked.
func (d *drawer) writes() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, d.wrote = d.wrote, 0
	return n
}

func (d *drawer) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails = err
}

// holder is the agent of east, and what is around it.
type holder struct {
	*member
	drawer *drawer
	ca     *trust.Authority
	said   *sayings
}

// sayings are what is logged, for one who reads while others log.
type sayings struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *sayings) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *sayings) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// newHolder returns an agent that leads, whose certificate was made so long ago.
func newHolder(t *testing.T, ago time.Duration) *holder {
	t.Helper()
	h := &holder{drawer: &drawer{kept: map[string]*corev1.Secret{}}, said: &sayings{}}
	log := slog.New(slog.NewTextHandler(h.said, nil))
	o := Defaults()
	o.Cluster, o.Clusterset = "east", "acme"
	h.member = &member{options: o, log: log, store: federation.NewStore("east"), circle: newCircle(), presence: newCurrent[stream.Standing](), secrets: secrets.New(h.drawer)}
	h.presence.set(stream.Standing{Leads: true})
	made := time.Now().Add(-ago)
	var err error
	if h.ca, err = trust.NewAuthority("acme", made); err != nil {
		t.Fatal(err)
	}
	c := h.certified(t, made)
	if h.identity, err = trust.New("acme", "east", c); err != nil {
		t.Fatal(err)
	}
	if err := h.secrets.PutIdentity(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	h.drawer.writes()
	return h
}

func (h *holder) certified(t *testing.T, at time.Time) trust.Credentials {
	t.Helper()
	c, err := h.ca.NewMember("east", at)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// holdsCA keeps the CA in the cluster.
func (h *holder) holdsCA(t *testing.T) {
	t.Helper()
	if err := h.secrets.PutCA(t.Context(), "acme", h.ca); err != nil {
		t.Fatal(err)
	}
	h.drawer.writes()
}

// runs has it renewed until the test of the bubble ends.
func (h *holder) runs(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- h.renew(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

const (
	life = 365*24*time.Hour + time.Hour // of a member's certificate, with the hour that it begins before it is made
	day  = 24 * time.Hour
)

func TestACertificateIsRenewedFromHalfOfItsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHolder(t, 0)
		h.holdsCA(t)
		h.runs(t)
		began := time.Now()
		for range 3 {
			before, made := h.identity.Credentials(), h.identity.Certificate().NotBefore
			<-h.identity.Changed()
			after := h.identity.Credentials()
			if took := time.Since(made); took < life/2 || took > life/2+life/10 {
				t.Errorf("renewed %v after it began to be valid, want from half of %v to a tenth later", took, life)
			}
			if bytes.Equal(before.Cert, after.Cert) || !bytes.Equal(before.Key, after.Key) {
				t.Error("want another certificate and the same key")
			}
			synctest.Wait()
			if kept, err := h.secrets.Identity(t.Context()); err != nil || !bytes.Equal(kept.Cert, after.Cert) || !bytes.Equal(kept.Key, after.Key) {
				t.Errorf("what is kept is not what is used: %v", err)
			}
		}
		if n := h.drawer.writes(); n != 3 {
			t.Errorf("in %v it wrote %d times, want 3", time.Since(began), n)
		}
	})
}

// What fails is tried again after a minute, then after twice as long each time, up to an hour; and as soon as something changes.
func TestWhoCannotRenewTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHolder(t, 250*day) // no CA is held, and no member is known
		old := h.identity.Certificate()
		h.runs(t)
		synctest.Wait()
		minutes := 0
		for tries, pause := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
			if got := h.tries(); got != tries+1 {
				t.Fatalf("after %d minutes it tried %d times, want %d", minutes, got, tries+1)
			}
			time.Sleep(time.Duration(pause)*time.Minute - time.Nanosecond)
			synctest.Wait()
			if got := h.tries(); got != tries+1 {
				t.Errorf("it tried for the time %d less than %d minutes after the one before", got, pause)
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			minutes += pause
		}
		for _, want := range []string{"level=WARN", "cluster east", "no member is known", "again_in=1m0s", "again_in=1h0m0s", "valid_until=" + old.NotAfter.UTC().Format("2006-01-02T")} {
			if !strings.Contains(h.said.String(), want) {
				t.Errorf("it says\n%swant %q", h.said, want)
			}
		}
		tried := h.tries()
		if err := h.identity.Use(h.identity.Credentials()); err != nil { // as when the files change
			t.Fatal(err)
		}
		synctest.Wait()
		if got := h.tries(); got != tried+1 || !strings.HasSuffix(strings.TrimSpace(h.said.String()), "again_in=1m0s") {
			t.Errorf("after a change it tried %d times more, want once at once and then a minute later:\n%s", got-tried, h.said)
		}
		h.holdsCA(t)
		time.Sleep(time.Minute)
		synctest.Wait()
		if h.identity.Certificate().Equal(old) {
			t.Error("the CA is held by now, and nothing was renewed")
		}
	})
}

// tries is how often it said that it could not.
func (h *holder) tries() int { return strings.Count(h.said.String(), "could not be renewed yet") }

// A certificate that cannot be kept is not used: after a restart it would be gone, and who looks would see another.
func TestWhatIsNotKeptIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHolder(t, 250*day)
		h.holdsCA(t)
		old := h.identity.Certificate()
		h.drawer.fail(errors.New("the weather"))
		h.runs(t)
		synctest.Wait()
		if !h.identity.Certificate().Equal(old) || !strings.Contains(h.said.String(), "the weather") {
			t.Errorf("it uses another certificate, or did not say why not:\n%s", h.said)
		}
		h.drawer.fail(nil)
		time.Sleep(renewLeast)
		synctest.Wait()
		if n := h.drawer.writes(); h.identity.Certificate().Equal(old) || n != 1 {
			t.Errorf("the API server is back, and it wrote %d times, want once", n)
		}
	})
}

// A certificate of another key than the kept one is not hansa's: whoever made it, as cert-manager, renews it.
func TestWhatIsNotOursIsNotRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHolder(t, 250*day)
		h.holdsCA(t)
		kept := h.drawer.kept[secrets.IdentityName].DeepCopy()
		theirs := h.certified(t, time.Now().Add(-250*day))
		if err := h.identity.Use(theirs); err != nil {
			t.Fatal(err)
		}
		if ours, err := h.renewOwn(t.Context()); ours || err != nil {
			t.Errorf("it is taken for ours: %t, %v", ours, err)
		}
		h.runs(t)
		time.Sleep(day)
		synctest.Wait()
		if n := h.drawer.writes(); !bytes.Equal(h.identity.Credentials().Cert, theirs.Cert) || n != 0 || h.said.String() != "" {
			t.Errorf("it wrote %d times, want never, and says\n%s", n, h.said)
		}
		if err := h.identity.Use(trust.Credentials{Cert: kept.Data["tls.crt"], Key: kept.Data["tls.key"], CA: kept.Data["ca.crt"]}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := h.drawer.writes(); n != 1 {
			t.Errorf("it is ours again, and was renewed %d times", n)
		}
	})
}

func TestAStandbyRenewsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHolder(t, 250*day)
		h.holdsCA(t)
		h.presence.set(stream.Standing{Leader: "192.0.2.1:8443"})
		h.runs(t)
		time.Sleep(day)
		synctest.Wait()
		if n := h.drawer.writes(); n != 0 {
			t.Errorf("it wrote %d times", n)
		}
		h.presence.set(stream.Standing{Leads: true})
		synctest.Wait()
		if n := h.drawer.writes(); n != 1 {
			t.Errorf("it leads, and wrote %d times, want once", n)
		}
	})
}
