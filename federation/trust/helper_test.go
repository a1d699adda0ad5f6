package trust

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

const mesh = "mesh.example"

var quietLog = slog.New(slog.DiscardHandler)

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newAuthority(t *testing.T, clusterset string) *Authority {
	t.Helper()
	return must(NewAuthority(clusterset, time.Now()))(t)
}

func newFiles(t *testing.T, ca *Authority, cluster federation.ClusterID) Files {
	t.Helper()
	return must(ca.WriteMember(t.TempDir(), cluster, time.Now()))(t)
}

func newIdentity(t *testing.T, ca *Authority, cluster federation.ClusterID) *Identity {
	t.Helper()
	return must(Load(ca.clusterset, cluster, newFiles(t, ca, cluster)))(t)
}

// leaf is a certificate of cluster a that a test changes before it is signed.
type leaf = x509.Certificate

// forge returns a certificate of the CA after a change to what Issue would give.
func forge(t *testing.T, ca *Authority, change func(*leaf)) tls.Certificate {
	t.Helper()
	now := time.Now()
	template := &leaf{
		NotBefore:   now.Add(-time.Hour),
		NotAfter:    now.Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		URIs:        []*url.URL{memberURI(mesh, "a")},
	}
	change(template)
	key := must(newKey())(t)
	cert := must(sign(template, ca.cert, key.Public(), ca.key))(t)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// write replaces the certificate and the key in files.
func (f Files) write(t *testing.T, cert tls.Certificate) {
	t.Helper()
	var chain strings.Builder
	for _, der := range cert.Certificate {
		chain.Write(certPEM(der))
	}
	der := must(x509.MarshalPKCS8PrivateKey(cert.PrivateKey))(t)
	put(t, f.Cert, chain.String())
	put(t, f.Key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func uris(list ...string) func(*leaf) {
	return func(c *leaf) {
		c.URIs = nil
		for _, s := range list {
			u, err := url.Parse(s)
			if err != nil {
				panic(err)
			}
			c.URIs = append(c.URIs, u)
		}
	}
}
