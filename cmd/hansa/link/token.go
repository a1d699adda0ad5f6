package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/secrets"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
)

// ErrNoCA is why a cluster makes no tokens, and passes no CA on.
var ErrNoCA = errors.New("this cluster does not hold the clusterset's CA: do it in one that does, such as the one where hansa init was run")

// authority returns the CA that this cluster holds, which its own certificate must be of.
func (t *Target) authority(ctx context.Context, now time.Time) (ca *trust.Authority, err error) {
	set, err := t.secrets.Clusterset(ctx)
	if err == nil && set != "" {
		ca, err = t.secrets.CA(ctx, set)
	}
	if err != nil {
		return nil, t.explain("reading the clusterset's CA", err)
	}
	if ca == nil {
		return nil, ErrNoCA
	}
	c, err := t.secrets.Identity(ctx)
	if err != nil {
		return nil, t.explain("reading this cluster's identity", err)
	}
	trusted := c.CA
	if len(c.Cert) == 0 { // its own is still to be made
		trusted = ca.CAPEM()
	}
	if err := ca.Usable(trusted, now); err != nil {
		return nil, fmt.Errorf("namespace %s: Secret %s: %w: give this cluster the right one by hansa ca import, once that Secret is deleted", t.Namespace, secrets.CAName, err)
	}
	return ca, nil
}

// NewToken makes a token, bound to a cluster ID or good for any unused one, that is good once KeepToken has its record.
func (t *Target) NewToken(ctx context.Context, cluster federation.ClusterID, ttl time.Duration, uses int, now time.Time) (trust.Token, enroll.Record, error) {
	ca, err := t.authority(ctx, now)
	if err != nil {
		return trust.Token{}, enroll.Record{}, err
	}
	token, err := ca.NewToken(cluster)
	if err != nil {
		return token, enroll.Record{}, err
	}
	record, err := enroll.NewRecord(token, now, ttl, uses)
	return token, record, err
}

// KeepToken keeps the record of a new token.
func (t *Target) KeepToken(ctx context.Context, r enroll.Record) error {
	if err := t.secrets.AddToken(ctx, r); err != nil {
		return t.explain("keeping the token's record", err)
	}
	return nil
}

// Tokens returns the records of all tokens that were made here, the newest first. Records that cannot be read are an error
// beside the others.
func (t *Target) Tokens(ctx context.Context) ([]enroll.Record, error) {
	records, err := t.secrets.Tokens(ctx)
	if records == nil && err != nil {
		return nil, t.explain("reading the tokens", err)
	}
	return records, err
}

// RevokeToken forgets a token. It returns enroll.ErrNoToken if there is none.
func (t *Target) RevokeToken(ctx context.Context, id trust.TokenID) error {
	err := t.secrets.RevokeToken(ctx, id)
	if err != nil && !errors.Is(err, enroll.ErrNoToken) {
		return t.explain("forgetting the token", err)
	}
	return err
}
