package importer

import (
	"cmp"
	"slices"

	"github.com/hansa-mcs/hansa/federation"
)

// Fated is a cluster that is not heard, or was too seldom, and how many services feel it.
type Fated struct {
	Cluster federation.ClusterID
	// Services are all of this View that the cluster exports, of which some may have a longer patience than others.
	Services int
	// Behind are those in which its endpoints come after those of other clusters. Alone are those in which they would,
	// and are served, as no other cluster has a ready one. Withdrawn are those in which they are not served.
	Behind, Alone, Withdrawn int
}

// Demoted returns in how many services the endpoints of the cluster are demoted.
func (f Fated) Demoted() int { return f.Behind + f.Alone }

// tellFated tells whose endpoints have which fate, by cluster ID, if a fate is another than when it told last.
func (i *Importer) tellFated() {
	if !i.fates.news || i.config.Fated == nil || i.ice != nil { // under the ice nobody's fate is what is served
		return
	}
	i.fates.news = false
	var list []Fated
	for _, cluster := range i.fates.doomed() {
		if f := i.fatedOf(cluster); f.Demoted()+f.Withdrawn > 0 {
			list = append(list, f)
		}
	}
	i.config.Fated(list)
}

// fatedOf counts the services of one cluster, those that are only held included.
func (i *Importer) fatedOf(cluster federation.ClusterID) Fated {
	f, view := Fated{Cluster: cluster}, i.View()
	names := append(i.store.NamesOf(cluster), i.holds.names(cluster)...)
	slices.SortFunc(names, federation.ServiceName.Compare)
	for _, name := range slices.Compact(names) {
		s := view.Service(name)
		if s == nil {
			continue
		}
		n, exports := place(s.Exports, cluster)
		if !exports {
			continue
		}
		f.Services++
		switch i.fates.known(class{cluster, s.Patience}) {
		case federation.Withdrawn:
			f.Withdrawn++
		case federation.Demoted:
			if s.Fate(n) == federation.Demoted {
				f.Behind++
			} else {
				f.Alone++
			}
		}
	}
	return f
}

// doomed returns the clusters of which some class is not served.
func (f *fates) doomed() (list []federation.ClusterID) {
	for c, j := range f.of {
		if j.fate != federation.Served {
			list = append(list, c.cluster)
		}
	}
	slices.SortFunc(list, cmp.Compare)
	return slices.Compact(list)
}

// known returns the fate of a class as it was judged last.
func (f *fates) known(c class) federation.Fate {
	if j := f.of[c]; j != nil {
		return j.fate
	}
	return federation.Served
}
