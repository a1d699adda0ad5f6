package agent

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
)

const (
	// placeTime is how long an ID is kept for a cluster that got a certificate and was not heard yet.
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
	uid   string
	until time.Time
}

func newPlaces(store *federation.Store) *places {
	return &places{store: store, now: time.Now, given: map[federation.ClusterID]place{}}
}

// Claim gives an ID to the cluster of a UID, or returns enroll.ErrTaken.
func (p *places) Claim(_ context.Context, cluster federation.ClusterID, uid string, proven bool) error {
	member, known := p.member(cluster)
	switch {
	case known && member.UID != "" && member.UID != uid:
		return enroll.ErrTaken
	case known && member.UID == "" && !proven: // who that is can be known by its certificate alone
		return enroll.ErrTaken
	}
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if given, ok := p.given[cluster]; ok && now.Before(given.until) && given.uid != uid && !proven {
		return enroll.ErrTaken
	}
	for id, given := range p.given {
		if !now.Before(given.until) {
			delete(p.given, id)
		}
	}
	if _, ok := p.given[cluster]; !ok && len(p.given) >= mostPlaces {
		return fmt.Errorf("%d clusters were let in within %s and have not come yet; want them to come first", len(p.given), placeTime)
	}
	p.given[cluster] = place{uid, now.Add(placeTime)}
	return nil
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
