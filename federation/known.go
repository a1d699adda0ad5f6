package federation

import (
	"errors"
	"fmt"
	"slices"
)

// Expect says that there is a cluster, of which nothing may be known yet.
func (s *Store) Expect(cluster ClusterID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owner(cluster)
}

// ErrTaken is why a peer is refused whose cluster ID another cluster has.
var ErrTaken = errors.New("this cluster ID is another cluster's")

// Meet records by which UID of its namespace kube-system a cluster can be told from another of the same ID; so this
// cluster's own agents set theirs. The first one stays until the cluster has left: another is refused with ErrTaken,
// and so is none where there was one.
func (s *Store) Meet(cluster ClusterID, uid string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owner(cluster)
	if o.uid == "" || o.left {
		o.uid = uid
	}
	if o.uid != uid {
		return fmt.Errorf("%w: kube-system of cluster %s had the UID %s, and has %.64q: give each cluster an ID of its own, or let the former one leave first", ErrTaken, cluster, o.uid, uid)
	}
	return nil
}

// UID returns that by which a cluster was met, "" if none.
func (s *Store) UID(cluster ClusterID) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if o := s.owners[cluster]; o != nil {
		return o.uid
	}
	return ""
}

// Complete reports whether a complete set of every cluster that is known of came since the start.
func (s *Store) Complete() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, o := range s.owners {
		if o.version.IsZero() && !o.left {
			return false
		}
	}
	return true
}

// Synced returns the clusters of which a complete set came since the start, by cluster ID. Nothing of
// the others may be concluded from what is not held of them.
func (s *Store) Synced() []ClusterID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []ClusterID
	for id, o := range s.owners {
		if !o.version.IsZero() {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	return list
}

// Peers returns how many other clusters were heard since the start and have not left.
func (s *Store) Peers() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := 0
	for id, o := range s.owners {
		if id != s.self && !o.version.IsZero() && !o.left {
			n++
		}
	}
	return n
}

// Joined returns a channel that closes when a cluster next joins or leaves, so that Peers is another. Take it before
// reading.
func (s *Store) Joined() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.joined.ch
}
