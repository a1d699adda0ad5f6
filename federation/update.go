package federation

import (
	"errors"
	"fmt"
)

// Update carries what one cluster changed: all of (From, To], or with a zero From the whole set at To.
// Put and Withdrawn name each service at most once between them. An Update is immutable once made.
type Update struct {
	Owner     ClusterID
	From, To  Version
	Put       []*Export
	Withdrawn []ServiceName
	// Unread names the services whose record was refused where it was decoded: what is held of them
	// stays, as bad input loses nothing.
	Unread []ServiceName
}

// Whole reports whether u is a complete set, so that what it lacks is withdrawn.
func (u *Update) Whole() bool { return u.From.IsZero() }

// The reasons for which Apply refuses an Update.
var (
	// ErrOwnWord: only this cluster's own leader changes what this cluster says.
	ErrOwnWord = errors.New("speaks for this cluster")
	// ErrOlder: a newer version of the owner is held; what is older is never taken.
	ErrOlder = errors.New("older than what is held")
	// ErrGap: the update does not join on to what is held; the whole set is needed.
	ErrGap = errors.New("does not join on to what is held")
)

// check returns why the update may not follow held, or nil. Content is checked by who decodes it.
func (u *Update) check(held Version) error {
	switch {
	case u.To.IsZero() || u.To.Compare(u.From) < 0:
		return fmt.Errorf("update of %s from %s to %s: want a greater version", u.Owner, u.From, u.To)
	case u.To.Compare(held) < 0:
		return fmt.Errorf("update of %s to %s, held is %s: %w", u.Owner, u.To, held, ErrOlder)
	case !u.Whole() && (held.Term != u.To.Term || u.From.Term != u.To.Term || u.From.Compare(held) > 0):
		return fmt.Errorf("update of %s from %s to %s, held is %s: %w", u.Owner, u.From, u.To, held, ErrGap)
	}
	for _, e := range u.Put {
		if e.Cluster != u.Owner {
			return fmt.Errorf("update of %s holds an export of %s", u.Owner, e.Cluster)
		}
	}
	return nil
}
