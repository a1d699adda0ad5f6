package gossip

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

const (
	maxNodes           = 4096
	maxNodesPerCluster = 16
	// forgetAfter is how long a node that left still counts. memberlist forgets it about then.
	forgetAfter = 10 * time.Minute
)

// Member is a node of another cluster.
type Member struct {
	Cluster federation.ClusterID
	Address string // host:port
	Node    string // <cluster-id>/<incarnation>
}

// directory knows the nodes from memberlist's events, and where they are.
type directory struct {
	self string // our own node
	home federation.ClusterID

	mu      sync.Mutex
	nodes   map[string]*node
	count   map[federation.ClusterID]int // nodes of each cluster
	swept   time.Time
	edition atomic.Pointer[edition]
}

type node struct {
	cluster federation.ClusterID
	address string
	alive   bool
	gone    time.Time // since when, unless alive
}

// edition is an immutable snapshot of the members.
type edition struct {
	members  []Member
	replaced chan struct{} // closes when another edition is current
}

func newDirectory(self string, home federation.ClusterID) *directory {
	d := &directory{self: self, home: home, nodes: map[string]*node{}, count: map[federation.ClusterID]int{}}
	d.edition.Store(&edition{replaced: make(chan struct{})})
	return d
}

// admit decides whether memberlist may take up a node, and keeps count.
func (d *directory) admit(name string, meta []byte, now time.Time) error {
	if name == d.self {
		return nil
	}
	cluster, err := parseNodeName(name)
	if err != nil {
		return err
	}
	if _, err := decodeMeta(meta); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.nodes[name] != nil {
		return nil
	}
	if !d.room(cluster) {
		d.forget(now)
		d.evictDead(cluster)
		if !d.room(cluster) {
			return fmt.Errorf("too many nodes, of cluster %q or at all", cluster)
		}
	}
	d.nodes[name] = &node{cluster: cluster, gone: now}
	d.count[cluster]++
	return nil
}

func (d *directory) room(cluster federation.ClusterID) bool {
	return d.count[cluster] < maxNodesPerCluster && len(d.nodes) < maxNodes
}

// forget makes room, but not again and again while somebody floods us with names.
func (d *directory) forget(now time.Time) {
	if now.Sub(d.swept) < time.Second {
		return
	}
	d.swept = now
	for name, n := range d.nodes {
		if n.alive || now.Sub(n.gone) <= forgetAfter {
			continue
		}
		delete(d.nodes, name)
		if d.count[n.cluster]--; d.count[n.cluster] == 0 {
			delete(d.count, n.cluster)
		}
	}
}

// evictDead makes room in a cluster that has none by dropping the node that is gone for the longest: one that
// starts again and again must not lock itself out, nor may names that somebody invented.
func (d *directory) evictDead(cluster federation.ClusterID) {
	if d.count[cluster] < maxNodesPerCluster {
		return
	}
	oldest := ""
	for name, n := range d.nodes {
		if n.cluster == cluster && !n.alive && (oldest == "" || n.gone.Before(d.nodes[oldest].gone)) {
			oldest = name
		}
	}
	if oldest != "" {
		delete(d.nodes, oldest)
		d.count[cluster]--
	}
}

// arrive takes what memberlist accepted of an admitted node. It reports whether the node is the first one of
// its cluster, another than ours, and which.
func (d *directory) arrive(name string, meta []byte) (m Member, first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.nodes[name]
	address, err := decodeMeta(meta)
	if n == nil || err != nil {
		return Member{}, false
	}
	first = !d.lives(n.cluster) && n.cluster != d.home
	n.address, n.alive = address, true
	d.publish()
	return Member{n.cluster, n.address, name}, first
}

// depart notes that a node left or failed. Its address stays: it may be told that it is thought dead. It
// reports whether the node was the last one of its cluster, another than ours, and which.
func (d *directory) depart(name string, now time.Time) (m Member, last bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.nodes[name]
	if n == nil {
		return Member{}, false
	}
	before := n.alive
	n.alive, n.gone = false, now
	d.publish()
	return Member{n.cluster, n.address, name}, before && !d.lives(n.cluster) && n.cluster != d.home
}

// lives reports whether a node of a cluster is alive. mu is held.
func (d *directory) lives(cluster federation.ClusterID) bool {
	for _, n := range d.nodes {
		if n.alive && n.cluster == cluster {
			return true
		}
	}
	return false
}

// publish replaces the edition if the members are others now. mu is held.
func (d *directory) publish() {
	var members []Member
	for name, n := range d.nodes {
		if n.alive && n.cluster != d.home {
			members = append(members, Member{Cluster: n.cluster, Address: n.address, Node: name})
		}
	}
	slices.SortFunc(members, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), strings.Compare(b.Node, a.Node))
	})
	old := d.edition.Load()
	if slices.Equal(old.members, members) {
		return
	}
	d.edition.Store(&edition{members: members, replaced: make(chan struct{})})
	close(old.replaced)
}

// find returns where a node is, and whose it is.
func (d *directory) find(name string) (address string, cluster federation.ClusterID, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.nodes[name]
	if n == nil || n.address == "" {
		return "", "", false
	}
	return n.address, n.cluster, true
}

// size returns the number of living nodes, ours included.
func (d *directory) size() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 1
	for _, other := range d.nodes {
		if other.alive {
			n++
		}
	}
	return n
}
