package stream

import (
	"errors"
	"fmt"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

const (
	// wireVersion is the one version of the wire that exists.
	wireVersion = 1
	// chunkSize keeps a frame within 64 KiB.
	chunkSize = 60 << 10
	// maxFrame bounds what is read as one frame.
	maxFrame = 64 << 10
	// maxUpdate bounds the memory that a peer's unfinished update takes.
	maxUpdate = 64 << 20

	// heartbeat is how often a session says that it lives.
	heartbeat = time.Second
	// silence is how long a peer may be silent before its stream is given up.
	silence = 10 * time.Second
)

// Session is the protocol of one peer: frames and changes of the Store go in, frames come out. It has
// no goroutine and no clock, and its methods must not be called at the same time.
type Session struct {
	store *federation.Store
	peer  federation.ClusterID

	greeted bool               // the peer's Hello came
	sent    federation.Version // of our own records: what the peer has, or is being sent
	outbox  []byte             // what is left of the update being sent
	inbox   []byte             // what came of the update being received
	heard   time.Time
}

// NewSession returns the protocol of a stream that began at now with peer, as its certificate names it.
func NewSession(store *federation.Store, peer federation.ClusterID, now time.Time) *Session {
	return &Session{store: store, peer: peer, heard: now}
}

// Hello returns the frame to send first.
func (s *Session) Hello() *wire.Frame {
	return &wire.Frame{Kind: &wire.Frame_Hello{Hello: &wire.Hello{
		MinVersion: wireVersion,
		MaxVersion: wireVersion,
		Cluster:    string(s.store.Self()),
		Have:       s.have(),
	}}}
}

// Greeted reports whether the peer's Hello was taken: nothing else is before.
func (s *Session) Greeted() bool { return s.greeted }

// Handle takes a frame that came at now. It returns a frame to send at once, if any, and the records
// that were refused while the others were taken. An error ends the stream.
func (s *Session) Handle(f *wire.Frame, now time.Time) (reply *wire.Frame, refused []error, err error) {
	s.heard = now
	if hello := f.GetHello(); hello != nil {
		return s.answer(s.greet(hello, now))
	}
	if !s.greeted {
		return nil, nil, errors.New("the first frame is not a hello")
	}
	s.store.Heard(s.peer, now)
	switch kind := f.GetKind().(type) {
	case *wire.Frame_Chunk:
		return s.receive(kind.Chunk, now)
	case *wire.Frame_Have:
		return s.answer(s.resume(kind.Have, now))
	}
	return nil, nil, nil // a heartbeat, or what a later minor version says
}

// Next returns the next frame of what the peer lacks of our own records, nil when it lacks nothing.
// Changes made while the peer is slow meet in one update, the newest wins.
func (s *Session) Next() (*wire.Frame, error) {
	if !s.greeted {
		return nil, nil
	}
	first := len(s.outbox) == 0
	if first {
		update := s.store.Since(s.store.Self(), s.sent)
		if update == nil {
			return nil, nil
		}
		data, err := encodeUpdate(update)
		if err != nil {
			return nil, fmt.Errorf("encoding %s: %w", update.To, err)
		}
		s.outbox, s.sent = data, update.To
	}
	chunk := &wire.Chunk{Data: s.outbox[:min(chunkSize, len(s.outbox))], First: first}
	s.outbox = s.outbox[len(chunk.Data):]
	chunk.Last = len(s.outbox) == 0
	return &wire.Frame{Kind: &wire.Frame_Chunk{Chunk: chunk}}, nil
}

// Tick returns the heartbeat of now, or an error when the peer has been silent for too long.
func (s *Session) Tick(now time.Time) (*wire.Frame, error) {
	if quiet := now.Sub(s.heard); quiet > silence {
		return nil, fmt.Errorf("not heard for %s", quiet.Round(time.Second))
	}
	return &wire.Frame{Kind: &wire.Frame_Heartbeat{Heartbeat: &wire.Heartbeat{
		Version: encodeVersion(s.store.Version(s.store.Self())),
	}}}, nil
}

func (s *Session) have() *wire.Have {
	return &wire.Have{Owner: string(s.peer), Version: encodeVersion(s.store.Version(s.peer))}
}

func (s *Session) greet(hello *wire.Hello, now time.Time) (refused, err error) {
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
	s.greeted = true
	return s.resume(hello.GetHave(), now)
}

// answer makes the outcome of a hello or of a have that of Handle.
func (s *Session) answer(refused, err error) (*wire.Frame, []error, error) {
	if refused != nil {
		return nil, []error{refused}, err
	}
	return nil, nil, err
}

// resume goes on from what the peer has. It may ask for nothing but our own records. That a peer
// has a greater term of ours than we do is for our leader to know; a term that nobody can have is refused.
func (s *Session) resume(have *wire.Have, now time.Time) (refused, err error) {
	if have.GetOwner() != string(s.store.Self()) {
		return nil, fmt.Errorf("peer asks for records of %.64q, which this member does not speak for", have.GetOwner())
	}
	s.sent = decodeVersion(have.GetVersion())
	s.outbox = nil
	if s.sent.Term > s.store.Version(s.store.Self()).Term {
		return s.store.Contest(s.sent.Term, now), nil
	}
	return nil, nil
}

// receive takes a piece of an update, and applies the update when it is whole.
func (s *Session) receive(chunk *wire.Chunk, now time.Time) (*wire.Frame, []error, error) {
	if chunk.GetFirst() {
		s.inbox = nil
	}
	if len(s.inbox)+len(chunk.GetData()) > maxUpdate {
		return nil, nil, fmt.Errorf("update of more than %d bytes", maxUpdate)
	}
	s.inbox = append(s.inbox, chunk.GetData()...)
	if !chunk.GetLast() {
		return nil, nil, nil
	}
	update, refused, err := decodeUpdate(s.inbox)
	s.inbox = nil
	if err != nil {
		return nil, nil, err
	}
	if update.Owner != s.peer {
		return nil, nil, fmt.Errorf("peer speaks for %s, its certificate names %q", update.Owner, s.peer)
	}
	if most := federation.MaxTerm(now); update.To.Term > most {
		return nil, []error{fmt.Errorf("update of %s to %s: want a term of at most %d, a day ahead of our clock", s.peer, update.To, most)}, nil
	}
	err = s.store.Apply(update)
	if errors.Is(err, federation.ErrGap) {
		return &wire.Frame{Kind: &wire.Frame_Have{Have: s.have()}}, refused, nil
	}
	return nil, refused, err
}
