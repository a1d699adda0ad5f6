package stream

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hansa-mcs/hansa/federation"
)

// maxRepairs is how often in a row hashes are told without effect before a stream is given up: what goes wrong
// then is no accident.
const maxRepairs = 4

// maxLate is for how many heartbeats the other side may have more than we do, and send nothing, until it is asked:
// an update was refused, as by a clock that was wrong.
const maxLate = 5

// receiver is the half of a Session that takes what the other side says.
type receiver struct {
	store *federation.Store
	// relayed means that the other side passes on what others say.
	relayed bool
	in      inbox
	takes   map[federation.ClusterID]*taken
	wants   []federation.ClusterID // of whom hashes are to be told
}

// taken is how far this side is with one owner.
type taken struct {
	head    federation.Head // what the other side has, as it last said
	open    bool            // a part of an update came, and the last one did not
	waiting bool            // hashes were told, or are about to be, and no answer has come
	late    int             // heartbeats since an update came, with which it had more than we do
	repairs int             // how often for this head, since all was well
}

func (r *receiver) of(owner federation.ClusterID) *taken {
	t := r.takes[owner]
	if t == nil {
		t = &taken{}
		r.takes[owner] = t
	}
	return t
}

// want lets the hashes of an owner be told.
func (r *receiver) want(owner federation.ClusterID) {
	r.of(owner).waiting = true
	if !slices.Contains(r.wants, owner) {
		r.wants = append(r.wants, owner)
	}
}

// hashes returns the hashes to tell next, nil if there are none to tell.
func (r *receiver) hashes() *message {
	if len(r.wants) == 0 {
		return nil
	}
	owner := r.wants[0]
	r.wants = r.wants[1:]
	list := r.store.Hashes(owner)
	slices.Sort(list) // the same set in the same words
	return &message{owner: owner, hashes: list}
}

// apply hands an update to the Store, and reports whether it was taken. One that does not join on is answered with
// hashes.
func (r *receiver) apply(u *federation.Update) (taken bool, refused []error, err error) {
	t := r.of(u.Owner)
	if u.From.IsZero() {
		t.waiting = false
	}
	t.late = 0
	refused, err = r.store.Apply(u)
	if r.relayed && errors.Is(err, federation.ErrOlder) {
		return false, nil, nil // our leader lags what we hold from before
	}
	if errors.Is(err, federation.ErrGap) {
		t.open = false
		return false, nil, r.repair(u.Owner, err)
	}
	if t.open = u.More; err == nil && !u.More && !u.From.IsZero() {
		t.repairs = 0
	}
	return err == nil, refused, err
}

// repair tells the hashes of an owner unless an answer to them is on the way.
func (r *receiver) repair(owner federation.ClusterID, why error) error {
	t := r.of(owner)
	if t.waiting {
		return nil
	}
	if t.repairs++; t.repairs > maxRepairs {
		if r.relayed {
			return nil // what one owner does wrong costs nobody else the stream to the leader
		}
		return fmt.Errorf("repaired %d times in vain: %w", maxRepairs, why)
	}
	r.want(owner)
	return nil
}

// compare notes how much the other side has of an owner. Another set at the same version means that something
// went astray.
func (r *receiver) compare(owner federation.ClusterID, theirs federation.Head) error {
	t, ours := r.of(owner), r.store.Head(owner)
	differ := ours.Version == theirs.Version && ours.Digest != theirs.Digest
	if !differ || theirs != t.head {
		t.repairs = 0
	}
	t.head = theirs
	if t.open || len(r.in.data) > 0 {
		return nil
	}
	if theirs.Version.Compare(ours.Version) > 0 {
		if t.late++; t.late%maxLate == 0 {
			t.waiting = false // whatever was to come did not
			return r.repair(owner, fmt.Errorf("%s is at %s for %d heartbeats and sent nothing, ours is %s", owner, theirs.Version, t.late, ours.Version))
		}
	}
	if !t.waiting && r.store.Room(owner) {
		r.want(owner)
	}
	if ours.Version.IsZero() || !differ {
		return nil
	}
	return r.repair(owner, fmt.Errorf("the sets of %s at %s differ", owner, ours.Version))
}
