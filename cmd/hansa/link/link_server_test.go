package link

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/secrets"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
)

// TestJoiningOnAPIServers lets clusters join at a real agent, each time in a namespace where nothing was done before.
func TestJoiningOnAPIServers(t *testing.T) {
	s := newScene(t)
	t.Run("interrupted before anything was asked", s.interruptedBeforeAsking)
	t.Run("interrupted by the loss of the reply", s.interruptedByLoss)
	t.Run("interrupted before the certificate was kept", s.interruptedBeforeKeeping)
	t.Run("interrupted after all was done", s.interruptedAfterAll)
	t.Run("a refusal leaves nothing half done", s.refuses)
	t.Run("a token is not shown to another clusterset", s.keepsTheSecret)
	t.Run("one of two that join at once with one token", s.oneOfTwo)
	t.Run("one of two that want one ID", s.oneOfTwoForAnID)
}

func (s *scene) interruptedBeforeAsking(t *testing.T) {
	west := s.target(t, "west", "before-asking")
	token := s.token(t, "west", 1, nil)
	where := nobody(t)
	_, err := west.Join(t.Context(), where, token, "west", time.Now(), func(string) {})
	if err == nil || enroll.CodeOf(err) != "" || !strings.Contains(err.Error(), where) {
		t.Fatalf("nobody is there: %v, want an error that is no refusal and names the address", err)
	}
	had := key(t, west)
	if len(had) == 0 {
		t.Fatal("its key was not kept before it asked")
	}
	if used := s.used(t, token); len(used) != 0 {
		t.Errorf("the token was used by %+v", used)
	}
	s.joins(t, west, s.address, token, "west", had)
	if used := s.used(t, token); len(used) != 1 {
		t.Errorf("the token was used %d times, want once", len(used))
	}
}

func (s *scene) interruptedByLoss(t *testing.T) {
	west := s.target(t, "west", "loss")
	token := s.token(t, "", 1, nil)
	_, err := west.Join(t.Context(), lossy(t, s.address), token, "west", time.Now(), func(string) {})
	if err == nil || enroll.CodeOf(err) != "" || !strings.Contains(err.Error(), "may have heard and not been heard: try again") {
		t.Fatalf("the reply was lost: %v, want an error that leaves open what the member heard", err)
	}
	had := key(t, west)
	before := s.used(t, token)
	if len(before) != 1 || before[0].Cluster != "west" {
		t.Fatalf("the token was used by %+v, want by west: the reply was lost, not the request", before)
	}
	if _, err := s.target(t, "north", "loss").Join(t.Context(), s.address, token, "north", time.Now(), func(string) {}); enroll.CodeOf(err) != enroll.Used {
		t.Errorf("another cluster with that token: %v, want %s", err, enroll.Used)
	}
	s.joins(t, west, s.address, token, "west", had)
	if used := s.used(t, token); !reflect.DeepEqual(used, before) {
		t.Errorf("going on changed the uses to %+v", used)
	}

	// The same again, and the token expires before it goes on: another one does as well, with the same key.
	late := s.target(t, "west", "late")
	token = s.token(t, "", 1, nil)
	if _, err := late.Join(t.Context(), lossy(t, s.address), token, "west", time.Now(), func(string) {}); err == nil {
		t.Fatal("the reply was not lost")
	}
	had = key(t, late)
	expire := func(r enroll.Record) (enroll.Record, error) {
		r.Expires = time.Now().Add(-time.Second)
		return r, nil
	}
	if err := s.east.secrets.Change(t.Context(), token.ID, expire); err != nil {
		t.Fatal(err)
	}
	if _, err := late.Join(t.Context(), s.address, token, "west", time.Now(), func(string) {}); enroll.CodeOf(err) != enroll.Expired {
		t.Errorf("after it expired: %v, want %s", err, enroll.Expired)
	}
	s.joins(t, late, s.address, s.token(t, "", 1, nil), "west", had)
}

// forgetful is a way to Secrets on which one write fails.
type forgetful struct {
	corev1client.SecretInterface
	fails error
}

func (f *forgetful) Update(ctx context.Context, s *corev1.Secret, o metav1.UpdateOptions) (*corev1.Secret, error) {
	if err := f.fails; err != nil {
		f.fails = nil
		return nil, err
	}
	return f.SecretInterface.Update(ctx, s, o)
}

func (s *scene) interruptedBeforeKeeping(t *testing.T) {
	west := s.target(t, "west", "keeping")
	west.secrets = secrets.New(&forgetful{west.core.CoreV1().Secrets(west.Namespace), errors.New("the weather")})
	token := s.token(t, "", 1, nil)
	_, err := west.Join(t.Context(), s.address, token, "west", time.Now(), func(string) {})
	if err == nil || !strings.Contains(err.Error(), "the weather") || !strings.Contains(err.Error(), `in context "west"`) {
		t.Fatalf("the certificate could not be kept: %v", err)
	}
	had := key(t, west)
	if used := s.used(t, token); len(used) != 1 {
		t.Fatalf("the token was used %d times, want once: it was interrupted after that", len(used))
	}
	s.joins(t, west, s.address, token, "west", had)
	if used := s.used(t, token); len(used) != 1 {
		t.Errorf("the token was used %d times, want once", len(used))
	}
}

func (s *scene) interruptedAfterAll(t *testing.T) {
	west := s.target(t, "west", "after")
	first := s.joins(t, west, s.address, s.token(t, "", 1, nil), "west", nil)
	var told []string
	second := s.token(t, "", 1, nil)
	m, err := west.Join(t.Context(), nobody(t), second, "west", time.Now(), func(line string) { told = append(told, line) })
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(m.Credentials, first.Credentials) {
		t.Error("it is a member with other credentials now")
	}
	if len(told) != 1 || !strings.Contains(told[0], "cluster west is a member of acme already; the token was not used") {
		t.Errorf("it told %q", told)
	}
	if used := s.used(t, second); len(used) != 0 {
		t.Errorf("the second token was used by %+v", used)
	}
	if _, err := west.Join(t.Context(), s.address, second, "west2", time.Now(), func(string) {}); !errors.Is(err, ErrMember) {
		t.Errorf("as another cluster: %v, want %v", err, ErrMember)
	}
}

// refuses goes through what a member says no to. Nothing of it changes any token, or makes a certificate.
func (s *scene) refuses(t *testing.T) {
	s.joins(t, s.target(t, "west", "member"), s.address, s.token(t, "", 1, nil), "west", nil)
	spent := func(r *enroll.Record) { r.Used = []enroll.Use{{Cluster: "south", UID: "u", At: time.Now().UTC()}} }
	north := s.target(t, "north", "refused")
	var had []byte
	for _, tt := range []struct {
		name  string
		as    federation.ClusterID
		token trust.Token
		spoil func(*trust.Token)
		want  enroll.Code
	}{
		{"another secret", "north", s.token(t, "", 1, nil), func(t *trust.Token) { t.Secret[0] ^= 1 }, enroll.Unknown},
		{"another token", "north", s.token(t, "", 1, nil), func(t *trust.Token) { t.ID[0] ^= 1 }, enroll.Unknown},
		{"expired", "north", s.token(t, "", 1, func(r *enroll.Record) { r.Expires = time.Now().Add(-time.Minute).UTC() }), nil, enroll.Expired},
		{"used up", "north", s.token(t, "", 1, spent), nil, enroll.Used},
		{"for another", "north", s.token(t, "south", 1, nil), nil, enroll.Bound},
		{"for another, as its record says alone", "north", s.token(t, "south", 1, nil), func(t *trust.Token) { t.Cluster = "" }, enroll.Bound},
		{"the ID of who is asked", "east", s.token(t, "", 1, nil), nil, enroll.Taken},
		{"the ID of who was let in", "west", s.token(t, "", 1, nil), nil, enroll.Taken},
		{"another CA's", "north", s.token(t, "", 1, nil), func(t *trust.Token) { t.Pin[0] ^= 1 }, enroll.Foreign},
		{"another clusterset's", "north", s.token(t, "", 1, nil), func(t *trust.Token) { t.Clusterset = "other" }, enroll.Foreign},
	} {
		if tt.spoil != nil {
			tt.spoil(&tt.token)
		}
		before := s.records(t)
		_, err := north.Join(t.Context(), s.address, tt.token, tt.as, time.Now(), func(string) {})
		if code := enroll.CodeOf(err); code != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.name, code, err, tt.want)
		}
		if after := s.records(t); !reflect.DeepEqual(after, before) {
			t.Errorf("%s: the records of tokens have become\n%+v, were\n%+v", tt.name, after, before)
		}
		if has := key(t, north); had != nil && !bytes.Equal(has, had) {
			t.Errorf("%s: it has another key than before", tt.name)
		} else {
			had = has
		}
	}
	s.joins(t, north, s.address, s.token(t, "north", 1, nil), "north", had)
}

// keepsTheSecret asks members of other clustersets with a token of acme.
func (s *scene) keepsTheSecret(t *testing.T) {
	north := s.target(t, "north", "foreign")
	token := s.token(t, "", 1, nil)
	for name, set := range map[string]string{"another clusterset": "other", "another clusterset of the same name": "acme"} {
		address, heard := eavesdrop(t, set)
		_, err := north.Join(t.Context(), address, token, "north", time.Now(), func(string) {})
		if code := enroll.CodeOf(err); code != enroll.Foreign || !strings.Contains(err.Error(), "nothing of the token was sent") {
			t.Errorf("%s: %q, %v, want %q", name, code, err, enroll.Foreign)
		}
		if said, stats := heard(); len(said) > 0 || stats.Accepted != 0 || stats.Refused != 1 {
			t.Errorf("%s: it was told %q, and counts %+v, want one connection that said nothing", name, said, stats)
		}
	}
	if used := s.used(t, token); len(used) != 0 {
		t.Errorf("the token was used by %+v", used)
	}
	s.joins(t, north, s.address, token, "north", key(t, north))
}

// oneOfTwo: the namespaces of the agents are new, so both begin at the same point.
func (s *scene) oneOfTwo(t *testing.T) {
	token := s.token(t, "", 1, nil)
	s.race(t, "race", token, [2]federation.ClusterID{"west", "north"}, enroll.Used)
}

func (s *scene) oneOfTwoForAnID(t *testing.T) {
	token := s.token(t, "south", 2, nil)
	s.race(t, "race-id", token, [2]federation.ClusterID{"south", "south"}, enroll.Taken)
}

// race lets west and north join at once, of which one is refused.
func (s *scene) race(t *testing.T, namespace string, token trust.Token, ids [2]federation.ClusterID, want enroll.Code) {
	t.Helper()
	var errs [2]error
	targets := [2]*Target{s.target(t, "west", namespace), s.target(t, "north", namespace)}
	var all sync.WaitGroup
	for i, target := range targets {
		all.Go(func() {
			_, errs[i] = target.Join(t.Context(), s.address, token, ids[i], time.Now(), func(string) {})
		})
	}
	all.Wait()
	in := 0
	for i, err := range errs {
		if err == nil {
			in++
			continue
		}
		if code := enroll.CodeOf(err); code != want {
			t.Errorf("%s: %q, %v, want %q", targets[i].Context, code, err, want)
		}
		key(t, targets[i])
	}
	if used := s.used(t, token); in != 1 || len(used) != 1 {
		t.Errorf("%d got in, and the token was used by %+v, want one", in, used)
	}
}
