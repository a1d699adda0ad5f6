package gossip

import (
	"fmt"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/hansa-mcs/hansa/federation"
)

// spoken is the version of memberlist's protocol that every release speaks.
const spoken = memberlist.ProtocolVersion2Compatible

// delegate is called by memberlist, from many goroutines and in part under its lock: nothing here may
// block or call it back.
type delegate struct{ g *Gossip }

var (
	_ memberlist.Delegate      = (*delegate)(nil)
	_ memberlist.EventDelegate = (*delegate)(nil)
	_ memberlist.AliveDelegate = (*delegate)(nil)
)

// NodeMeta returns where we are.
func (d *delegate) NodeMeta(int) []byte { return encodeMeta(d.g.cfg.Advertise) }

// NotifyAlive refuses nodes that are not well formed or too many, and those whose protocol versions would
// make memberlist refuse everybody else, since it allows only what all nodes have in common.
func (d *delegate) NotifyAlive(n *memberlist.Node) error {
	if n.PCur != spoken || n.PMin > spoken || n.PMax < spoken || n.DCur != 0 || n.DMin != 0 {
		return fmt.Errorf("it speaks version %d.%d of memberlist's protocol, want %d.0", n.PCur, n.DCur, spoken)
	}
	return d.g.directory.admit(n.Name, n.Meta, time.Now())
}

// NotifyJoin takes up a node.
func (d *delegate) NotifyJoin(n *memberlist.Node) {
	if m, first := d.g.directory.arrive(n.Name, n.Meta); first {
		d.g.cfg.Log.Info("member joined", "peer", m.Cluster, "address", m.Address)
	}
}

// NotifyUpdate takes the new address of a node.
func (d *delegate) NotifyUpdate(n *memberlist.Node) { d.g.directory.arrive(n.Name, n.Meta) }

// NotifyLeave drops a node that left or failed: memberlist does not tell which.
func (d *delegate) NotifyLeave(n *memberlist.Node) {
	if m, last := d.g.directory.depart(n.Name, time.Now()); last {
		d.g.cfg.Log.Info("member gone: it left, or nobody hears it", "peer", m.Cluster, "address", m.Address)
	}
}

// LocalState returns the greatest heads that we know, by ourselves or from others.
func (d *delegate) LocalState(bool) []byte {
	known := d.g.board.all()
	for id, v := range d.g.cfg.Heads() {
		if v.Compare(known[id]) > 0 {
			known[id] = v
		}
	}
	return encodeHeads(known)
}

// MergeRemoteState takes what the other end of a push/pull knows.
func (d *delegate) MergeRemoteState(b []byte, _ bool) { d.note(b) }

// NotifyMsg takes a broadcast, and passes on what is news.
func (d *delegate) NotifyMsg(b []byte) {
	for id, v := range d.note(b) {
		d.g.broadcast(id, v)
	}
}

func (d *delegate) note(b []byte) Heads {
	report, err := decodeHeads(b)
	if err != nil {
		d.g.cfg.Log.Debug("ignored heads", "error", err)
		return nil
	}
	return d.g.board.note(report, time.Now())
}

// GetBroadcasts returns the heads to send along with a packet.
func (d *delegate) GetBroadcasts(overhead, limit int) [][]byte {
	return d.g.queue.GetBroadcasts(overhead, limit)
}

// broadcast queues a head; it replaces a former one of the cluster.
func (g *Gossip) broadcast(id federation.ClusterID, v federation.Version) {
	g.queue.QueueBroadcast(headBroadcast{cluster: id, message: encodeHeads(Heads{id: v})})
}

// headBroadcast is a head on its way to everybody.
type headBroadcast struct {
	cluster federation.ClusterID
	message []byte
}

var _ memberlist.NamedBroadcast = headBroadcast{}

// Name says which broadcast replaces which.
func (b headBroadcast) Name() string { return string(b.cluster) }

// Invalidates is not asked of named broadcasts.
func (b headBroadcast) Invalidates(memberlist.Broadcast) bool { return false }

// Message returns the encoded head.
func (b headBroadcast) Message() []byte { return b.message }

// Finished is of no interest.
func (b headBroadcast) Finished() {}
