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

// Pin returns the digest by which a Token knows the CA.
func (a *Authority) Pin() Digest { return KeyDigest(a.cert) }

// Usable returns why certificates of the CA are of no use to a member that trusts the CAs of a bundle, or nil.
func (a *Authority) Usable(trusted []byte, now time.Time) error {
	switch {
	case !Pinned(trusted, a.Pin()):
		return errors.New("it is another CA than this cluster's own certificate is of")
	case now.Before(a.cert.NotBefore) || now.After(a.cert.NotAfter):
		return fmt.Errorf("the CA is good from %s to %s, and it is %s here", stamp(a.cert.NotBefore), stamp(a.cert.NotAfter), stamp(now))
	}
	return nil
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
// the CA certificate to dir as tls.crt, tls.key (mode 0600) and ca.crt.
func (a *Authority) WriteMember(dir string, cluster federation.ClusterID, now time.Time) (Files, error) {
	c, err := a.NewMember(cluster, now)
	if err != nil {
		return Files{}, err
	}
	f := Files{Cert: filepath.Join(dir, inMemory.Cert), Key: filepath.Join(dir, inMemory.Key), CA: filepath.Join(dir, inMemory.CA)}
	return f, f.Write(c)
}

// NewMember makes a key and a certificate of a cluster, valid for a year from now or as long as the CA is.
func (a *Authority) NewMember(cluster federation.ClusterID, now time.Time) (Credentials, error) {
	key, err := newKey()
	if err != nil {
		return Credentials{}, err
	}
	cert, err := a.issueFrom(cluster, key.Public(), now)
	if err != nil {
		return Credentials{}, err
	}
	secret, err := keyPEM(key)
	return Credentials{Cert: cert, Key: secret, CA: a.CAPEM()}, err
}

// Sign returns the certificate that a request asks for, valid for a year from now or as long as the CA
// is. It takes nothing of the request but the cluster and the key. The caller has made sure that whoever
// asks is the cluster.
func (a *Authority) Sign(r Request, now time.Time) ([]byte, error) {
	if r.pub == nil {
		return nil, errors.New("sign a certificate: the request is none that ParseRequest took")
	}
	return a.issueFrom(r.Cluster, r.pub, now)
}

func (a *Authority) issueFrom(cluster federation.ClusterID, pub crypto.PublicKey, now time.Time) ([]byte, error) {
	until := now.Add(memberLife)
	if until.After(a.cert.NotAfter) {
		until = a.cert.NotAfter
	}
	if !until.After(now) {
		return nil, fmt.Errorf("the CA expired at %s, and it is %s; want a new one", stamp(a.cert.NotAfter), stamp(now))
	}
	return a.Issue(cluster, pub, now.Add(-backdate), until)
}

// sign returns a certificate with a random serial number.
func sign(template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
