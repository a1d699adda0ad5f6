// Package federationtest helps tests to fill a Store.
//
// In: what a cluster says. Out: a Store that holds it, as after an exchange with that cluster's leader.
package federationtest

import (
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// Say makes s hold just these exports of another cluster, at that version. They must be normalized.
func Say(s *federation.Store, owner federation.ClusterID, at federation.Version, exports ...*federation.Export) error {
	leader := federation.NewStore(owner)
	leader.Announce(1, exports)
	u := leader.SeenBy(leader.Self()).Against(owner, s.Hashes(owner))
	u.To = at
	_, err := s.Apply(u)
	return err
}

// Pass lets a time pass in which the leader of s runs and hears nobody.
func Pass(s *federation.Store, from, to time.Time) {
	for t := from; t.Before(to); t = t.Add(time.Second) {
		s.Awake(t)
	}
	s.Awake(to)
}
