package stream

import (
	"sync"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// links keeps one link per peer. When both members dialed at once, the stream dialed by the lower
// cluster ID stays, so that both keep the same one.
type links struct {
	mu     sync.Mutex
	active map[federation.ClusterID]*link
	ended  map[federation.ClusterID]chan struct{} // closes when the active link of the peer ends
}

func newLinks() *links {
	return &links{active: map[federation.ClusterID]*link{}, ended: map[federation.ClusterID]chan struct{}{}}
}

// add makes l the link to its peer, or returns errReplaced when a better one stands.
func (ls *links) add(l *link) error {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if old := ls.active[l.peer]; old != nil {
		preferred := min(l.peer, l.store.Self())
		if old.dialer == preferred && l.dialer != preferred && old.healthy(time.Now()) {
			return errReplaced
		}
		old.cancel(errReplaced)
		close(ls.ended[l.peer])
	}
	ls.active[l.peer] = l
	ls.ended[l.peer] = make(chan struct{})
	return nil
}

// remove forgets l and reports whether it was the link to its peer.
func (ls *links) remove(l *link) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.active[l.peer] != l {
		return false
	}
	delete(ls.active, l.peer)
	close(ls.ended[l.peer])
	delete(ls.ended, l.peer)
	return true
}

// wait returns a channel that closes when the link to peer ends or is replaced, nil if there is none.
func (ls *links) wait(peer federation.ClusterID) <-chan struct{} {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.ended[peer]
}
