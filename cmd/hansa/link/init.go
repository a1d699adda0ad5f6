package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// Init makes this cluster the first member of a clusterset: the CA and its own certificate. What is there already stays.
// tell is told each step, a line at a time.
func (t *Target) Init(ctx context.Context, clusterset string, cluster federation.ClusterID, now time.Time, tell func(line string)) (Member, error) {
	m := Member{Clusterset: clusterset, Cluster: cluster, Issuer: true}
	c, good, err := t.already(ctx, clusterset, cluster, nil, now)
	if err != nil {
		return m, err
	}
	if len(c.Cert) > 0 {
		if _, err := t.authority(ctx, now); errors.Is(err, ErrNoCA) {
			return m, fmt.Errorf("%w, as %s of clusterset %s, whose CA it does not hold: hansa ca import gives it that", ErrMember, cluster, clusterset)
		} else if err != nil {
			return m, err
		}
	}
	if err := t.haveNamespace(ctx); err != nil {
		return m, err
	}
	ca, err := t.haveCA(ctx, clusterset, now, tell)
	if err != nil {
		return m, err
	}
	if good {
		tell(fmt.Sprintf("kept the certificate of cluster %s (Secret hansa-identity)", cluster))
		m.Credentials = c
		return m, nil
	}
	m.Credentials, err = t.certify(ctx, ca, clusterset, cluster, now)
	if err == nil {
		tell(fmt.Sprintf("made the certificate of cluster %s (Secret hansa-identity)", cluster))
	}
	return m, err
}

// CanInit returns what Init would say before it makes anything, but for what is good already.
func (t *Target) CanInit(ctx context.Context, clusterset string, cluster federation.ClusterID, now time.Time) error {
	_, _, err := t.already(ctx, clusterset, cluster, nil, now)
	return err
}

func (t *Target) haveCA(ctx context.Context, clusterset string, now time.Time, tell func(string)) (*trust.Authority, error) {
	ca, err := t.secrets.CA(ctx, clusterset)
	if err != nil {
		return nil, t.explain("reading the clusterset's CA", err)
	}
	if ca != nil {
		tell(fmt.Sprintf("kept the CA of clusterset %s (Secret hansa-ca)", clusterset))
		return ca, nil
	}
	if ca, err = trust.NewAuthority(clusterset, now); err != nil {
		return nil, err
	}
	if err := t.secrets.PutCA(ctx, clusterset, ca); err != nil {
		return nil, t.explain("keeping the clusterset's CA", err)
	}
	tell(fmt.Sprintf("made the CA of clusterset %s (Secret hansa-ca)", clusterset))
	return ca, nil
}

// certify gives this cluster a certificate of the CA that it holds itself.
func (t *Target) certify(ctx context.Context, ca *trust.Authority, clusterset string, cluster federation.ClusterID, now time.Time) (c trust.Credentials, err error) {
	if c.Key, err = t.secrets.Begin(ctx); err != nil {
		return c, t.explain("keeping this cluster's key", err)
	}
	der, err := trust.NewRequest(clusterset, cluster, c.Key)
	if err != nil {
		return c, err
	}
	request, err := trust.ParseRequest(clusterset, der)
	if err != nil {
		return c, err
	}
	if c.Cert, err = ca.Sign(request, now); err != nil {
		return c, err
	}
	c.CA = ca.CAPEM()
	if err := t.secrets.PutIdentity(ctx, c); err != nil {
		return c, t.explain("keeping this cluster's certificate", err)
	}
	return c, nil
}
