package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/url"
	"slices"
	"testing"
	"time"
)

func request(t *testing.T, key crypto.Signer, change func(*x509.CertificateRequest)) []byte {
	t.Helper()
	template := &x509.CertificateRequest{URIs: []*url.URL{memberURI(mesh, "west")}}
	change(template)
	return must(x509.CreateCertificateRequest(rand.Reader, template, key))(t)
}

func TestARequestBecomesACertificateOfItsKeyAndClusterAlone(t *testing.T) {
	ca := newAuthority(t, mesh)
	now := time.Now()
	keyText := must(NewKey())(t)
	r := must(ParseRequest(mesh, must(NewRequest(mesh, "west", keyText))(t)))(t)
	cert := must(ca.Sign(r, now))(t)
	c := Credentials{Cert: cert, Key: keyText, CA: ca.CAPEM()}
	if err := c.Check(mesh, "west", now); err != nil {
		t.Error(err)
	}
	leaf := must(parseCertificates(cert))(t)[0]
	if r.Cluster != "west" || r.Key != KeyDigest(leaf) {
		t.Errorf("the request is for %s with key %s, the certificate has key %s", r.Cluster, r.Key, KeyDigest(leaf))
	}
	if life := leaf.NotAfter.Sub(now).Round(time.Hour); life != memberLife {
		t.Errorf("it lives %v", life)
	}

	greedy := must(ParseRequest(mesh, request(t, must(newKey())(t), func(r *x509.CertificateRequest) {
		r.Subject = pkix.Name{CommonName: "victim", Organization: []string{"system:masters"}}
		r.ExtraExtensions = []pkix.Extension{{Id: []int{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 0x03, 0x01, 0x01, 0xff}}}
	})))(t)
	leaf = must(parseCertificates(must(ca.Sign(greedy, now))(t)))(t)[0]
	if leaf.IsCA || leaf.Subject.String() != "CN=west" || len(leaf.Subject.Organization) != 0 {
		t.Errorf("got a CA (%t) or another name: %s", leaf.IsCA, leaf.Subject)
	}
}

func TestRequestsOfStrangersAreChecked(t *testing.T) {
	key := must(newKey())(t)
	same := func(*x509.CertificateRequest) {}
	good := request(t, key, same)
	damaged := append([]byte(nil), good...)
	damaged[len(damaged)-1] ^= 1
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		der []byte
		why string // "" if it is good
	}{
		"good":               {good, ""},
		"Ed25519":            {request(t, edwards, same), ""},
		"P-384":              {request(t, must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(t), same), ""},
		"P-224":              {request(t, must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))(t), same), "want an ECDSA key"},
		"RSA":                {request(t, must(rsa.GenerateKey(rand.Reader, 2048))(t), same), "want an ECDSA key"},
		"nothing":            {nil, "cannot be read"},
		"more":               {append(slices.Clip(good), 0), "cannot be read"},
		"another signature":  {damaged, "not signed with its own key"},
		"no name":            {request(t, key, func(r *x509.CertificateRequest) { r.URIs = nil }), "want exactly one"},
		"two names":          {request(t, key, func(r *x509.CertificateRequest) { r.URIs = append(r.URIs, r.URIs[0]) }), "want exactly one"},
		"an address too":     {request(t, key, func(r *x509.CertificateRequest) { r.IPAddresses = []net.IP{{1, 2, 3, 4}} }), "want exactly one"},
		"another clusterset": {request(t, key, func(r *x509.CertificateRequest) { r.URIs[0] = memberURI("other.example", "west") }), "other.example"},
		"no cluster":         {request(t, key, func(r *x509.CertificateRequest) { r.URIs[0] = memberURI(mesh, "") }), "RFC 1123"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := ParseRequest(mesh, tt.der)
			if tt.why != "" {
				refused(t, "the request", err, tt.why)
			} else if err != nil || r.Cluster != "west" {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

func TestNoCertificateOutlivesTheCA(t *testing.T) {
	now := time.Now()
	ca := newAuthority(t, mesh)
	r := must(ParseRequest(mesh, must(NewRequest(mesh, "west", must(NewKey())(t)))(t)))(t)
	late := ca.cert.NotAfter.Add(-time.Hour)
	leaf := must(parseCertificates(must(ca.Sign(r, late))(t)))(t)[0]
	if !leaf.NotAfter.Equal(ca.cert.NotAfter) {
		t.Errorf("the CA ends at %s, the certificate at %s", ca.cert.NotAfter, leaf.NotAfter)
	}
	_, err := ca.Sign(r, ca.cert.NotAfter)
	refused(t, "an expired CA", err, "the CA expired")
	_, err = ca.Sign(Request{Cluster: "west"}, now)
	refused(t, "a request that was not checked", err, "ParseRequest")
}

func TestRequestsAreMadeOnlyOfWhatCanBe(t *testing.T) {
	key := must(NewKey())(t)
	if _, err := NewRequest("Mesh", "west", key); err == nil {
		t.Error("took the clusterset Mesh")
	}
	if _, err := NewRequest(mesh, "West", key); err == nil {
		t.Error("took the cluster West")
	}
	if _, err := NewRequest(mesh, "west", []byte("no key")); err == nil {
		t.Error("took a key that is none")
	}
}

func TestRenewalIsDueFromHalfOfTheLife(t *testing.T) {
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	cert := &x509.Certificate{NotBefore: from, NotAfter: from.Add(100 * time.Hour)}
	for spread, want := range map[float64]time.Duration{0: 50 * time.Hour, 0.5: 55 * time.Hour, 1: 60 * time.Hour} {
		if got := RenewAt(cert, spread).Sub(from); got != want {
			t.Errorf("spread %v: after %v, want %v", spread, got, want)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	key, err := NewKey()
	if err != nil {
		f.Fatal(err)
	}
	der, err := NewRequest(mesh, "west", key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Fuzz(func(t *testing.T, der []byte) {
		if r, err := ParseRequest(mesh, der); err == nil && (r.pub == nil || r.Cluster == "") {
			t.Errorf("took %+v", r)
		}
	})
}
