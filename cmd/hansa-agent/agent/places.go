package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
)

const (
	// placeTime is how long an ID is kept for a cluster that got a certificate and was not heard yet. It is far longer than
	// a token is good, on purpose. The certificate is valid for a year, and who holds it can speak by that name: with a second
	// one given away, either of the two could speak as the other, and whichever came later would be told so only where it
	// connects. From a certificate to the first word it takes minutes where hansa join installs the agents, and a working day
	// where somebody reviews what is installed. Who mistyped an ID is told until when it is kept; that cluster itself may
	// ask for it again at any time.
	placeTime = 24 * time.Hour
	// mostPlaces bounds how many are kept so: each costs a use of a token.
	mostPlaces = 4096
)

// places gives cluster IDs to clusters that join, as an enroll.Clusters. What the Store knows of members counts first; what
// is beside it is of those alone that were let in and have not come yet, and another agent that leads does not know them:
// whoever comes first then keeps the ID, by the Store's own word. Any goroutine may use it.
type places struct {
	store *federation.Store
	now   func() time.Time

	mu    sync.Mutex
	given map[federation.ClusterID]place
}

type place struct {
	uid string
	at  time.Time
}

func (p place) until() time.Time { return p.at.Add(placeTime) }

// isOver reports whether the place is kept no more: its time is over, or the cluster came since, and has left again.
func (p place) isOver(left federation.Owner, now time.Time) bool {
	came := left.Left && left.UID == p.uid && left.Heard.After(p.at)
	return came || !now.Before(p.until())
}

func newPlaces(store *federation.Store) *places {
	return &places{store: store, now: time.Now, given: map[federation.ClusterID]place{}}
}

// Claim gives an ID to the cluster of a UID, or returns enroll.ErrTaken or enroll.ErrMember.
func (p *places) Claim(_ context.Context, cluster federation.ClusterID, uid string, by enroll.Proof) error {
	proven := by == enroll.ByCertificate
	member, known := p.member(cluster)
	switch {
	case known && member.UID != "" && member.UID != uid:
		return enroll.ErrTaken
	case known && member.UID == "" && !proven: // who that is can be known by its certificate alone
		return enroll.ErrTaken
	case known && by == enroll.ByToken:
		return enroll.ErrMember
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if known { // the Store keeps it
		delete(p.given, cluster)
		return nil
	}
	now := p.now()
	p.given = p.kept(now)
	if given, ok := p.given[cluster]; ok && given.uid != uid && !proven {
		return &enroll.AwaitedError{Since: given.at, Until: given.until()}
	}
	if _, ok := p.given[cluster]; !ok && len(p.given) >= mostPlaces {
		return fmt.Errorf("%d clusters were let in within %s and have not come yet; want them to come first", len(p.given), placeTime)
	}
	p.given[cluster] = place{uid, now}
	return nil
}

// kept returns the places that are not over. mu is held.
func (p *places) kept(now time.Time) map[federation.ClusterID]place {
	owners := map[federation.ClusterID]federation.Owner{}
	for _, o := range p.store.Owners() {
		owners[o.Cluster] = o
	}
	kept := maps.Clone(p.given)
	maps.DeleteFunc(kept, func(id federation.ClusterID, given place) bool { return given.isOver(owners[id], now) })
	return kept
}

// member returns what the Store knows of a cluster that has not left; this cluster is one, too.
func (p *places) member(cluster federation.ClusterID) (federation.Owner, bool) {
	list := p.store.Owners()
	i := slices.IndexFunc(list, func(o federation.Owner) bool { return o.Cluster == cluster && !o.Left })
	switch {
	case i >= 0:
		return list[i], true
	case cluster == p.store.Self():
		return federation.Owner{Cluster: cluster, UID: p.store.UID(cluster)}, true
	}
	return federation.Owner{}, false
}
