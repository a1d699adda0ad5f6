package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// Request is what is taken of a certificate signing request that has proven that its sender holds the key.
type Request struct {
	Cluster federation.ClusterID
	// Key is the digest of the public key, as KeyDigest gives it for the certificate.
	Key Digest
	pub crypto.PublicKey
}

// NewKey makes a member's private key, ECDSA P-256, in PKCS#8. It never leaves its cluster.
func NewKey() ([]byte, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	return keyPEM(key)
}

// NewRequest returns the signing request (PKCS#10, DER) of a cluster with a key that NewKey made.
func NewRequest(clusterset string, cluster federation.ClusterID, key []byte) ([]byte, error) {
	if _, err := ParseClusterset(clusterset); err != nil {
		return nil, err
	}
	if _, err := federation.ParseClusterID(string(cluster)); err != nil {
		return nil, err
	}
	signer, err := parseKey(key)
	if err != nil {
		return nil, fmt.Errorf("key of cluster %q: %w", cluster, err)
	}
	template := &x509.CertificateRequest{URIs: []*url.URL{memberURI(clusterset, cluster)}}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, signer)
	if err != nil {
		return nil, fmt.Errorf("make the signing request of cluster %q: %w", cluster, err)
	}
	return der, nil
}

// ParseRequest checks a signing request (PKCS#10, DER) that a stranger sent: it names one cluster of the
// clusterset, as a member's certificate does, its key is one that is worth signing, and its signature is
// that key's.
func ParseRequest(clusterset string, der []byte) (Request, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return Request{}, fmt.Errorf("the signing request cannot be read: %w", err)
	}
	if err := checkKey(csr.PublicKey); err != nil { // first: to check an endless key's signature takes long
		return Request{}, err
	}
	if err := csr.CheckSignature(); err != nil {
		return Request{}, fmt.Errorf("the signing request is not signed with its own key: %w", err)
	}
	cluster, err := clusterOf(&x509.Certificate{Extensions: csr.Extensions}, clusterset)
	if err != nil {
		return Request{}, fmt.Errorf("what the signing request asks for: %w", err)
	}
	return Request{Cluster: cluster, Key: sha256.Sum256(csr.RawSubjectPublicKeyInfo), pub: csr.PublicKey}, nil
}

func checkKey(key crypto.PublicKey) error {
	switch key := key.(type) {
	case ed25519.PublicKey:
		return nil
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() || key.Curve == elliptic.P384() {
			return nil
		}
	}
	return errors.New("the signing request: want an ECDSA key on P-256 or P-384, or an Ed25519 key")
}

// RenewAt returns when a certificate is to be renewed: from half of its life on, and a tenth of it later
// at most, so that members that joined together do not all ask at once. spread is from [0, 1), random.
func RenewAt(cert *x509.Certificate, spread float64) time.Time {
	life := cert.NotAfter.Sub(cert.NotBefore)
	return cert.NotBefore.Add(life/2 + time.Duration(spread*float64(life)/10))
}
