package agent

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
)

// How long until a renewal that failed is tried again, and longer each time. Half of a certificate's life is left for it.
const (
	renewLeast = time.Minute
	renewMost  = time.Hour
)

// renewal is why this cluster's certificate could not be renewed when it was last tried. Any goroutine may use it.
type renewal struct{ failed atomic.Pointer[string] }

// fault returns why, "" for nothing.
func (r *renewal) fault() string {
	if why := r.failed.Load(); why != nil {
		return *why
	}
	return ""
}

// note keeps how a try went; nil forgets the one before.
func (r *renewal) note(err error) {
	if err == nil {
		r.failed.Store(nil)
		return
	}
	r.failed.Store(new(err.Error()))
}

// watchFiles takes what the certificate files hold whenever they change.
func (m *member) watchFiles(ctx context.Context) error { return m.identity.Watch(ctx, m.log) }

// renew has this cluster's certificate renewed while this agent leads, until ctx ends. One that did not come from hansa, as
// cert-manager's, is renewed by whoever made it: then the files change.
func (m *member) renew(ctx context.Context) error {
	spread, wait := rand.Float64(), time.Duration(0)
	for ctx.Err() == nil {
		changed := m.identity.Changed()
		standing, moved := m.presence.now()
		due := time.Until(trust.RenewAt(m.identity.Certificate(), spread))
		var timer <-chan time.Time
		if standing.Leads {
			timer = time.After(max(due, wait))
		} else {
			m.renewal.note(nil) // another agent tries, and knows
		}
		select {
		case <-timer:
			wait = m.renewOnce(ctx, wait)
		case <-moved:
		case <-changed:
			wait = 0
			m.renewal.note(nil)
		case <-ctx.Done():
		}
	}
	return nil
}

// renewOnce tries to renew, and returns how long to wait at least before the next try.
func (m *member) renewOnce(ctx context.Context, waited time.Duration) time.Duration {
	ours, err := m.renewOwn(ctx)
	m.renewal.note(err)
	switch {
	case err != nil && ctx.Err() == nil:
		wait := min(max(2*waited, renewLeast), renewMost)
		m.log.WarnContext(ctx, "this cluster's certificate could not be renewed yet", "valid_until", m.identity.Certificate().NotAfter.UTC(), "error", err, "again_in", wait)
		return wait
	case !ours:
		return renewMost // whether it is ours may change
	}
	return renewLeast // near the end of the CA's life the next one is due at once
}

// renewOwn renews the certificate, keeps it and uses it, and reports whether it is one that hansa gave.
func (m *member) renewOwn(ctx context.Context) (ours bool, err error) {
	kept, err := m.secrets.Identity(ctx)
	if err != nil {
		return false, err
	}
	if !bytes.Equal(kept.Key, m.identity.Credentials().Key) {
		return false, nil
	}
	ca, err := m.authority(ctx)
	if err != nil {
		return true, err
	}
	applicant := enroll.Applicant{Cluster: m.store.Self(), UID: m.store.UID(m.store.Self()), Key: kept.Key}
	got, err := enroll.RenewAnywhere(ctx, ca, m.issuers(), m.identity, applicant)
	if err != nil {
		return true, err
	}
	if err := m.secrets.PutIdentity(ctx, got.Credentials); err != nil {
		return true, err
	}
	if err := m.identity.Use(got.Credentials); err != nil {
		return true, fmt.Errorf("using the renewed certificate: %w", err)
	}
	m.log.InfoContext(ctx, "renewed this cluster's certificate", "valid_until", m.identity.Certificate().NotAfter.UTC())
	return true, nil
}

// issuers are the members that may hold the CA: each is asked, as none says so before.
func (m *member) issuers() (list []enroll.Member) {
	members, _ := m.members()
	for _, peer := range members {
		if peer.Cluster != m.store.Self() {
			list = append(list, enroll.Member{Cluster: peer.Cluster, Address: peer.Address})
		}
	}
	return list
}
