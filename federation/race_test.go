package federation

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// Readers that sleep on the signals, while every cluster changes at once, miss nothing: each ends with
// just what the Store holds. Meant for the race detector, too.
func TestReadersMissNothingWhileAllWrite(t *testing.T) {
	const changes, clusters, readers = 300, 4, 4
	s := announced()
	last := named("last")
	var writing, reading sync.WaitGroup
	for range readers {
		reading.Go(func() { readUntil(t, s, last) })
	}
	for range 2 {
		reading.Go(func() { standBy(t, s, last) })
	}
	writing.Go(func() {
		for i := range changes {
			s.Set(web("own", fmt.Sprintf("s-%d", i%7), fmt.Sprintf("10.0.0.%d", i%250+1)))
			s.Withdraw(named(fmt.Sprintf("s-%d", i%5)))
		}
	})
	for c := range clusters {
		id := ClusterID(fmt.Sprintf("c-%d", c))
		writing.Go(func() { speak(t, s, id, changes) })
	}
	writing.Wait()
	s.Set(web("own", last.Name))
	reading.Wait()
}

// speak applies changes of one cluster, some by hashes and in parts, and most by patches and the log.
func speak(t *testing.T, s *Store, id ClusterID, changes int) {
	owner := owning(id, Version{1, 1}, big(id, "big", 50))
	for i := range changes {
		owner.Set(web(id, fmt.Sprintf("s-%d", i%7), fmt.Sprintf("10.0.0.%d", i%250+1)))
		owner.Set(edited(big(id, "big", 50), func(e *Export) { e.Subsets[0].Endpoints[i%50].Conditions = Terminating }))
		u, ask := owner.SeenBy(owner.Self()).Since(id, s.Head(id), true)
		if ask || i%10 == 0 {
			u = owner.SeenBy(owner.Self()).Against(id, s.Hashes(id))
		}
		for _, part := range split(u, 1) {
			if _, err := s.Apply(part); err != nil {
				t.Error(err)
				return
			}
		}
		s.Heard(id, time.Unix(int64(i), 0))
	}
}

// standBy follows all clusters of s by its signals, as a standby does its leader, until it holds last.
func standBy(t *testing.T, s *Store, last ServiceName) {
	mine := NewStore("own")
	for mine.Export("own", last) == nil {
		changed := s.Changed()
		if takeAll(t, s, mine); mine.Export("own", last) == nil {
			<-changed
		}
	}
	takeAll(t, s, mine)
	for _, o := range s.Owners() {
		if mine.Head(o.Cluster) != s.Head(o.Cluster) || !sameSay(said(mine, o.Cluster), said(s, o.Cluster)) {
			t.Errorf("the standby holds %+v of %s, the Store %+v", mine.Head(o.Cluster), o.Cluster, s.Head(o.Cluster))
		}
	}
}

// takeAll takes what mine lacks of each cluster, while that goes on changing.
func takeAll(t *testing.T, s, mine *Store) {
	for _, o := range s.Owners() {
		u, ask := s.SeenBy(s.Self()).Since(o.Cluster, mine.Head(o.Cluster), true)
		if u != nil {
			_, err := mine.Apply(u)
			if ask = is(err, ErrGap); err != nil && !ask {
				t.Error(err)
			}
		}
		if ask {
			if _, err := mine.Apply(s.SeenBy(s.Self()).Against(o.Cluster, mine.Hashes(o.Cluster))); err != nil {
				t.Error(err)
			}
		}
	}
}

// readUntil keeps what the Store says by its signals alone until it holds last, and compares.
func readUntil(t *testing.T, s *Store, last ServiceName) {
	known := map[ServiceName][]*Export{}
	var revision uint64
	for len(known[last]) == 0 {
		changed := s.Changed()
		list, now, reaches := s.NamesSince(revision)
		if !reaches {
			clear(known)
		}
		for _, name := range list {
			known[name] = s.Exports(name)
		}
		revision = now
		_ = s.Owners()
		if len(known[last]) == 0 {
			<-changed
		}
	}
	for _, name := range s.NamesIn("shop") {
		if !slices.Equal(known[name], s.Exports(name)) {
			t.Errorf("a reader has %v of %s, the Store %v", known[name], name, s.Exports(name))
		}
		delete(known, name)
	}
	for name, list := range known {
		if len(list) > 0 {
			t.Errorf("a reader still has %s", name)
		}
	}
}
