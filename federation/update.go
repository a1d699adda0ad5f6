package federation

import (
	"errors"
	"fmt"
	"time"
)

// Update brings what is held of one owner to the version To. With a From it carries all of (From, To]. Without one
// it is relative to the hashes of what the receiver holds: what is not Stale stays. Put, Patched, Withdrawn and
// Unread name each service at most once between them. An Update is immutable once made.
type Update struct {
	Owner    ClusterID
	From, To Version
	// Digest is that of the owner's whole set at To: an Update that leads elsewhere is refused.
	Digest Digest
	// At is when the owner made the oldest change that the Update carries, by the owner's clock; zero where that
	// is not known.
	At time.Time
	// More means that other Updates to the same version follow: the records count at once, the version and
	// what is missing only with the last one.
	More bool
	// Meant means that the owner means to withdraw all that it withdraws, however much it is.
	Meant bool
	// Left means that the owner leaves the clusterset with this: nothing more is expected of it.
	Left bool
	// Tailored means that others who have the same version may be told something else, of a record that not all may
	// see.
	Tailored  bool
	Put       []Record
	Patched   []Patch
	Withdrawn []ServiceName
	Stale     []Hash
	// Unread are records that were refused where they were decoded, here or at who passes them on: what is
	// held of them stays, as bad input loses nothing, and their hashes count.
	Unread []Unread
}

// Unread is a record of which nothing is known but what it is called.
type Unread struct {
	Name ServiceName
	Hash Hash
	// Former is what stands instead, nil for nothing or for what is held already: who passes records on passes on
	// what it serves itself.
	Former *Export

	beyond bool // it could be read, and was beyond a limit
}

func (u *Update) cause() cause { return cause{u.At, u.Meant} }

// relative reports whether u is relative to hashes, not to a version.
func (u *Update) relative() bool { return u.From.IsZero() }

// names returns the services that u names.
func (u *Update) names() map[ServiceName]bool {
	names := make(map[ServiceName]bool, len(u.Put)+len(u.Patched)+len(u.Withdrawn)+len(u.Unread))
	for _, r := range u.Put {
		names[r.Name] = true
	}
	for i := range u.Patched {
		names[u.Patched[i].Name] = true
	}
	for _, name := range u.Withdrawn {
		names[name] = true
	}
	for _, r := range u.Unread {
		names[r.Name] = true
	}
	return names
}

// The reasons for which Apply refuses an Update.
var (
	// ErrOwnWord: only this cluster's own leader changes what this cluster says.
	ErrOwnWord = errors.New("speaks for this cluster")
	// ErrOlder: a newer version of the owner is held; what is older is never taken.
	ErrOlder = errors.New("older than what is held")
	// ErrGap: the update does not join on to what is held; hashes tell what is needed.
	ErrGap = errors.New("does not join on to what is held")
)

// check returns why the update may not follow held, or nil. Content is checked by who decodes it.
func (u *Update) check(held Version) error {
	switch {
	case u.To.IsZero() || u.To.Compare(u.From) < 0:
		return fmt.Errorf("update of %s from %s to %s: want a greater version", u.Owner, u.From, u.To)
	case u.To.Compare(held) < 0 && !olderTermAccepted:
		return fmt.Errorf("update of %s to %s, held is %s: %w", u.Owner, u.To, held, ErrOlder)
	case !u.relative() && (held.Term != u.To.Term || u.From.Term != u.To.Term || u.From.Compare(held) > 0):
		return fmt.Errorf("update of %s from %s to %s, held is %s: %w", u.Owner, u.From, u.To, held, ErrGap)
	}
	for _, r := range u.Put {
		if r.Cluster != u.Owner {
			return fmt.Errorf("update of %s holds an export of %s", u.Owner, r.Cluster)
		}
	}
	for _, p := range u.Patched {
		if p.Cluster != u.Owner {
			return fmt.Errorf("update of %s holds a patch of %s", u.Owner, p.Cluster)
		}
	}
	return nil
}
