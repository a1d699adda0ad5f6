package stream

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

const (
	// wireVersion is the one version of the wire that exists.
	wireVersion = 1

	// heartbeat is how often a session says that it lives.
	heartbeat = time.Second
	// silence is how long a peer may be silent before its stream is given up.
	silence = 10 * time.Second
)

// ErrNotItsOwn ends a stream whose other side speaks for a cluster that is not its own.
var ErrNotItsOwn = errors.New("peer speaks for a cluster that it may not")

// maxUID bounds the UID of a namespace; those of Kubernetes have 36 bytes.
const maxUID = 64

// maxOwners bounds of how many clusters a leader may tell.
const maxOwners = 4096

// maxAgo bounds, in milliseconds, how long ago a leader says that it heard somebody.
const maxAgo = uint64(365 * 24 * time.Hour / time.Millisecond)

// maxAge bounds how old a change is told to be: beyond it a clock is wrong.
const maxAge = 24 * time.Hour

// clockMargin is how much further ahead of our clock a term that is said may be than one that is claimed of us, which
// our own follows: a peer whose clock is a little behind ours takes it.
const clockMargin = time.Hour

// maxOld is for how many heartbeats a peer may speak in an older term than another leader of its cluster did: it may
// be about to begin a greater one.
const maxOld = 5

// Role is what the other side of a stream is to this one, and so what each may say.
type Role int

const (
	// Peer is another cluster: each says what it exports itself.
	Peer Role = iota
	// Leader is the leader of our own cluster: it says all that it holds, and we nothing.
	Leader
	// Standby is another agent of our own cluster, which we lead: the reverse of Leader.
	Standby
)

// String returns the name of the role, as in logs and metrics.
func (r Role) String() string { return [...]string{"peer", "leader", "standby"}[r] }

// Session is the protocol of one stream: frames and changes of the Store go in, frames come out. It has
// no goroutine and no clock, and its methods must not be called at the same time.
type Session struct {
	store *federation.Store
	peer  federation.ClusterID
	role  Role

	greeted bool               // the other side's Hello came
	speaks  federation.Version // of the other side's own records, as it last said
	old     int                // heartbeats in an older term than is held
	acked   federation.Head    // what the other side has of ours, as it last said
	heard   time.Time
	out     outbox

	packer   *packer
	drop     func(netip.Addr) bool                     // endpoints of another cluster that are left out; nil for none
	changed  func(federation.ClusterID, time.Duration) // is told how old, by two clocks, what was taken is
	counted  func(sent bool, what tally)               // is told of each message
	sender   sender
	receiver receiver
}

// NewSession returns the protocol of a stream that began at now with peer, as its certificate names it: our own
// cluster, unless the role is Peer.
func NewSession(store *federation.Store, peer federation.ClusterID, role Role, now time.Time) *Session {
	return &Session{
		store: store, peer: peer, role: role, heard: now, packer: &packer{}, counted: func(bool, tally) {}, changed: func(federation.ClusterID, time.Duration) {},
		sender:   sender{store: store, sight: store.SeenBy(peer), gives: map[federation.ClusterID]*given{}, part: partSize},
		receiver: receiver{store: store, relayed: role == Leader, takes: map[federation.ClusterID]*taken{}},
	}
}

// Hello returns the frame to send first.
func (s *Session) Hello() *wire.Frame {
	hello := &wire.Hello{
		MinVersion: wireVersion,
		MaxVersion: wireVersion,
		Cluster:    string(s.store.Self()),
		Uid:        s.store.UID(s.store.Self()),
		Speaks:     encodeVersion(s.store.Version(s.store.Self())),
	}
	switch s.role {
	case Peer:
		hello.Have = []*wire.Head{encodeHead(s.peer, s.store.Readable(s.peer))}
	case Leader:
		for _, o := range s.store.Owners() {
			if len(hello.Have) < maxHeads { // the others are found to differ, and repaired
				hello.Have = append(hello.Have, encodeHead(o.Cluster, s.store.Readable(o.Cluster)))
			}
		}
	}
	return &wire.Frame{Kind: &wire.Frame_Hello{Hello: hello}}
}

// Greeted reports whether the other side's Hello was taken: nothing else is before.
func (s *Session) Greeted() bool { return s.greeted }

// Speaks returns at which version the other side's own records are, as it last said.
func (s *Session) Speaks() federation.Version { return s.speaks }

// Handle takes a frame that came at now; Next has the answer, if any. It returns the records that were refused
// while the others were taken. An error ends the stream.
func (s *Session) Handle(f *wire.Frame, now time.Time) (refused []error, err error) {
	s.heard = now
	if hello := f.GetHello(); hello != nil {
		return s.greet(hello, now)
	}
	if !s.greeted {
		return nil, errors.New("the first frame is not a hello")
	}
	if s.role == Peer {
		s.store.Heard(s.peer, now)
	}
	switch kind := f.GetKind().(type) {
	case *wire.Frame_Heartbeat:
		return nil, s.heads(kind.Heartbeat, now)
	case *wire.Frame_Ask:
		return nil, s.asked(kind.Ask)
	case *wire.Frame_Chunk:
		return s.chunk(kind.Chunk, now)
	}
	return nil, nil // what a later minor version says
}

// Next returns the next frame to send, nil when there is nothing to say. Changes made while the other side is
// slow meet in one update, the newest wins.
func (s *Session) Next() (*wire.Frame, error) {
	if !s.greeted {
		return nil, nil
	}
	if s.out.empty() {
		ask, m := s.compose()
		if ask != nil || m == nil {
			return ask, nil
		}
		var err error
		if s.out, err = s.packer.pack(m); err != nil {
			return nil, fmt.Errorf("encoding a message: %w", err)
		}
		s.counted(true, m.tally())
	}
	return s.out.chunk(), nil
}

// compose returns what is to be said next, as a frame or as a message; both are nil for nothing. Hashes come
// first: without them the other side says nothing of that owner.
func (s *Session) compose() (*wire.Frame, *message) {
	if m := s.receiver.hashes(); m != nil {
		return nil, m
	}
	return s.sender.next(s.owners())
}

// owners returns whom this side may speak for.
func (s *Session) owners() []federation.ClusterID {
	switch s.role {
	case Peer:
		return []federation.ClusterID{s.store.Self()}
	case Standby:
		return s.store.Synced()
	}
	return nil
}

// maySpeakFor returns an error unless the other side may speak for an owner: a cluster for itself, our leader for all.
func (s *Session) maySpeakFor(owner federation.ClusterID) error {
	if s.role == Peer && owner == s.peer {
		return nil
	}
	if s.role != Leader {
		s.counted(false, tally{foreign: 1})
		return fmt.Errorf("%w: %.64q, its certificate names %q", ErrNotItsOwn, owner, s.peer)
	}
	if _, err := federation.ParseClusterID(string(owner)); err != nil {
		return fmt.Errorf("owner that the leader tells of: %w", err)
	}
	if len(s.receiver.takes) >= maxOwners && s.receiver.takes[owner] == nil {
		return fmt.Errorf("the leader tells of more than %d clusters", maxOwners)
	}
	return nil
}

// Tick returns the heartbeat of now, or an error when the other side has been silent for too long.
func (s *Session) Tick(now time.Time) (*wire.Frame, error) {
	if quiet := now.Sub(s.heard); quiet > silence {
		return nil, fmt.Errorf("not heard for %s", quiet.Round(time.Second))
	}
	beat := &wire.Heartbeat{Heads: s.sender.heads(s.owners(), s.role == Standby, now)}
	if s.role == Peer {
		head := s.store.Head(s.peer)
		beat.Have = encodeHead(s.peer, head)
		if known := s.store.Known(s.peer); known != head.Version {
			beat.Known = encodeVersion(known)
		}
	}
	return &wire.Frame{Kind: &wire.Frame_Heartbeat{Heartbeat: beat}}, nil
}

// Wake returns a channel that closes when there may be something new to say.
func (s *Session) Wake() <-chan struct{} {
	switch s.role {
	case Peer:
		return s.store.Advanced(s.store.Self())
	case Standby:
		return s.store.Changed()
	}
	return nil
}

func (s *Session) greet(hello *wire.Hello, now time.Time) (refused []error, err error) {
	if s.greeted {
		return nil, errors.New("a second hello")
	}
	if hello.GetMinVersion() > wireVersion || hello.GetMaxVersion() < wireVersion {
		return nil, fmt.Errorf("peer speaks wire versions %d to %d, this member speaks %d: upgrade the older one",
			hello.GetMinVersion(), hello.GetMaxVersion(), wireVersion)
	}
	if hello.GetCluster() != string(s.peer) {
		return nil, fmt.Errorf("peer says that it is %.64q, its certificate names %q", hello.GetCluster(), s.peer)
	}
	if len(hello.GetUid()) > maxUID {
		return nil, fmt.Errorf("peer says that the UID of its kube-system has %d bytes: want at most %d", len(hello.GetUid()), maxUID)
	}
	if err := s.store.Meet(s.peer, hello.GetUid()); err != nil {
		s.counted(false, tally{foreign: 1})
		return nil, err
	}
	s.greeted, s.speaks = true, decodeVersion(hello.GetSpeaks())
	for _, has := range hello.GetHave() {
		bad, err := s.resume(has, now)
		if err != nil {
			return refused, err
		}
		if bad != nil {
			s.counted(false, tally{term: 1})
		}
		if bad != nil && len(refused) < maxReported {
			refused = append(refused, bad)
		}
	}
	return refused, nil
}

// resume goes on from what the other side has of an owner. That somebody has a greater version of ours than we do
// is for our leader to know; a term that nobody can have is refused.
func (s *Session) resume(has *wire.Head, now time.Time) (refused, err error) {
	owner, head := federation.ClusterID(has.GetOwner()), decodeHead(has)
	if s.role == Leader || s.role == Peer && owner != s.store.Self() {
		return nil, fmt.Errorf("peer asks for records of %.64q, which this member does not speak for", owner)
	}
	s.sender.to(owner).has = head
	if s.role == Standby && owner != s.store.Self() {
		s.store.Rumour(owner, head.Version)
	}
	if owner == s.store.Self() {
		s.acked = head
	}
	if owner == s.store.Self() && s.store.Version(owner).Compare(head.Version) < 0 {
		return s.store.Contest(head.Version, now), nil
	}
	return nil, nil
}

// heads notes how far the other side is, and finds what went astray on the way.
func (s *Session) heads(beat *wire.Heartbeat, now time.Time) error {
	own := func(h *wire.Head) bool { return h.GetOwner() == string(s.peer) && h.GetHeardAgo() > 0 }
	if s.role == Leader && slices.ContainsFunc(beat.GetHeads(), own) {
		s.store.Heard(s.peer, now) // before all others: what it says of them counts from when it could be heard
	}
	for _, h := range beat.GetHeads() {
		owner := federation.ClusterID(h.GetOwner())
		if err := s.maySpeakFor(owner); err != nil {
			return err
		}
		if s.role == Leader && h.GetHeardAgo() > 0 {
			s.store.Heard(owner, now.Add(-time.Duration(min(h.GetHeardAgo()-1, maxAgo))*time.Millisecond))
		}
		if owner == s.peer {
			s.speaks = decodeVersion(h.GetVersion())
			if err := s.checkTerm(); err != nil {
				return err
			}
		}
		if err := s.receiver.compare(owner, decodeHead(h)); err != nil {
			return err
		}
	}
	if s.role == Peer && beat.GetHave() != nil {
		s.acked = decodeHead(beat.GetHave())
	}
	if known := decodeVersion(beat.GetKnown()); s.role == Peer && s.store.Version(s.store.Self()).Compare(known) < 0 {
		if err := s.store.Contest(known, now); err != nil {
			s.counted(false, tally{term: 1})
		}
	}
	return nil
}

// checkTerm ends a stream to a leader whose cluster has another one by now.
func (s *Session) checkTerm() error {
	held := s.store.Version(s.peer)
	if s.role != Peer || s.speaks.IsZero() || s.speaks.Term >= held.Term {
		s.old = 0
		return nil
	}
	if s.old++; s.old > maxOld {
		return fmt.Errorf("peer speaks in term %d, another leader of %s spoke in %d", s.speaks.Term, s.peer, held.Term)
	}
	return nil
}

// chunk takes a piece of a message, and the message when it is whole.
func (s *Session) chunk(c *wire.Chunk, now time.Time) (refused []error, err error) {
	m, err := s.receiver.in.take(c)
	if err != nil || m == nil {
		return nil, err
	}
	if told := m.GetHashes(); told != nil {
		return nil, s.told(told)
	}
	if m.GetUpdate() == nil {
		return nil, nil // what a later minor version says
	}
	update, refused, err := decodeUpdate(m.GetUpdate(), s.drop)
	if err != nil {
		return nil, err
	}
	if err := s.maySpeakFor(update.Owner); err != nil {
		return nil, err
	}
	if s.role != Leader { // an owner has no former state of its own to pass on
		for i := range update.Unread {
			update.Unread[i].Former = nil
		}
	}
	if most := federation.MaxTerm(now.Add(clockMargin)); update.To.Term > most {
		s.receiver.of(update.Owner).waiting = false
		s.counted(false, tally{term: 1})
		return []error{fmt.Errorf("update of %s to %s: want a term of at most %d, a day ahead of our clock", update.Owner, update.To, most)}, nil
	}
	taken, more, err := s.receiver.apply(update)
	what := tallyOf(update)
	what.refuse(len(update.Unread)-len(m.GetUpdate().GetUnread()), more)
	s.counted(false, what)
	if age := now.Sub(update.At); taken && !update.More && !update.At.IsZero() {
		s.changed(update.Owner, min(max(age, 0), maxAge))
	}
	refused = append(refused, more...)
	return refused[:min(len(refused), maxReported)], err
}

// told takes the hashes of what the other side has.
func (s *Session) told(m *wire.Hashes) error {
	owner := federation.ClusterID(m.GetOwner())
	if !slices.Contains(s.owners(), owner) {
		return fmt.Errorf("peer asks for records of %.64q, which this member does not speak for", owner)
	}
	s.counted(false, tally{hashes: len(m.GetHashes())})
	s.sender.told(owner, decodeHashes(m.GetHashes()))
	return nil
}

// asked answers with the hashes of what is held.
func (s *Session) asked(ask *wire.Ask) error {
	owner := federation.ClusterID(ask.GetOwner())
	if err := s.maySpeakFor(owner); err != nil {
		return err
	}
	s.receiver.want(owner)
	return nil
}
