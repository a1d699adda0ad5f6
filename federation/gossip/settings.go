package gossip

import (
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	retransmitMult = 4
	leaveTime      = 2 * time.Second
)

// config returns memberlist's LAN profile with what is different here, and why.
func (g *Gossip) config() *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	c.Name = g.node
	c.Transport = g.transport
	c.ProtocolVersion = spoken
	c.RequireNodeNames = true // our transport dials by name
	d := &delegate{g}
	c.Delegate, c.Events, c.Alive = d, d, d
	c.LogOutput = &logBridge{g.cfg.Log}

	c.ProbeInterval = time.Second
	c.ProbeTimeout = 750 * time.Millisecond // a round trip of 500 ms, and time to answer
	c.SuspicionMult = 6                     // 6 s to refute: connections may have to be opened first, in several round trips
	c.DisableTcpPings = true                // packets take the same way as streams
	c.RetransmitMult = retransmitMult
	c.PushPullInterval = 30 * time.Second
	c.GossipToTheDeadTime = 30 * time.Second
	c.DeadNodeReclaimTime = 30 * time.Second // no node changes its (empty) address, so this decides nothing today
	c.UDPBufferSize = 1400
	c.EnableCompression = false // packets are small, and what is compressed is refused: see guardPacket
	return c
}
