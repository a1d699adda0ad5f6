package trust

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// Identity is what a member shows to others and how it checks them. All methods may be called from any
// goroutine.
type Identity struct {
	clusterset string
	cluster    federation.ClusterID
	files      Files
	source     netip.Addr // see DialFrom
	material   atomic.Pointer[material]
	read       atomic.Pointer[Credentials] // what the files held when they were last read and used
	unused     atomic.Pointer[string]      // see Unused

	mu      sync.Mutex
	changed chan struct{} // closes when material is another
}

// Load reads a member's files. Its errors say which file is wrong, what is wrong with it and what is
// expected; which option named the file is for the caller to add.
func Load(clusterset string, cluster federation.ClusterID, files Files) (*Identity, error) {
	id, err := unproven(clusterset, cluster)
	if err != nil {
		return nil, err
	}
	id.files = files
	if err := id.Reload(); err != nil {
		return nil, err
	}
	return id, nil
}

// New returns the identity of a member whose credentials are in no files. Its errors name what is wrong
// as tls.crt, tls.key or ca.crt.
func New(clusterset string, cluster federation.ClusterID, c Credentials) (*Identity, error) {
	id, err := unproven(clusterset, cluster)
	if err != nil {
		return nil, err
	}
	if err := id.Use(c); err != nil {
		return nil, err
	}
	return id, nil
}

// unproven returns the identity of a name, without credentials yet.
func unproven(clusterset string, cluster federation.ClusterID) (*Identity, error) {
	if _, err := ParseClusterset(clusterset); err != nil {
		return nil, err
	}
	if _, err := federation.ParseClusterID(string(cluster)); err != nil {
		return nil, err
	}
	return &Identity{clusterset: clusterset, cluster: cluster, changed: make(chan struct{})}, nil
}

// Reload reads the files again. New handshakes use what they hold now; open connections stay. On an
// error nothing changes.
func (id *Identity) Reload() error {
	c, err := id.files.texts()
	if err != nil {
		return err
	}
	return id.takeFiles(c)
}

// takeFiles takes what the files hold.
func (id *Identity) takeFiles(c Credentials) error {
	if err := id.take(id.files, c); err != nil {
		return err
	}
	id.read.Store(&c)
	return nil
}

// Use takes other credentials in place of those it has, as Reload does: they were renewed, and the files
// may follow later. On an error nothing changes.
func (id *Identity) Use(c Credentials) error { return id.take(inMemory, c) }

func (id *Identity) take(names Files, c Credentials) error {
	m, err := c.material(names, id.clusterset, id.cluster, time.Now())
	if err != nil {
		return err
	}
	id.mu.Lock()
	defer id.mu.Unlock()
	id.material.Store(m)
	close(id.changed)
	id.changed = make(chan struct{})
	return nil
}

// Changed returns a channel that closes when the identity next takes credentials, the same ones again
// too. Take it before reading.
func (id *Identity) Changed() <-chan struct{} {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.changed
}

// Cluster returns the cluster that the identity names.
func (id *Identity) Cluster() federation.ClusterID { return id.cluster }

// Clusterset returns the clusterset that the identity belongs to.
func (id *Identity) Clusterset() string { return id.clusterset }

// Certificate returns the certificate shown at present, for its times.
func (id *Identity) Certificate() *x509.Certificate { return id.material.Load().cert.Leaf }

// Unused returns why what the files hold now is not used, as Watch saw it last; "" if it is, or nobody watches.
func (id *Identity) Unused() string {
	if why := id.unused.Load(); why != nil {
		return *why
	}
	return ""
}

// Credentials returns the texts of what the identity shows and trusts at present.
func (id *Identity) Credentials() Credentials { return id.material.Load().texts }

// ServerTLS returns the configuration of a server that speaks the given ALPN protocols with members of
// the clusterset. A client that offers only other protocols is refused; one that offers none is not,
// so the caller looks at NegotiatedProtocol.
func (id *Identity) ServerTLS(protos ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: protos,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &id.material.Load().cert, nil
		},
		// VerifyConnection checks the chain, against the CA bundle as it is then.
		ClientAuth:             tls.RequireAnyClientCert,
		SessionTicketsDisabled: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			_, err := id.verify(state, x509.ExtKeyUsageClientAuth)
			return err
		},
	}
}

// ClientTLS returns the configuration of a client that speaks one ALPN protocol with the cluster want,
// or with any member of the clusterset if want is empty. The server's host name does not matter: members
// are known by cluster, not by address.
func (id *Identity) ClientTLS(want federation.ClusterID, proto string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{proto},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &id.material.Load().cert, nil
		},
		// Only the check of the host name is skipped: VerifyConnection checks all else.
		InsecureSkipVerify:     true,
		SessionTicketsDisabled: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			got, err := id.verify(state, x509.ExtKeyUsageServerAuth)
			if err == nil && want != "" && got != want {
				return fmt.Errorf("the peer is cluster %q, want %q", got, want)
			}
			return err
		},
	}
}

// verify checks all that a peer's certificate must hold, and returns the cluster it names.
func (id *Identity) verify(state tls.ConnectionState, usage x509.ExtKeyUsage) (federation.ClusterID, error) {
	if len(state.PeerCertificates) == 0 {
		return "", errors.New("the peer showed no certificate")
	}
	if _, err := verifyChain(state.PeerCertificates, id.material.Load().roots, usage, time.Now()); err != nil {
		return "", fmt.Errorf("the peer's certificate: %w", err)
	}
	return Peer(state, id.clusterset)
}
