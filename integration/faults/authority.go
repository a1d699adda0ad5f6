package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// authority is the CA of the clusterset, which signs whatever a fault wants.
type authority struct {
	dir     string
	trust   *trust.Authority
	cert    *x509.Certificate
	key     any
	written map[string]trust.Files
}

func newAuthority(dir string) (*authority, error) {
	ca, err := trust.NewAuthority(clusterset.Name, time.Now())
	if err != nil {
		return nil, err
	}
	a := &authority{dir: dir, trust: ca, written: map[string]trust.Files{}}
	keyPEM, err := ca.KeyPEM()
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(ca.CAPEM(), keyPEM)
	if err != nil {
		return nil, err
	}
	a.cert, a.key = pair.Leaf, pair.PrivateKey
	return a, nil
}

// files returns those of a cluster, which are written the first time.
func (a *authority) files(cluster string) (trust.Files, error) {
	if f, ok := a.written[cluster]; ok {
		return f, nil
	}
	dir := filepath.Join(a.dir, cluster)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return trust.Files{}, err
	}
	f, err := a.trust.WriteMember(dir, federation.ClusterID(cluster), time.Now())
	if err == nil {
		a.written[cluster] = f
	}
	return f, err
}

// write gives an agent its files.
func (a *authority) write(cluster string, o *agent.Options) error {
	f, err := a.files(cluster)
	if err != nil {
		return fmt.Errorf("making the certificate of %s: %w", cluster, err)
	}
	o.CertFile, o.KeyFile, o.CAFile = f.Cert, f.Key, f.CA
	return nil
}

// memberURI is the name in a member's certificate.
func memberURI(cluster string) string { return "spiffe://" + clusterset.Name + "/cluster/" + cluster }

// forge returns a certificate that the CA signs after a change to what a member's has.
func (a *authority) forge(cluster string, change func(*x509.Certificate)) (tls.Certificate, error) {
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		URIs:        uris(memberURI(cluster)),
	}
	change(template)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// install replaces the certificate and key of a cluster's files.
func (a *authority) install(cluster string, cert tls.Certificate) error {
	f, err := a.files(cluster)
	if err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(f.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), 0o600)
}

func uris(names ...string) (list []*url.URL) {
	for _, name := range names {
		u, err := url.Parse(name)
		if err != nil {
			panic(err) // a name that a fault spells
		}
		list = append(list, u)
	}
	return list
}
