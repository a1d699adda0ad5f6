package link

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/secrets"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// ExportCA returns the clusterset's CA, certificate and key, as ImportCA takes it. Whoever has it can speak as any cluster.
func (t *Target) ExportCA(ctx context.Context) ([]byte, error) {
	set, err := t.secrets.Clusterset(ctx)
	if err != nil {
		return nil, t.explain("reading the clusterset's CA", err)
	}
	if set == "" {
		return nil, ErrNoCA
	}
	ca, err := t.secrets.CA(ctx, set)
	if err != nil {
		return nil, t.explain("reading the clusterset's CA", err)
	}
	if ca == nil {
		return nil, ErrNoCA
	}
	key, err := ca.KeyPEM()
	if err != nil {
		return nil, fmt.Errorf("encoding the CA's key: %w", err)
	}
	return append(ca.CAPEM(), key...), nil
}

// ErrNoMember is why a cluster gets no CA: it would sign for a clusterset that it is no member of.
var ErrNoMember = errors.New("this cluster is no member of a clusterset yet: let it join first (hansa join)")

// ImportCA keeps the CA of the clusterset that this cluster is a member of, so that it can let clusters in and renew
// certificates, too. A CA that this cluster does not trust is refused.
func (t *Target) ImportCA(ctx context.Context, text []byte) (clusterset string, err error) {
	c, err := t.secrets.Identity(ctx)
	if err != nil {
		return "", t.explain("reading this cluster's identity", err)
	}
	if len(c.Cert) == 0 {
		return "", ErrNoMember
	}
	clusterset, _, err = trust.Named(c.Cert)
	if err != nil {
		return "", fmt.Errorf("namespace %s: Secret %s: %w", t.Namespace, secrets.IdentityName, err)
	}
	cert, key := split(text)
	ca, err := trust.LoadAuthority(clusterset, cert, key)
	if err != nil {
		return clusterset, err
	}
	if !trust.Pinned(c.CA, ca.Pin()) {
		return clusterset, fmt.Errorf("it is not the CA of clusterset %s, which this cluster is a member of", clusterset)
	}
	if err := t.secrets.PutCA(ctx, clusterset, ca); err != nil {
		return clusterset, t.explain("keeping the clusterset's CA", err)
	}
	return clusterset, nil
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
