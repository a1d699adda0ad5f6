package importer

import (
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// class is what shares a fate: the exports of one cluster, of services for which there is the same patience.
type class struct {
	cluster  federation.ClusterID
	patience federation.Patience
}

// fates keeps what becomes of the endpoints of clusters that are not heard, for the classes of the Services that
// there are. The loop of the Importer alone uses it.
type fates struct {
	store *federation.Store
	of    map[class]*judged
	due   time.Time // when one may change by the time alone; zero for never
	news  bool      // one is another than when tellFated told last
}

type judged struct {
	fate     federation.Fate
	services int // that are of the class
}

func newFates(store *federation.Store) *fates {
	return &fates{store: store, of: map[class]*judged{}}
}

// hold notes that there is a Service, release that it is no more.
func (f *fates) hold(s *Service) { f.count(s, 1) }

func (f *fates) release(s *Service) { f.count(s, -1) }

func (f *fates) count(s *Service, n int) {
	if s == nil {
		return
	}
	for _, e := range s.Exports {
		c := class{e.Cluster, s.Patience}
		j := f.of[c]
		if j == nil {
			continue // our own
		}
		if j.services += n; j.services == 0 {
			delete(f.of, c)
			f.news = f.news || j.fate != federation.Served
		}
	}
}

// fate returns what becomes of a class. Our own cluster is always heard.
func (f *fates) fate(c class, now time.Time) federation.Fate {
	if c.cluster == f.store.Self() {
		return federation.Served
	}
	j := f.of[c]
	if j == nil {
		j = &judged{}
		f.of[c] = j
		f.judge(c, j, now)
	}
	return j.fate
}

// judge brings the fate of a class up to date, and reports whether it is another.
func (f *fates) judge(c class, j *judged, now time.Time) bool {
	fate, until := federation.Overdue(f.store.Pulse(c.cluster), f.store.HearingUntil(now), c.patience)
	if !until.IsZero() && (f.due.IsZero() || until.Before(f.due)) {
		f.due = until
	}
	changed := j.fate != fate
	j.fate, f.news = fate, f.news || changed
	return changed
}

// review brings all fates up to date and returns those that are others.
func (f *fates) review(now time.Time) map[class]bool {
	f.due = time.Time{}
	changed := map[class]bool{}
	for c, j := range f.of {
		if f.judge(c, j, now) {
			changed[c] = true
		}
	}
	return changed
}

// isDue reports whether a fate may have changed by the time alone.
func (f *fates) isDue(now time.Time) bool {
	return !f.due.IsZero() && !f.store.HearingUntil(now).Before(f.due)
}

// settle returns the fates as doors serve them: demoted endpoints wait for a cluster that is heard and has a ready
// one, and without such a cluster they are as good as any. It returns nil if all are served.
func settle(exports []*federation.Export, list []federation.Fate) []federation.Fate {
	better := false
	for i, e := range exports {
		better = better || list[i] == federation.Served && hasReady(e)
	}
	quiet := false
	for i := range list {
		if list[i] == federation.Demoted && !better {
			list[i] = federation.Served
		}
		quiet = quiet || list[i] != federation.Served
	}
	if !quiet {
		return nil
	}
	return list
}

func hasReady(e *federation.Export) bool {
	for i := range e.Subsets {
		for j := range e.Subsets[i].Endpoints {
			if e.Subsets[i].Endpoints[j].Conditions.Has(federation.Ready) {
				return true
			}
		}
	}
	return false
}
