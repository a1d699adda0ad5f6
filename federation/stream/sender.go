package stream

import (
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// maxHeads bounds how many owners one frame tells of, so that it fits.
const maxHeads = 256

// sender is the half of a Session that says what this side may say.
type sender struct {
	store *federation.Store
	sight federation.Sight // of the other side
	gives map[federation.ClusterID]*given
	rest  *federation.Update // what is left of the update that goes out
	cut   bool               // a part of it went out
	beats int                // so many owners were in heartbeats, of which one has only some
	part  int                // about how many bytes of records are one part
}

// given is how far the other side is with one owner.
type given struct {
	has    federation.Head // what it has, or is being sent
	proven bool            // it was sent that here, and did not only say so
	asked  bool            // it was asked for hashes, and has not told them yet
	told   bool            // it told them
	hashes []federation.Hash
}

func (s *sender) to(owner federation.ClusterID) *given {
	g := s.gives[owner]
	if g == nil {
		g = &given{}
		s.gives[owner] = g
	}
	return g
}

// told takes the hashes of what the other side has of an owner. What it is being sent of it is broken off.
func (s *sender) told(owner federation.ClusterID, hashes []federation.Hash) {
	if s.rest != nil && s.rest.Owner == owner {
		s.rest = nil
	}
	g := s.to(owner)
	g.asked, g.told, g.hashes = false, true, hashes
}

// next returns what the other side lacks, a message or first a question, of the owners that this side speaks for.
func (s *sender) next(owners []federation.ClusterID) (*wire.Frame, *message) {
	if s.rest != nil {
		return nil, s.cutOff()
	}
	for _, owner := range owners {
		g := s.to(owner)
		if g.asked {
			continue
		}
		u, ask := s.lacks(owner, g)
		if ask {
			g.asked = true
			return &wire.Frame{Kind: &wire.Frame_Ask{Ask: &wire.Ask{Owner: string(owner)}}}, nil
		}
		if u != nil {
			g.proven = true
			g.has = federation.Head{Version: u.To, Digest: u.Digest, Records: 1} // enough to be told from none
			s.rest, s.cut = u, false
			return nil, s.cutOff()
		}
	}
	return nil, nil
}

func (s *sender) lacks(owner federation.ClusterID, g *given) (*federation.Update, bool) {
	if g.told {
		hashes := g.hashes
		g.told, g.hashes = false, nil
		return s.sight.Against(owner, hashes), false
	}
	return s.sight.Since(owner, g.has, g.proven)
}

// partSize is about how many bytes of records go out as one part: while one is read, nothing else is.
const partSize = 512 << 10

// cutOff takes off rest what goes out as one message. A record that is too large for any is told by its hash alone.
func (s *sender) cutOff() *message {
	rest := *s.rest
	u := &federation.Update{Owner: rest.Owner, From: rest.From, To: rest.To, At: rest.At, More: true}
	size := 0
	fits := func(r federation.Record, removed []federation.Subset) bool {
		n := sizeOf(r.Export) + sizeOfSubsets(removed)
		if n > maxRecord {
			u.Unread = append(u.Unread, federation.Unread{Name: r.Name, Hash: r.Hash})
			return false
		}
		size += n
		return true
	}
	for ; len(rest.Put) > 0 && size < s.part; rest.Put = rest.Put[1:] {
		if r := rest.Put[0]; fits(r, nil) {
			u.Put = append(u.Put, r)
		}
	}
	for ; len(rest.Patched) > 0 && size < s.part; rest.Patched = rest.Patched[1:] {
		if p := rest.Patched[0]; fits(p.Record, p.Removed) {
			u.Patched = append(u.Patched, p)
		}
	}
	if len(rest.Put)+len(rest.Patched) > 0 {
		s.rest, s.cut = &rest, true
		return &message{update: u}
	}
	s.rest = nil
	u.More, u.Digest, u.Withdrawn, u.Stale, u.Meant, u.Left = false, rest.Digest, rest.Withdrawn, rest.Stale, rest.Meant, rest.Left
	u.Unread = append(u.Unread, rest.Unread...)
	return &message{update: u, common: !s.cut && !u.From.IsZero() && !rest.Tailored}
}

// heads returns how much there is of the owners, or of the next of them if they are too many for one frame. When
// they were heard is for standbys alone.
func (s *sender) heads(owners []federation.ClusterID, ages bool, now time.Time) []*wire.Head {
	if len(owners) == 0 {
		return nil
	}
	heard := map[federation.ClusterID]time.Time{}
	if ages {
		for _, o := range s.store.Owners() {
			heard[o.Cluster] = o.Heard
		}
		heard[s.store.Self()] = now // a leader hears itself
	}
	n := min(len(owners), maxHeads)
	list := make([]*wire.Head, n)
	for i := range n {
		owner := owners[(s.beats+i)%len(owners)]
		list[i] = encodeHead(owner, s.sight.Head(owner))
		if t := heard[owner]; !t.IsZero() {
			list[i].HeardAgo = 1 + uint64(max(0, now.Sub(t).Milliseconds()))
		}
	}
	s.beats = (s.beats + n) % len(owners)
	return list
}
