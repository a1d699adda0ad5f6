package integration

import (
	"context"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/secrets"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// holder is a clusterset's CA, and the identity of east, in files, that it gave long ago: it is time to renew it.
type holder struct {
	ca    *trust.Authority
	east  trust.Credentials
	files trust.Files
}

func newHolder(t *testing.T) *holder {
	t.Helper()
	long := time.Now().AddDate(0, -11, 0)
	ca, err := trust.NewAuthority(clusterset.Name, long)
	if err != nil {
		t.Fatal(err)
	}
	east, err := ca.NewMember("east", long)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	h := &holder{ca: ca, east: east, files: trust.Files{Cert: dir + "/tls.crt", Key: dir + "/tls.key", CA: dir + "/ca.crt"}}
	if err := h.files.Write(east); err != nil {
		t.Fatal(err)
	}
	return h
}

// lettingIn gives east the CA, as hansa init does, and then the role.
func (h *holder) lettingIn(s *story) {
	ctx, access := s.t.Context(), newAccess(s.t, s.Member("east"))
	kept := secrets.New(access.clients.CoreV1().Secrets("hansa-system"))
	token, err := h.ca.NewToken("")
	if err != nil {
		s.t.Fatal(err)
	}
	record, err := enroll.NewRecord(token, time.Now(), time.Hour, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, keep := range []func() error{
		func() error { return kept.PutCA(ctx, clusterset.Name, h.ca) },
		func() error { return kept.PutIdentity(ctx, h.east) },
		func() error { return kept.AddToken(ctx, record) },
	} {
		if err := keep(); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := s.joinWest(token); enroll.CodeOf(err) != enroll.NoCA {
		s.t.Errorf("without the role: %v, want %s", err, enroll.NoCA)
	}
	access.bindIssuer()
	if err := s.joinWest(token); err != nil {
		s.t.Errorf("with the role: %v", err)
	}
	if list, err := kept.Tokens(ctx); err != nil || len(list) != 1 || len(list[0].Used) != 1 || list[0].Used[0].Cluster != "west" {
		s.t.Errorf("the token was used by %v (%v), want west", list, err)
	}
	s.restart() // it looks at its certificate again
	awaitLog(s.t, s.Member("east"), `msg="renewed this cluster's certificate"`)
	now, err := kept.Identity(ctx)
	if err != nil || string(now.Key) != string(h.east.Key) || string(now.Cert) == string(h.east.Cert) {
		s.t.Errorf("the Secret has no new certificate of the same key (%v)", err)
	}
}

// joinWest asks east to let west in.
func (s *story) joinWest(token trust.Token) error {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	key, err := trust.NewKey()
	if err != nil {
		s.t.Fatal(err)
	}
	const west federation.ClusterID = "west"
	got, err := enroll.Join(ctx, s.Member("east").Federation, token, enroll.Applicant{Cluster: west, UID: "uid-of-west", Key: key})
	if err == nil {
		err = got.Check(clusterset.Name, west, time.Now())
	}
	return err
}

// bindIssuer gives the agent's account the role that nobody has by itself, as docs/roles.yaml says.
func (a access) bindIssuer() {
	a.t.Helper()
	_, err := a.clients.RbacV1().RoleBindings("hansa-system").Create(a.t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "hansa-agent-issuer"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "hansa-agent-issuer"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "hansa-system", Name: "hansa-agent"}},
	}, metav1.CreateOptions{})
	if err != nil {
		a.t.Fatal(err)
	}
	a.await(clusterset.Account, "get /secrets hansa-ca in hansa-system", true)
}

func issuerIsLimited(s *story) {
	access := newAccess(s.t, s.Member("east"))
	for _, verb := range []string{"get", "update"} {
		access.check(clusterset.Account, verb+" /secrets hansa-token-0123456789abcdef in hansa-system", true)
	}
	for _, verb := range []string{"list", "watch", "create", "patch", "delete", "deletecollection"} {
		access.check(clusterset.Account, verb+" /secrets in hansa-system", false)
	}
	for _, what := range []string{"get /secrets in kube-system", "update /secrets in shop", "get /secrets", "get /secrets hansa-ca in default"} {
		access.check(clusterset.Account, what, false)
	}
}
