package stream

import (
	"sync"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// links keeps one link per peer. Of two leaders of that cluster the one with the greater term is right. When both
// members dialed at once, the stream dialed by the lower cluster ID stays, so that both keep the same one.
type links struct {
	mu     sync.Mutex
	all    map[*link]bool // of peers and of standbys, better and worse
	active map[federation.ClusterID]*link
	ended  map[federation.ClusterID]chan struct{} // closes when the active link of the peer ends
}

func newLinks() *links {
	return &links{all: map[*link]bool{}, active: map[federation.ClusterID]*link{}, ended: map[federation.ClusterID]chan struct{}{}}
}

// add makes l, whose hello came, the link to its peer, or returns errReplaced when a better one stands.
func (ls *links) add(l *link) error {
	speaks := l.speaks()
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if old := ls.active[l.peer]; old != nil {
		if old.healthy(time.Now()) && better(old.dialer, old.speaks(), l.dialer, speaks, min(l.peer, l.store.Self())) {
			return errReplaced
		}
		old.cancel(errReplaced)
		close(ls.ended[l.peer])
	}
	ls.active[l.peer] = l
	ls.ended[l.peer] = make(chan struct{})
	return nil
}

// better reports whether a healthy link stays though there is another.
func better(dialer federation.ClusterID, term uint64, other federation.ClusterID, otherTerm uint64, preferred federation.ClusterID) bool {
	if term != otherTerm {
		return term > otherTerm
	}
	return dialer == preferred && other != preferred
}

// open notes a link that begins, so that end reaches it; the function that it returns forgets it.
func (ls *links) open(l *link) func() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.all[l] = true
	return func() {
		ls.mu.Lock()
		defer ls.mu.Unlock()
		delete(ls.all, l)
	}
}

// end ends all links that are open.
func (ls *links) end(cause error) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for l := range ls.all {
		l.cancel(cause)
	}
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
