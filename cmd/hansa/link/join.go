package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
)

// Join makes this cluster a member of the token's clusterset, by asking the member at peer, host:port. A refusal is an
// *enroll.Refusal. A cluster that is that member already stays so, and the token is not used.
func (t *Target) Join(ctx context.Context, peer string, token trust.Token, cluster federation.ClusterID, now time.Time, tell func(line string)) (Member, error) {
	m := Member{Clusterset: token.Clusterset, Cluster: cluster, Peers: []string{peer}}
	if err := enroll.CheckToken(token, cluster); err != nil {
		return m, err
	}
	c, good, err := t.already(ctx, token.Clusterset, cluster, &token.Pin, now)
	if err != nil {
		return m, err
	}
	if good {
		tell(fmt.Sprintf("cluster %s is a member of %s already; the token was not used", cluster, token.Clusterset))
		m.Credentials = c
		return m, nil
	}
	uid, err := t.UID(ctx)
	if err != nil {
		return m, err
	}
	if err := t.haveNamespace(ctx); err != nil {
		return m, err
	}
	begun := len(c.Key) > 0
	key, err := t.secrets.Begin(ctx)
	if err != nil {
		return m, t.explain("keeping this cluster's key", err)
	}
	tell(fmt.Sprintf("asking %s to let cluster %s in", peer, cluster))
	got, err := enroll.Join(ctx, peer, token, enroll.Applicant{Cluster: cluster, UID: uid, Key: key})
	if enroll.CodeOf(err) != "" {
		return m, t.forget(ctx, begun, err)
	} else if err != nil {
		return m, fmt.Errorf("asking the member at %s: %w: is that its address, as seen from here, and is its agent up? The command may be repeated", peer, err)
	}
	if err := t.secrets.PutIdentity(ctx, got.Credentials); err != nil {
		return m, t.explain("keeping this cluster's certificate", err)
	}
	tell(fmt.Sprintf("got the certificate of cluster %s (Secret hansa-identity)", cluster))
	m.Credentials, m.Peers = got.Credentials, others(peer, got.Addresses)
	return m, nil
}

// CanJoin returns what Join would say before it asks anybody or makes anything, but for what is good already.
func (t *Target) CanJoin(ctx context.Context, token trust.Token, cluster federation.ClusterID, now time.Time) error {
	if err := enroll.CheckToken(token, cluster); err != nil {
		return err
	}
	_, _, err := t.already(ctx, token.Clusterset, cluster, &token.Pin, now)
	return err
}

// forget returns why a cluster was not let in, once the key is gone that was made to ask: unless somebody began with it
// before, or the member may have signed it.
func (t *Target) forget(ctx context.Context, begun bool, refused error) error {
	if code := enroll.CodeOf(refused); begun || code == enroll.Failed || code == enroll.Answer {
		return refused
	}
	if err := t.secrets.Forget(ctx); err != nil {
		return errors.Join(refused, t.explain("deleting the key that was made to ask", err))
	}
	return refused
}

// others returns the address that was typed, which is known to work, and then those that the member named.
func others(typed string, named []string) []string {
	list := []string{typed}
	for _, address := range named {
		if address != typed {
			list = append(list, address)
		}
	}
	return list
}
