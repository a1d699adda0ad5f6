package link

import (
	"context"
	"errors"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
)

// ErrNoCA is why a cluster makes no tokens.
var ErrNoCA = errors.New("this cluster does not hold the clusterset's CA: make tokens in one that does, such as the one where hansa init was run")

// NewToken makes a token, bound to a cluster ID or good for any unused one, that is good once KeepToken has its record.
func (t *Target) NewToken(ctx context.Context, cluster federation.ClusterID, ttl time.Duration, uses int, now time.Time) (trust.Token, enroll.Record, error) {
	set, err := t.secrets.Clusterset(ctx)
	if err != nil {
		return trust.Token{}, enroll.Record{}, t.explain("reading the clusterset's CA", err)
	}
	if set == "" {
		return trust.Token{}, enroll.Record{}, ErrNoCA
	}
	ca, err := t.secrets.CA(ctx, set)
	if err != nil {
		return trust.Token{}, enroll.Record{}, t.explain("reading the clusterset's CA", err)
	}
	if ca == nil {
		return trust.Token{}, enroll.Record{}, ErrNoCA
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
func (t *Target) Tokens(ctx context.Context) ([]enroll.Record, error) { return t.secrets.Tokens(ctx) }

// RevokeToken forgets a token. It returns enroll.ErrNoToken if there is none.
func (t *Target) RevokeToken(ctx context.Context, id trust.TokenID) error {
	return t.secrets.RevokeToken(ctx, id)
}
