package federation

import (
	"cmp"
	"slices"
	"time"
)

// Said is the last word of a cluster on a service.
type Said struct {
	Cluster ClusterID
	Name    ServiceName
	// Export is what it says; nil while nothing that it said could be read.
	Export *Export
	// Version is that of the owner of which this is the word: the one at which it became so or, where hashes told
	// what was missing, a later one. It is zero for what is remembered from before a restart.
	Version Version
	// Learned is when it was held first here, by this agent's clock.
	Learned time.Time
	// Unread means that the last word could not be read, or was beyond a limit: Export is the one before.
	Unread bool
}

func (h held) said(cluster ClusterID, name ServiceName) Said {
	return Said{Cluster: cluster, Name: name, Export: h.export, Version: h.version, Learned: time.Unix(0, h.learned), Unread: h.unread}
}

// Said returns the last word of each cluster that says anything of a service, by cluster ID.
func (s *Store) Said(name ServiceName) (list []Said) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for id, o := range s.owners {
		if h, known := o.records[name]; known {
			list = append(list, h.said(id, name))
		}
	}
	slices.SortFunc(list, func(a, b Said) int { return cmp.Compare(a.Cluster, b.Cluster) })
	return list
}

// Names returns the services that any cluster exports, each once and in no particular order.
func (s *Store) Names() []ServiceName {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.names.all()
}

// Unread returns of how many services the last word of each cluster could not be read, or was beyond a limit.
func (s *Store) Unread() map[ClusterID]int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	count := map[ClusterID]int{}
	for id, o := range s.owners {
		for _, h := range o.records {
			if h.unread {
				count[id]++
			}
		}
	}
	return count
}

// FirstAfter returns when a cluster made its first change after a version, by its own clock, of those that are
// remembered; zero if there is none, or that is not known. Who is at that version is behind for that long, or for longer.
func (s *Store) FirstAfter(cluster ClusterID, v Version) time.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o := s.owners[cluster]
	if o == nil || v.Compare(o.version) >= 0 {
		return time.Time{}
	}
	if v.Term != o.version.Term {
		v.Seq = 0 // of its term all are after it
	}
	for _, c := range o.changes.after(v.Seq) {
		if !c.at.IsZero() {
			return c.at
		}
	}
	return time.Time{}
}
