package state

import "slices"

// loss is what a ConfigMap said that was deleted.
type loss struct{ clusters []Cluster } // sorted, valid

// Lost says that the ConfigMap was deleted, and what it said at last: it is written anew by whoever leads, with the
// term, whose state it is, and the clusters, of which those that are silent are remembered nowhere else. It never
// blocks. That this cluster has left is not written again: deleting the ConfigMap takes that back.
func (k *Keeper) Lost(last map[string]string) {
	s, _ := Decode(last) // what cannot be read is lost
	if s.Self != "" && k.config.Self != "" && s.Self != k.config.Self {
		s.Clusters = nil
	}
	k.mu.Lock()
	k.lost, k.data, k.uid = &loss{s.Clusters}, nil, ""
	k.mu.Unlock()
	k.wake()
}

// wake makes Start look at what there is to write.
func (k *Keeper) wake() {
	select {
	case k.woken <- struct{}{}:
	default:
	}
}

// with returns what was noted, and what was remembered before beside it.
func (l *loss) with(noted []Cluster) []Cluster {
	if l == nil {
		return noted
	}
	all := slices.Clone(l.clusters)
	for i := range all {
		all[i].lost = true
	}
	for _, n := range noted {
		i, found := slices.BinarySearchFunc(all, n, byID)
		if !found {
			all = slices.Insert(all, i, n)
			continue
		}
		all[i] = merge(all[i], n)
		all[i].Left, all[i].lost = n.Left, false
	}
	return all
}

// losing returns what is to be written of a ConfigMap that was deleted.
func (k *Keeper) losing() *loss {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lost
}

// regained forgets a loss that is written: what a person removes from now on is not written again.
func (k *Keeper) regained(l *loss) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lost == l {
		k.lost = nil
	}
}
