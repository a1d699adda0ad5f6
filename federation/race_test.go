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
	writing.Go(func() {
		for i := range changes {
			s.Set(web("own", fmt.Sprintf("s-%d", i%7), fmt.Sprintf("10.0.0.%d", i%250+1)))
			s.Withdraw(named(fmt.Sprintf("s-%d", i%5)))
		}
	})
	for c := range clusters {
		id := ClusterID(fmt.Sprintf("c-%d", c))
		writing.Go(func() { follow(t, s, id, changes) })
	}
	writing.Wait()
	s.Set(web("own", last.Name))
	reading.Wait()
}

// follow applies changes of one cluster, some as whole sets.
func follow(t *testing.T, s *Store, id ClusterID, changes uint64) {
	for i := range changes {
		u := &Update{Owner: id, From: Version{1, i}, To: Version{1, i + 1}, Put: []*Export{web(id, fmt.Sprintf("s-%d", i%7), fmt.Sprintf("10.0.0.%d", i%250+1))}}
		if i%10 == 0 {
			u.From = Version{}
		}
		if err := s.Apply(u); err != nil {
			t.Error(err)
			return
		}
		s.Heard(id, time.Unix(int64(i), 0))
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
		_, _ = s.Owners(), s.Since("own", Version{1, 1})
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
