package secrets

import (
	"errors"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/lab/labtest"
)

// TestOnAnAPIServer keeps all of it in a real one.
func TestOnAnAPIServer(t *testing.T) {
	l := labtest.Start(t, lab.Config{Clusters: []string{"east"}})
	config := l.Cluster("east").RESTConfig()
	config.QPS = -1
	admin, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	in := func(t *testing.T, namespace string) (*Secrets, corev1client.SecretInterface) {
		t.Helper()
		if _, err := admin.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		client := admin.CoreV1().Secrets(namespace)
		return New(client), client
	}
	t.Run("a CA is kept and never replaced", func(t *testing.T) { keepsCA(t, in) })
	t.Run("a key is kept before its certificate", func(t *testing.T) { keepsIdentity(t, in) })
	t.Run("tokens are used no more often than they may", func(t *testing.T) { keepsTokens(t, in) })
}

type namespaces func(t *testing.T, namespace string) (*Secrets, corev1client.SecretInterface)

func keepsCA(t *testing.T, in namespaces) {
	s, client := in(t, "ca")
	if ca, err := s.CA(t.Context(), "acme"); ca != nil || err != nil {
		t.Fatalf("a CA before there is one: %v, %v", ca, err)
	}
	ca := authority(t)
	for range 2 { // an init that was interrupted is repeated
		if err := s.PutCA(t.Context(), "acme", ca); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PutCA(t.Context(), "acme", authority(t)); !errors.Is(err, ErrExists) {
		t.Errorf("another CA in its place: %v, want %v", err, ErrExists)
	}
	there, err := s.CA(t.Context(), "acme")
	if err != nil || there.Pin() != ca.Pin() {
		t.Errorf("kept is %v, error %v", there, err)
	}
	if _, err := s.CA(t.Context(), "other"); err == nil {
		t.Error("the CA of acme is given for other")
	}
	secret, err := client.Get(t.Context(), CAName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	secret.Data[keyKey] = []byte("garbage")
	if _, err := client.Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CA(t.Context(), "acme"); err == nil {
		t.Error("garbage is a CA")
	}
}

func keepsIdentity(t *testing.T, in namespaces) {
	s, _ := in(t, "identity")
	if c, err := s.Identity(t.Context()); len(c.Key) > 0 || err != nil {
		t.Fatalf("an identity before there is one: %v", err)
	}
	keys := make([][]byte, 4)
	var all sync.WaitGroup
	for i := range keys { // several begin at once, and all go on with one key
		all.Go(func() {
			key, err := s.Begin(t.Context())
			if err != nil {
				t.Error(err)
			}
			keys[i] = key
		})
	}
	all.Wait()
	for _, key := range keys {
		if len(key) == 0 || string(key) != string(keys[0]) {
			t.Fatal("who begins twice has two keys")
		}
	}
	ca := authority(t)
	c := signed(t, ca, keys[0])
	if err := s.PutIdentity(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	other, err := ca.NewMember("west", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PutIdentity(t.Context(), other); !errors.Is(err, ErrOtherKey) {
		t.Errorf("credentials of another key: %v, want %v", err, ErrOtherKey)
	}
	there, err := s.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := there.Check("acme", "west", time.Now()); err != nil {
		t.Errorf("what is kept: %v", err)
	}
	if key, err := s.Begin(t.Context()); err != nil || string(key) != string(keys[0]) {
		t.Errorf("to begin again makes another key, error %v", err)
	}
}

func keepsTokens(t *testing.T, in namespaces) {
	s, client := in(t, "tokens")
	token, err := authority(t).NewToken("")
	if err != nil {
		t.Fatal(err)
	}
	record, err := enroll.NewRecord(token, time.Now(), time.Hour, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddToken(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	if err := s.AddToken(t.Context(), record); !errors.Is(err, ErrExists) {
		t.Errorf("the same again: %v, want %v", err, ErrExists)
	}
	var used [8]error
	var all sync.WaitGroup
	for i := range used { // all at once, each with another key
		all.Go(func() {
			use := enroll.Use{Cluster: "west", UID: "u", Key: trust.Digest{byte(i)}, At: time.Now()}
			used[i] = s.Change(t.Context(), token.ID, func(r enroll.Record) (enroll.Record, error) { return r.Redeem(token.Secret, use) })
		})
	}
	all.Wait()
	good := 0
	for _, err := range used {
		switch {
		case err == nil:
			good++
		case enroll.CodeOf(err) != enroll.Used:
			t.Error(err)
		}
	}
	if good != 3 {
		t.Errorf("used %d times, want 3", good)
	}
	list, err := s.Tokens(t.Context())
	if err != nil || len(list) != 1 || len(list[0].Used) != 3 {
		t.Errorf("listed are %v, error %v", list, err)
	}
	if _, err := client.Create(t.Context(), made(tokenPrefix+"garbage", tokenKind, tokenForm, map[string][]byte{recordKey: []byte("{")}), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if list, err := s.Tokens(t.Context()); err == nil || len(list) != 1 {
		t.Errorf("beside garbage %d are listed, error %v", len(list), err)
	}
	for _, want := range []error{nil, enroll.ErrNoToken} {
		if err := s.RevokeToken(t.Context(), token.ID); !errors.Is(err, want) {
			t.Errorf("revoking: %v, want %v", err, want)
		}
	}
	none := func(r enroll.Record) (enroll.Record, error) { return r, nil }
	if err := s.Change(t.Context(), token.ID, none); !errors.Is(err, enroll.ErrNoToken) {
		t.Errorf("changing what was revoked: %v", err)
	}
}

func authority(t *testing.T) *trust.Authority {
	t.Helper()
	ca, err := trust.NewAuthority("acme", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// signed is a membership of west with a key.
func signed(t *testing.T, ca *trust.Authority, key []byte) trust.Credentials {
	t.Helper()
	const west federation.ClusterID = "west"
	der, err := trust.NewRequest("acme", west, key)
	if err != nil {
		t.Fatal(err)
	}
	request, err := trust.ParseRequest("acme", der)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Sign(request, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return trust.Credentials{Cert: cert, Key: key, CA: ca.CAPEM()}
}
