package trust

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// Files are the paths of a member's PEM files: its certificate (leaf first, then intermediates), the
// key of that certificate, and the bundle of the CA certificates it trusts.
type Files struct {
	Cert, Key, CA string
}

// material is what one reading of the files gave. It is never changed.
type material struct {
	cert  tls.Certificate
	roots *x509.CertPool
}

// read reads the files and checks that they make an identity of the cluster at now. Its errors name the
// file that is wrong.
func (f Files) read(clusterset string, cluster federation.ClusterID, now time.Time) (*material, error) {
	roots, err := readBundle(f.CA)
	if err != nil {
		return nil, err
	}
	cert, err := readPair(f.Cert, f.Key)
	if err != nil {
		return nil, err
	}
	if err := checkOwn(cert.Leaf, clusterset, cluster, now); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Cert, err)
	}
	chain := append([]*x509.Certificate{cert.Leaf}, parsed(cert.Certificate[1:])...)
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		if err := verifyChain(chain, roots, usage, now); err != nil {
			return nil, fmt.Errorf("%s: want a certificate for server and client authentication that a CA in %s signed: %w", f.Cert, f.CA, err)
		}
	}
	return &material{cert: cert, roots: roots}, nil
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
// CA itself.
func verifyChain(chain []*x509.Certificate, roots *x509.CertPool, usage x509.ExtKeyUsage, now time.Time) error {
	if chain[0].IsCA {
		return errors.New("the certificate is a CA's, want a member's")
	}
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{usage},
	})
	return err
}

func readPair(certFile, keyFile string) (tls.Certificate, error) {
	certPEM, _, err := readCertificates(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyPEM, err := readFile(keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	if block, _ := pem.Decode(keyPEM); block == nil {
		return tls.Certificate{}, fmt.Errorf("%s: not PEM, want the private key of the certificate in %s", keyFile, certFile)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: want the private key of the certificate in %s: %w", keyFile, certFile, err)
	}
	return cert, nil
}

func readBundle(file string) (*x509.CertPool, error) {
	_, certs, err := readCertificates(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, c := range certs {
		if !c.IsCA {
			return nil, fmt.Errorf("%s: the certificate of %q is not a CA's, want a bundle of CA certificates", file, c.Subject)
		}
		pool.AddCert(c)
	}
	return pool, nil
}
