package trust

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// Credentials are what a member's three PEM files hold, wherever they are kept: see Files.
type Credentials struct {
	Cert, Key, CA []byte
}

// inMemory names the texts of Credentials that come from no file, as the keys of a Secret do.
var inMemory = Files{Cert: "tls.crt", Key: "tls.key", CA: "ca.crt"}

// material is what one reading of Credentials gave. It is never changed.
type material struct {
	texts  Credentials
	cert   tls.Certificate
	rooted tls.Certificate // cert with the CA's certificate at its end
	roots  *x509.CertPool
}

// Check returns an error unless these make an identity of the cluster at now. It names what is wrong as
// tls.crt, tls.key or ca.crt.
func (c Credentials) Check(clusterset string, cluster federation.ClusterID, now time.Time) error {
	_, err := c.material(inMemory, clusterset, cluster, now)
	return err
}

// equal reports whether both say the same, byte for byte.
func (c Credentials) equal(o Credentials) bool {
	return bytes.Equal(c.Cert, o.Cert) && bytes.Equal(c.Key, o.Key) && bytes.Equal(c.CA, o.CA)
}

// material checks that the texts make an identity of the cluster at now. Its errors name the one that is
// wrong as names does.
func (c Credentials) material(names Files, clusterset string, cluster federation.ClusterID, now time.Time) (*material, error) {
	roots, err := bundle(names.CA, c.CA)
	if err != nil {
		return nil, err
	}
	cert, err := keyPair(names, c)
	if err != nil {
		return nil, err
	}
	if err := checkOwn(cert.Leaf, clusterset, cluster, now); err != nil {
		return nil, fmt.Errorf("%s: %w", names.Cert, err)
	}
	chain := append([]*x509.Certificate{cert.Leaf}, parsed(cert.Certificate[1:])...)
	var root *x509.Certificate
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		if root, err = verifyChain(chain, roots, usage, now); err != nil {
			return nil, fmt.Errorf("%s: want a certificate for server and client authentication that a CA in %s signed: %w", names.Cert, names.CA, err)
		}
	}
	rooted := cert
	rooted.Certificate = append(slices.Clip(cert.Certificate), root.Raw)
	return &material{texts: c, cert: cert, rooted: rooted, roots: roots}, nil
}

func checkOwn(leaf *x509.Certificate, clusterset string, cluster federation.ClusterID, now time.Time) error {
	named, err := clusterOf(leaf, clusterset)
	if err != nil {
		return err
	}
	if named != cluster {
		return fmt.Errorf("the certificate names cluster %q, want %q", named, cluster)
	}
	if now.After(leaf.NotAfter) {
		return fmt.Errorf("the certificate expired at %s, and it is %s; want a renewed one", stamp(leaf.NotAfter), stamp(now))
	}
	if now.Before(leaf.NotBefore) {
		return fmt.Errorf("the certificate is not valid before %s, and it is %s; want one that is valid, and a clock that is right", stamp(leaf.NotBefore), stamp(now))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// verifyChain checks the chain of a leaf (first) up to the roots, its use, its times, and that it is no
// CA itself. It returns the root that the chain ends in.
func verifyChain(chain []*x509.Certificate, roots *x509.CertPool, usage x509.ExtKeyUsage, now time.Time) (*x509.Certificate, error) {
	if chain[0].IsCA {
		return nil, errors.New("the certificate is a CA's, want a member's")
	}
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	chains, err := chain[0].Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{usage},
	})
	if err != nil {
		return nil, err
	}
	return chains[0][len(chains[0])-1], nil
}

func keyPair(names Files, c Credentials) (tls.Certificate, error) {
	if _, err := parseCertificates(c.Cert); err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %w", names.Cert, err)
	}
	if block, _ := pem.Decode(c.Key); block == nil {
		return tls.Certificate{}, fmt.Errorf("%s: not PEM, want the private key of the certificate in %s", names.Key, names.Cert)
	}
	cert, err := tls.X509KeyPair(c.Cert, c.Key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: want the private key of the certificate in %s: %w", names.Key, names.Cert, err)
	}
	return cert, nil
}

func bundle(name string, text []byte) (*x509.CertPool, error) {
	certs, err := parseCertificates(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	pool := x509.NewCertPool()
	for _, c := range certs {
		if !c.IsCA {
			return nil, fmt.Errorf("%s: the certificate of %q is not a CA's, want a bundle of CA certificates", name, c.Subject)
		}
		pool.AddCert(c)
	}
	return pool, nil
}
