package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificateLife is how long certificates are valid; a lab lives for hours.
const certificateLife = 90 * 24 * time.Hour

// credentials are the secrets of one cluster, as files in dir and in memory.
type credentials struct {
	dir   string
	ca    []byte // PEM, of the cluster's own authority.
	token string // of user admin in group system:masters.
}

func (c credentials) file(name string) string { return filepath.Join(c.dir, name) }

// newCredentials makes an authority, the API server's certificate, the key that
// signs service accounts' tokens and an administrator's token.
func newCredentials(dir, cluster string, addresses []net.IP) (credentials, error) {
	c := credentials{dir: dir, token: newToken()}
	authority, key, err := newAuthority(cluster)
	if err != nil {
		return c, fmt.Errorf("make the cluster's authority: %w", err)
	}
	c.ca = pemBlock("CERTIFICATE", authority.Raw)
	files := map[string][]byte{
		"ca.crt":     c.ca,
		"tokens.csv": fmt.Appendf(nil, "%s,admin,admin,\"system:masters\"\n", c.token),
	}
	if files["serving.crt"], files["serving.key"], err = newServing(authority, key, addresses); err != nil {
		return c, fmt.Errorf("make the API server's certificate: %w", err)
	}
	if _, files["sa.key"], err = newKey(); err != nil {
		return c, fmt.Errorf("make the key of service accounts: %w", err)
	}
	for name, content := range files {
		if err := os.WriteFile(c.file(name), content, 0o600); err != nil {
			return c, err
		}
	}
	return c, nil
}

func newToken() string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails.
	return hex.EncodeToString(secret[:])
}

func newAuthority(cluster string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, _, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	template := newTemplate("lab " + cluster)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	authority, err := x509.ParseCertificate(der)
	return authority, key, err
}

func newServing(authority *x509.Certificate, signer *ecdsa.PrivateKey, addresses []net.IP) (crt, pemKey []byte, err error) {
	key, pemKey, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	template := newTemplate("kube-apiserver")
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	template.IPAddresses = addresses
	der, err := x509.CreateCertificate(rand.Reader, template, authority, &key.PublicKey, signer)
	return pemBlock("CERTIFICATE", der), pemKey, err
}

func newTemplate(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)) // never fails.
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(certificateLife),
	}
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key) // the API server reads no PKCS #8 as a public key.
	return key, pemBlock("EC PRIVATE KEY", der), err
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
