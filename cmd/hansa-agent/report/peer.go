package report

import (
	"fmt"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream"
)

// Peer is another cluster as it is from here.
type Peer struct {
	Cluster federation.ClusterID `json:"cluster"`
	State   State                `json:"state"`
	// Others is whether other members hear it: alive, lost or unknown.
	Others Others `json:"others"`
	// Fate is what becomes of its endpoints where its ServiceExports say nothing else: served, demoted or withdrawn, and
	// "" of a cluster that has left.
	Fate string `json:"fate"`
	// FateUntil is when the fate of a cluster that is not well may change if nothing else does; absent for never.
	FateUntil time.Time `json:"fateUntil,omitzero"`
	// Why says in words what State and Fate come from, "" of a cluster that is well.
	Why     string `json:"why"`
	Address string `json:"address"` // "" while not known

	Version string  `json:"version"` // held here, "" for none since the start
	Latest  string  `json:"latest"`  // the greatest that it or anybody tells of, "" while nobody does
	Behind  *uint64 `json:"behind"`  // how many changes what is held lacks; null while nobody tells

	HeardAt  time.Time `json:"heardAt,omitzero"`
	HeardAgo *float64  `json:"heardSecondsAgo"` // null for never since the start

	Services  int `json:"services"`
	Endpoints int `json:"endpoints"`
	// Remembered means that what is held is from before this agent started.
	Remembered bool `json:"remembered"`
	// Unread is of how many services the last word could not be read, or was too much: the one before is served.
	Unread int   `json:"unread"`
	Held   *Held `json:"held,omitempty"`
	// Drain is how it is drained, by itself or by this cluster; absent while it is not.
	Drain *Drain `json:"drain,omitempty"`

	Stream *Stream `json:"stream"` // null without one, and of a standby

	LastError   *Error `json:"lastError"`   // why a stream ended or did not begin, since the start
	LastRefused *Error `json:"lastRefused"` // what of it was refused, since the start
}

// Others is whether other members hear a cluster.
type Others string

// What is known of that.
const (
	OthersHear    Others = "alive"
	OthersLost    Others = "lost"
	OthersUnknown Others = "unknown" // this agent takes no part in gossip, or hears nobody there
)

// Held is a mass withdrawal that is not believed yet.
type Held struct {
	Until    time.Time `json:"until"`
	Services int       `json:"services"`
}

// Stream is the one with a cluster.
type Stream struct {
	Since  time.Time            `json:"since"`
	Dialer federation.ClusterID `json:"dialer"` // whose agent opened it
	// Acknowledged is the version of this cluster that the other one has confirmed, Unacknowledged how many changes it
	// has not, and UnacknowledgedSeconds for how long at least.
	Acknowledged          string   `json:"acknowledged"`
	Unacknowledged        uint64   `json:"unacknowledged"`
	UnacknowledgedSeconds *float64 `json:"unacknowledgedSeconds"`
}

// Error is something that went wrong.
type Error struct {
	At   time.Time `json:"at"`
	Ago  float64   `json:"secondsAgo"`
	Text string    `json:"text"`
	// Over means that there is a stream now, or that one came up after what was refused.
	Over bool `json:"over"`
}

func (s *Scene) peer(o federation.Owner, unread int) Peer {
	h := s.hear(o.Cluster, o.Left, s.Patience)
	latest := s.latest(o.Cluster)
	p := Peer{
		Cluster: o.Cluster, State: h.state(), Others: s.others(o.Cluster), Fate: h.fate.String(),
		Address: s.address(o.Cluster), Version: version(o.Version), Latest: version(latest),
		HeardAt: utc(h.heard), HeardAgo: ago(h.heard, s.Now),
		Services: o.Exports, Endpoints: o.Endpoints, Remembered: o.Restored, Unread: unread,
	}
	switch {
	case p.State == Gone:
		p.Fate = ""
	case p.State != Alive, h.fate != federation.Served:
		p.FateUntil = utc(h.until)
	}
	if !latest.IsZero() {
		p.Behind = new(Lag(o.Version, latest))
	}
	if held := s.held(o.Cluster); held != nil {
		p.Held = &Held{utc(held.Until), held.Services}
	}
	p.Drain = s.drain(o)
	failed := s.Failures[o.Cluster]
	up := s.stream(o.Cluster)
	if up != nil {
		p.Stream = s.upstream(up)
	}
	p.LastError, p.LastRefused = s.failure(failed.Stream, up != nil), s.failure(failed.Record, up != nil && up.Since.After(failed.Record.At))
	p.Why = s.whyPeer(h, p)
	return p
}

// others asks gossip, in which somebody hears whoever is a member. Who hears nobody knows nothing of others.
func (s *Scene) others(cluster federation.ClusterID) Others {
	if s.Gossip == nil || len(s.Gossip.Addresses) == 0 {
		return OthersUnknown
	}
	if _, alive := s.Gossip.Addresses[cluster]; alive {
		return OthersHear
	}
	return OthersLost
}

func (s *Scene) address(cluster federation.ClusterID) string {
	if s.Gossip != nil && s.Gossip.Addresses[cluster] != "" {
		return s.Gossip.Addresses[cluster]
	}
	return s.Remembered[cluster].Address
}

func (s *Scene) upstream(up *stream.Up) *Stream {
	ours := s.Store.Version(s.self())
	return &Stream{
		Since: utc(up.Since), Dialer: up.Dialer,
		Acknowledged: version(up.Acked.Version), Unacknowledged: Lag(up.Acked.Version, ours),
		UnacknowledgedSeconds: ago(s.Store.FirstAfter(s.self(), up.Acked.Version), s.Now),
	}
}

func (s *Scene) failure(f stream.Failure, over bool) *Error {
	if f.At.IsZero() {
		return nil
	}
	return &Error{At: utc(f.At), Ago: *ago(f.At, s.Now), Text: f.Reason, Over: over}
}

// whyPeer says in words how a cluster is.
func (s *Scene) whyPeer(h hearing, p Peer) string {
	var heard, memory, outlook string
	switch {
	case p.State == Gone:
		return "it has left the clusterset"
	case p.State == Unreachable || h.fate != federation.Served:
		heard = "it " + h.silent()
		switch {
		case p.State == Alive:
		case p.Others == OthersHear && len(s.Gossip.Addresses) > 1:
			heard += ", though others hear it"
		case p.Others == OthersHear: // there are no others
			heard += ", though gossip reaches it"
		case p.Others == OthersLost:
			heard += ", and nobody else hears it"
		}
	}
	if p.Remembered {
		memory = "what is held of it is from before this agent started"
	}
	if p.Endpoints > 0 {
		outlook = h.outlook()
	}
	drained := p.Drain.text()
	if drained != "" {
		drained = "it " + drained
	}
	return join(heard, memory, outlook, p.heldText(), p.unreadText(), drained)
}

func (p Peer) heldText() string {
	if p.Held == nil {
		return ""
	}
	return fmt.Sprintf("it lost more than half of what it had, and did not say that it means to: the former endpoints of %s are served until %s", amount(p.Held.Services, "service"), moment(p.Held.Until))
}

func (p Peer) unreadText() string {
	if p.Unread == 0 {
		return ""
	}
	return fmt.Sprintf("the last word on %s could not be taken, and the one before is served", amount(p.Unread, "service"))
}

// problems are what is not well, each as what goes on after the cluster's name.
func (p Peer) problems() (list []string) {
	if p.State == Gone {
		return nil
	}
	if p.Why != "" {
		list = append(list, fmt.Sprintf("is %s: %s", p.condition(), p.Why))
	}
	if p.Behind != nil && *p.Behind > 0 && !p.Remembered {
		list = append(list, fmt.Sprintf("is at %s, and %s is held here: %s behind", p.Latest, orNone(p.Version), amount(*p.Behind, "change")))
	}
	if up := p.Stream; up != nil && up.UnacknowledgedSeconds != nil && *up.UnacknowledgedSeconds >= federation.Silence.Seconds() {
		list = append(list, fmt.Sprintf("has not confirmed %s of this cluster, the first from %s ago", amount(up.Unacknowledged, "change"), span(time.Duration(*up.UnacknowledgedSeconds*float64(time.Second)))))
	}
	return list
}

// condition is the one word of what is wrong most.
func (p Peer) condition() string {
	switch {
	case p.State != Alive:
		return string(p.State)
	case p.Held != nil:
		return "held"
	case p.Fate != federation.Served.String():
		return p.Fate
	case p.Remembered:
		return "remembered"
	}
	return "not read"
}

func orNone(version string) string {
	if version == "" {
		return "nothing"
	}
	return version
}
