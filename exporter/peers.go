package exporter

import (
	"context"
	"slices"

	"github.com/hansa-mcs/hansa/federation"
)

// followPeers has all that this cluster exports looked at again whenever another cluster left, or clearly more are known
// than when all was looked at last; and what some clusters alone may see whenever one of those came. It does so until
// ctx ends.
func (x *exporter) followPeers(ctx context.Context) {
	var told int // how many were known when all was looked at
	var known []federation.ClusterID
	for {
		joined := x.Store.Joined()
		now := x.others()
		came, left := without(now, known), without(known, now)
		var names []federation.ServiceName
		if known = now; clearlyMore(len(now), told) || len(left) > 0 {
			told, names = len(now), x.exported()
		} else {
			names = x.exportedFor(came)
		}
		if !x.again.look(ctx, names) {
			return
		}
		select {
		case <-joined:
		case <-ctx.Done():
			return
		}
	}
}

// clearlyMore counts few clusters exactly and many roughly: each time all statuses are written, and a
// clusterset of a hundred must not have them written a hundred times while it forms.
func clearlyMore(n, told int) bool { return n > told && (n <= 8 || n >= 2*told) }

// others returns the other clusters that are known and have not left.
func (x *exporter) others() (list []federation.ClusterID) {
	for _, o := range x.Store.Owners() {
		if o.Cluster != x.Store.Self() && !o.Left {
			list = append(list, o.Cluster)
		}
	}
	return list
}

// without returns those of list that are not among others.
func without(list, others []federation.ClusterID) []federation.ClusterID {
	return slices.DeleteFunc(slices.Clone(list), func(id federation.ClusterID) bool { return slices.Contains(others, id) })
}

// exported returns the names of what the Store holds of this cluster.
func (x *exporter) exported() []federation.ServiceName {
	return x.exportedIf(func(*federation.Export) bool { return true })
}

// exportedFor returns the names of what some clusters alone may see, or are named for, and one of these is.
func (x *exporter) exportedFor(clusters []federation.ClusterID) []federation.ServiceName {
	if len(clusters) == 0 {
		return nil
	}
	return x.exportedIf(func(e *federation.Export) bool {
		return who(e, x.Policy) != "" && slices.ContainsFunc(clusters, (&federation.Namespaces{}).Audience(e).Has)
	})
}

func (x *exporter) exportedIf(wanted func(*federation.Export) bool) []federation.ServiceName {
	var names []federation.ServiceName
	if all := x.Store.SeenBy(x.Store.Self()).Against(x.Store.Self(), nil); all != nil {
		for _, r := range all.Put {
			if wanted(r.Export) {
				names = append(names, r.Name)
			}
		}
	}
	return names
}
