package trust

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	memberLife    = 365 * 24 * time.Hour
	// backdate lets clocks that are behind accept a new certificate.
	backdate = time.Hour
)

// Authority is a clusterset's own CA: whoever holds its key decides who is a member. It is immutable.
type Authority struct {
	clusterset string
	key        crypto.Signer
	cert       *x509.Certificate
}

// NewAuthority makes a CA with a new ECDSA P-256 key, valid for ten years from now.
func NewAuthority(clusterset string, now time.Time) (*Authority, error) {
	if _, err := ParseClusterset(clusterset); err != nil {
		return nil, err
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: clusterset},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	cert, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign the CA certificate: %w", err)
	}
	return &Authority{clusterset: clusterset, key: key, cert: cert}, nil
}

// LoadAuthority returns the CA of a clusterset from what CAPEM and KeyPEM gave.
func LoadAuthority(clusterset string, caPEM, keyPEM []byte) (*Authority, error) {
	if _, err := ParseClusterset(clusterset); err != nil {
		return nil, err
	}
	certs, err := parseCertificates(caPEM)
	if err != nil {
		return nil, fmt.Errorf("CA certificate: %w", err)
	}
	if len(certs) != 1 || !certs[0].IsCA {
		return nil, errors.New("CA certificate: want exactly one certificate, a CA's")
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("CA key: %w", err)
	}
	if pub, ok := certs[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(key.Public()) {
		return nil, errors.New("CA key: it is not the key of the CA certificate")
	}
	return &Authority{clusterset: clusterset, key: key, cert: certs[0]}, nil
}

// CAPEM returns the CA certificate.
func (a *Authority) CAPEM() []byte { return certPEM(a.cert.Raw) }

// KeyPEM returns the CA's key in PKCS#8. Whoever has it can speak as any cluster.
func (a *Authority) KeyPEM() ([]byte, error) { return keyPEM(a.key) }

// Issue returns the certificate of a cluster's public key. The caller has made sure that the key belongs
// to the cluster.
func (a *Authority) Issue(cluster federation.ClusterID, pub crypto.PublicKey, notBefore, notAfter time.Time) ([]byte, error) {
	if _, err := federation.ParseClusterID(string(cluster)); err != nil {
		return nil, err
	}
	if notAfter.After(a.cert.NotAfter) {
		return nil, fmt.Errorf("certificate of cluster %q until %s: want no later than the CA's own end, %s", cluster, stamp(notAfter), stamp(a.cert.NotAfter))
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: string(cluster)},
		NotBefore:   notBefore,
		NotAfter:    notAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		URIs:        []*url.URL{memberURI(a.clusterset, cluster)},
	}
	cert, err := sign(template, a.cert, pub, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of cluster %q: %w", cluster, err)
	}
	return certPEM(cert.Raw), nil
}

// WriteMember makes a key and a certificate of a cluster, valid for a year from now, and writes them with
// the CA certificate to dir as tls.crt, tls.key (mode 0600) and ca.crt. Each file is replaced whole.
func (a *Authority) WriteMember(dir string, cluster federation.ClusterID, now time.Time) (Files, error) {
	key, err := newKey()
	if err != nil {
		return Files{}, err
	}
	cert, err := a.Issue(cluster, key.Public(), now.Add(-backdate), now.Add(memberLife))
	if err != nil {
		return Files{}, err
	}
	secret, err := keyPEM(key)
	if err != nil {
		return Files{}, err
	}
	f := Files{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"), CA: filepath.Join(dir, "ca.crt")}
	return f, errors.Join(
		writeFile(f.Key, secret, 0o600),
		writeFile(f.Cert, cert, 0o644),
		writeFile(f.CA, a.CAPEM(), 0o644),
	)
}

// sign returns a certificate with a random serial number.
func sign(template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
