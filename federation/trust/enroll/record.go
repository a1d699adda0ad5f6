package enroll

import (
	"crypto/subtle"
	"fmt"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// MaxUses bounds what the record of one token may grow to.
const MaxUses = 1000

// Record is what is kept of a token where it was made: enough to know it again, too little to use it.
type Record struct {
	ID      trust.TokenID        `json:"id"`
	Secret  trust.Digest         `json:"secret"`            // of the secret
	Cluster federation.ClusterID `json:"cluster,omitempty"` // "" if it is for any unused ID
	Created time.Time            `json:"created"`
	Expires time.Time            `json:"expires"`
	Uses    int                  `json:"uses"` // how often it may be used
	Used    []Use                `json:"used,omitempty"`
}

// Use is one use of a token: who joined by it, and with which key.
type Use struct {
	Cluster federation.ClusterID `json:"cluster"`
	UID     string               `json:"uid"` // of the namespace kube-system
	Key     trust.Digest         `json:"key"` // of the public key
	At      time.Time            `json:"at"`
}

// NewRecord returns the record of a token that may be used so often until ttl has passed.
func NewRecord(t trust.Token, now time.Time, ttl time.Duration, uses int) (Record, error) {
	if ttl <= 0 {
		return Record{}, fmt.Errorf("ttl %v: want a duration above 0", ttl)
	}
	if uses < 1 || uses > MaxUses {
		return Record{}, fmt.Errorf("uses %d: want 1 to %d", uses, MaxUses)
	}
	now = now.UTC()
	return Record{ID: t.ID, Secret: t.Secret.Digest(), Cluster: t.Cluster, Created: now, Expires: now.Add(ttl), Uses: uses}, nil
}

// Redeem returns the record after a use, or a Refusal. What the token is good for is told only to who has
// its secret. Who used it already, the same cluster with the same key, may use it again until it expires,
// and that changes nothing: so an interrupted join goes on.
func (r Record) Redeem(secret trust.Secret, use Use) (Record, error) {
	digest := secret.Digest()
	switch {
	case subtle.ConstantTimeCompare(digest[:], r.Secret[:]) != 1:
		return r, unknownToken()
	case !use.At.Before(r.Expires):
		return r, refuse(Expired, "the token expired at %s, and it is %s here: make a new one with hansa token create", stamp(r.Expires), stamp(use.At))
	case r.Cluster != "" && r.Cluster != use.Cluster:
		return r, boundToken(r.Cluster, use.Cluster)
	case slices.ContainsFunc(r.Used, use.again):
		return r, nil
	case len(r.Used) >= r.Uses:
		return r, refuse(Used, "the token has been used %s: make a new one with hansa token create", r.usedBy())
	case slices.ContainsFunc(r.Used, use.rivals):
		return r, takenID(use.Cluster)
	}
	use.At = use.At.UTC()
	r.Used = append(slices.Clip(r.Used), use)
	return r, nil
}

// again reports whether it is the same cluster with the same key.
func (u Use) again(o Use) bool { return u.Cluster == o.Cluster && u.UID == o.UID && u.Key == o.Key }

// rivals reports whether it is another cluster with the same ID. What the token let in stands in its record, whoever leads.
func (u Use) rivals(o Use) bool { return u.Cluster == o.Cluster && u.UID != o.UID }

func (r Record) usedBy() string {
	if len(r.Used) == 0 {
		return "up"
	}
	last := r.Used[len(r.Used)-1]
	by := fmt.Sprintf("by cluster %s at %s", last.Cluster, stamp(last.At))
	if len(r.Used) > 1 {
		by = fmt.Sprintf("%d times, last %s", len(r.Used), by)
	}
	return by
}

// unknownToken is said of a token that there is not and of one with another secret, word for word.
func unknownToken() error {
	return refuse(Unknown, "this member knows no such token, or no longer: ask the member that it was made on, or make a new one there with hansa token create")
}

func boundToken(bound, wanted federation.ClusterID) error {
	return refuse(Bound, "the token is for cluster %s, and cluster %s wants to join: give --cluster %s, or make a token for %s with hansa token create", bound, wanted, bound, wanted)
}

func takenID(id federation.ClusterID) error {
	return refuse(Taken, "the cluster ID %s is another cluster's, as the UID of its namespace kube-system shows: choose another ID, or let the other one leave first", id)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
