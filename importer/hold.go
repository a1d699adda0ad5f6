package importer

import (
	"cmp"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// A cluster that had as much as this, and loses more than half of both its endpoints and the services that have some
// within holdWindow, without a word that it means to, is held for holdTime: more often than not something went wrong
// with it, and not with its pods.
const (
	holdEndpoints = 100
	holdServices  = 10
	holdWindow    = 10 * time.Second
	holdTime      = 30 * time.Second
	sampleTime    = 100 * time.Millisecond
)

// Held is a cluster whose mass withdrawal is not believed yet.
type Held struct {
	Cluster federation.ClusterID
	Until   time.Time
	// Services are how many go on being served with the endpoints that they had.
	Services int
}

// holds keeps what clusters lost lately, so that it can be served for a while longer. The loop of the Importer alone
// uses it.
type holds struct {
	of map[federation.ClusterID]*losses
	on map[federation.ClusterID]*losses // those that are held: most of the time none
}

// losses is what one cluster had and lost.
type losses struct {
	samples []sample                                      // of the last holdWindow, the oldest first
	former  map[federation.ServiceName]*federation.Export // from before they lost endpoints
	order   []loss                                        // of former, the oldest first
	until   time.Time                                     // it is held; zero if not
	peak    federation.Capacity                           // from which it fell when it began to be held
	rose    bool                                          // it has most of that again
	meant   uint64                                        // changes that the owner meant, as last seen
	both    map[federation.ServiceName]both               // what is served of what is held
}

func newLosses(meant uint64) *losses {
	return &losses{former: map[federation.ServiceName]*federation.Export{}, both: map[federation.ServiceName]both{}, meant: meant}
}

// sample is how much a cluster served in one sampleTime from at on: the most, and in the end.
type sample struct {
	at         time.Time
	most, last federation.Capacity
}

// loss is that a service lost endpoints.
type loss struct {
	at   time.Time
	name federation.ServiceName
}

// both is an Export that was made of the former and the present one, either of which may be nil.
type both struct{ was, now, served *federation.Export }

func newHolds() *holds {
	return &holds{of: map[federation.ClusterID]*losses{}, on: map[federation.ClusterID]*losses{}}
}

// note compares what was served of a service with what its exports are now, remembers what would be lost, and returns
// of which clusters.
func (h *holds) note(old *Service, exports []*federation.Export, self federation.ClusterID, now time.Time) (clusters []federation.ClusterID) {
	if old == nil {
		return nil
	}
	for _, was := range old.Exports {
		if was.Cluster == self || endpointsOf(was) <= endpointsOf(find(exports, was.Cluster)) {
			continue
		}
		clusters = append(clusters, was.Cluster)
		l := h.losses(was.Cluster)
		if _, known := l.former[was.Name]; !known {
			l.former[was.Name] = was
			l.order = append(l.order, loss{now, was.Name})
		}
	}
	return clusters
}

func (h *holds) losses(cluster federation.ClusterID) *losses {
	l := h.of[cluster]
	if l == nil {
		l = newLosses(0)
		h.of[cluster] = l
	}
	return l
}

// weigh takes how much a cluster serves now, and returns the services to conclude anew: as it is held from now on, or
// no more. A hold ends with its time, when the cluster has all that it had again, and when it leaves; what it loses anew
// is held anew.
func (h *holds) weigh(cluster federation.ClusterID, serving federation.Capacity, now time.Time) (dirty []federation.ServiceName) {
	l := h.losses(cluster)
	held := !l.until.IsZero()
	switch {
	case held && now.Before(l.until) && !serving.Left && (serving.Endpoints < l.peak.Endpoints || serving.Services < l.peak.Services):
		l.again(fallen(l.peak, serving), now)
		return nil
	case held, serving.Meant != l.meant:
		dirty = h.names(cluster)
		h.of[cluster] = newLosses(serving.Meant)
		h.of[cluster].sample(serving, now)
		delete(h.on, cluster)
		return dirty
	}
	l.sample(serving, now)
	l.forget(now)
	peak, found := l.collapsed(serving, now)
	if !found {
		return nil
	}
	l.until, l.peak = now.Add(holdTime), peak
	h.on[cluster] = l
	return l.names()
}

// again begins the time of a hold anew when a cluster that had most of what it had falls once more.
func (l *losses) again(fallen bool, now time.Time) {
	if fallen && l.rose {
		l.until = now.Add(holdTime)
	}
	l.rose = !fallen
}

// sample keeps how much was served in the last holdWindow, and just before.
func (l *losses) sample(serving federation.Capacity, now time.Time) {
	for len(l.samples) > 1 && now.Sub(l.samples[1].at) >= holdWindow {
		l.samples = l.samples[1:]
	}
	n := len(l.samples)
	if n == 0 || now.Sub(l.samples[n-1].at) >= sampleTime {
		l.samples = append(l.samples, sample{now, serving, serving})
		return
	}
	last := &l.samples[n-1]
	last.most.Endpoints, last.most.Services = max(last.most.Endpoints, serving.Endpoints), max(last.most.Services, serving.Services)
	last.last = serving
}

// collapsed returns how much the cluster had within holdWindow that has fallen by more than half.
func (l *losses) collapsed(serving federation.Capacity, now time.Time) (peak federation.Capacity, found bool) {
	for _, s := range l.samples {
		had := s.most
		if now.Sub(s.at) >= holdWindow {
			had = s.last // what it was when the window began
		}
		if had.Endpoints >= holdEndpoints && had.Services >= holdServices && fallen(had, serving) {
			return had, true
		}
	}
	return peak, false
}

// fallen reports whether more than half went, of endpoints and of services.
func fallen(had, has federation.Capacity) bool {
	return 2*has.Endpoints < had.Endpoints && 2*has.Services < had.Services
}

// forget drops what was lost too long ago to be held.
func (l *losses) forget(now time.Time) {
	for len(l.order) > 0 && now.Sub(l.order[0].at) >= holdWindow {
		delete(l.former, l.order[0].name)
		l.order = l.order[1:]
	}
}

func (l *losses) names() (list []federation.ServiceName) {
	for name := range l.former {
		list = append(list, name)
	}
	return list
}

// names returns the services of a cluster that are held.
func (h *holds) names(cluster federation.ClusterID) []federation.ServiceName {
	if l := h.on[cluster]; l != nil {
		return l.names()
	}
	return nil
}

// serve returns the exports of one service as they are served: of a cluster that is held the former endpoints too,
// while it has fewer now.
func (h *holds) serve(name federation.ServiceName, exports []*federation.Export) []*federation.Export {
	for cluster, l := range h.on {
		if was, is := l.former[name], find(exports, cluster); endpointsOf(was) > endpointsOf(is) {
			exports = with(exports, l.beside(was, is))
		}
	}
	return exports
}

// beside returns what was said of a service where it is said no more, else what is said with the former endpoints
// beside the present ones; the same pointer for the same two.
func (l *losses) beside(was, is *federation.Export) *federation.Export {
	b := l.both[was.Name]
	if b.served == nil || b.was != was || b.now != is {
		b = both{was, is, was}
		if is != nil {
			served := *is
			served.Subsets = nil
			for _, s := range slices.Concat(is.Subsets, was.Subsets) { // of two of one address the first stays
				served.Subsets = append(served.Subsets, federation.Subset{Ports: slices.Clone(s.Ports), Endpoints: slices.Clone(s.Endpoints)})
			}
			served.Normalize()
			b.served = &served
		}
		l.both[was.Name] = b
	}
	return b.served
}

// due reports whether a hold has ended.
func (h *holds) due(now time.Time) bool {
	for _, l := range h.on {
		if !now.Before(l.until) {
			return true
		}
	}
	return false
}

// list returns the clusters that are held, by cluster ID.
func (h *holds) list() (list []Held) {
	for cluster, l := range h.on {
		list = append(list, Held{cluster, l.until, len(l.former)})
	}
	slices.SortFunc(list, func(a, b Held) int { return cmp.Compare(a.Cluster, b.Cluster) })
	return list
}

func sameHold(a, b Held) bool { return a.Cluster == b.Cluster && a.Until.Equal(b.Until) }

// find returns the export of one cluster in a list by cluster ID, nil if there is none.
func find(exports []*federation.Export, cluster federation.ClusterID) *federation.Export {
	if i, found := place(exports, cluster); found {
		return exports[i]
	}
	return nil
}

// with returns a list by cluster ID in which e stands for its cluster.
func with(exports []*federation.Export, e *federation.Export) []*federation.Export {
	i, found := place(exports, e.Cluster)
	if exports = slices.Clone(exports); found {
		exports[i] = e
		return exports
	}
	return slices.Insert(exports, i, e)
}

func place(exports []*federation.Export, cluster federation.ClusterID) (int, bool) {
	return slices.BinarySearchFunc(exports, cluster, func(e *federation.Export, id federation.ClusterID) int { return cmp.Compare(e.Cluster, id) })
}

// endpointsOf counts the endpoints of an export, none of nil.
func endpointsOf(e *federation.Export) int {
	if e == nil {
		return 0
	}
	return e.EndpointCount()
}
