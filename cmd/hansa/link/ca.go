package link

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/secrets"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// ExportCA returns the clusterset's CA, certificate and key, as ImportCA takes it. Whoever has it can speak as any cluster.
func (t *Target) ExportCA(ctx context.Context, now time.Time) ([]byte, error) {
	ca, err := t.authority(ctx, now)
	if err != nil {
		return nil, err
	}
	key, err := ca.KeyPEM()
	if err != nil {
		return nil, fmt.Errorf("encoding the CA's key: %w", err)
	}
	return append(ca.CAPEM(), key...), nil
}

// ErrNoMember is why a cluster gets no CA: it would sign for a clusterset that it is no member of.
var ErrNoMember = errors.New("this cluster is no member of a clusterset yet: let it join first (hansa join)")

// ReadCA reads what ExportCA returned. A CA that is not of the clusterset that this cluster is a member of is refused.
func (t *Target) ReadCA(ctx context.Context, text []byte, now time.Time) (clusterset string, ca *trust.Authority, err error) {
	c, err := t.secrets.Identity(ctx)
	if err != nil {
		return "", nil, t.explain("reading this cluster's identity", err)
	}
	if len(c.Cert) == 0 {
		return "", nil, ErrNoMember
	}
	clusterset, _, err = trust.Named(c.Cert)
	if err != nil {
		return "", nil, fmt.Errorf("namespace %s: Secret %s: %w", t.Namespace, secrets.IdentityName, err)
	}
	cert, key := split(text)
	if ca, err = trust.LoadAuthority(clusterset, cert, key); err != nil {
		return clusterset, nil, err
	}
	if err := ca.Usable(c.CA, now); err != nil {
		return clusterset, nil, fmt.Errorf("it cannot be the CA of clusterset %s here: %w", clusterset, err)
	}
	return clusterset, ca, nil
}

// KeepCA keeps the CA of a clusterset, so that this cluster can let clusters in and renew certificates, too.
func (t *Target) KeepCA(ctx context.Context, clusterset string, ca *trust.Authority) error {
	if err := t.secrets.PutCA(ctx, clusterset, ca); errors.Is(err, secrets.ErrExists) {
		return fmt.Errorf("namespace %s: Secret %s holds another CA: delete it if no cluster has a certificate of that", t.Namespace, secrets.CAName)
	} else if err != nil {
		return t.explain("keeping the clusterset's CA", err)
	}
	return nil
}

// split returns the certificates and the keys of a PEM text.
func split(text []byte) (certs, keys []byte) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return certs, keys
		}
		into := &keys
		if block.Type == "CERTIFICATE" {
			into = &certs
		}
		*into = append(*into, pem.EncodeToMemory(block)...)
		text = bytes.TrimSpace(rest)
	}
}
