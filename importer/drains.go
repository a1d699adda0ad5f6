package importer

import (
	"maps"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// drains knows when clusters that lose their traffic lose more of it. The loop of the Importer alone uses it.
type drains struct {
	overrides map[federation.ClusterID]federation.Drain // of this cluster alone
	due       map[federation.ClusterID]time.Time        // when the next step of a cluster's services is
}

// Drain says which clusters are drained for this cluster alone, whatever these say of themselves. It does not block and keeps
// list.
func (i *Importer) Drain(list map[federation.ClusterID]federation.Drain) {
	i.facts.set(func() {
		if !maps.Equal(i.facts.drains, list) {
			i.facts.drains, i.facts.dirtyAll = list, true
		}
	})
}

// lost returns how many percent of their traffic the clusters of exports have lost by now, nil where none has lost any.
func (d *drains) lost(exports []*federation.Export, now time.Time) []uint8 {
	var list []uint8
	for n, e := range exports {
		drain, overridden := d.overrides[e.Cluster]
		if !overridden {
			drain = e.Drain
		}
		percent, until := drain.Taken(now)
		if !until.IsZero() {
			if due, known := d.due[e.Cluster]; !known || until.Before(due) {
				d.due[e.Cluster] = until
			}
		}
		if percent == 0 {
			continue
		}
		if list == nil {
			list = make([]uint8, len(exports))
		}
		list[n] = percent
	}
	return list
}

// isDue reports whether a cluster loses more by the time alone.
func (d *drains) isDue(now time.Time) bool {
	for _, at := range d.due {
		if !now.Before(at) {
			return true
		}
	}
	return false
}

// step returns the clusters that lose more by now. Their services say when the next step is.
func (d *drains) step(now time.Time) (list []federation.ClusterID) {
	for cluster, at := range d.due {
		if !now.Before(at) {
			list = append(list, cluster)
			delete(d.due, cluster)
		}
	}
	slices.Sort(list)
	return list
}
