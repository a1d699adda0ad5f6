package exporter

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// Definition is the CRD of ServiceExports, as far as it concerns what its objects mean. A CRD that is deleted
// takes all its objects with it, one by one, as if each had been deleted; but nobody un-exported anything.
type Definition interface {
	// Since asks the API server itself since when the CRD is there; the zero time if it is not, or is about to
	// go. The answer is of after seen, which is when whoever asks saw what makes it ask.
	Since(ctx context.Context, seen time.Time) (time.Time, error)
	// Returned has a value whenever the CRD is served again after it was not.
	Returned() <-chan struct{}
}

// returnPause is how long what went with a CRD stays exported after the CRD is back. Nothing says when whoever
// brought it has applied the ServiceExports again too, and until our watch is back we see none of them: that may
// wait for half a minute, as client-go does between two tries.
const returnPause = 2 * time.Minute

// grace returns for how long what was said of a service stays though it has no ServiceExport: created is when
// that was, and since is when the CRD that is there was made. A ServiceExport of this CRD was deleted (E4); an
// older one went with the CRD of then. API servers tell times in seconds: one of the same second is of this CRD if
// we met it ourselves; one that is only remembered may be either, and stays for now, as absence is no fact.
func grace(created, since, now time.Time, met bool) time.Duration {
	if created.After(since) || met && created.Equal(since) {
		return 0
	}
	// Not longer by a clock that is behind the API server's either: it is looked at again then.
	return min(max(0, since.Add(returnPause).Sub(now)), returnPause)
}

// withdraw takes back what was said of a service that has no ServiceExport (E4), unless that went with its CRD:
// an API that is missing counts as not read, and absence is no fact. It returns when to try again, or 0.
func (x *exporter) withdraw(ctx context.Context, name federation.ServiceName) (time.Duration, error) {
	e := x.said(name)
	if e == nil {
		x.missing.forget(name)
		return 0, nil
	}
	since, err := x.Definition.Since(ctx, time.Now())
	if err != nil {
		return 0, fmt.Errorf("asking whether ServiceExport %s was withdrawn, or all are unreadable: %w", name, err)
	}
	if since.IsZero() {
		if x.missing.hold(name) {
			x.Log.Error("the CRD of ServiceExports is gone; what was exported stays exported until it is back", "hint", "apply the CRD and the ServiceExports again")
		}
		return 0, nil
	}
	met := x.missing.met(name)
	x.missing.forget(name)
	if wait := grace(e.Created, since, time.Now(), met); wait > 0 {
		return wait, nil
	}
	x.Store.Withdraw(name)
	return 0, nil
}

// remembered returns what this cluster said before a restart of services that have no ServiceExport now, as
// far as that does not withdraw it, and the policy still lets it be said. They are held, to be looked at again.
func (x *exporter) remembered(ctx context.Context, there map[federation.ServiceName]bool) []*federation.Export {
	var list []*federation.Export
	names, _, _ := x.Store.NamesSince(0)
	for _, name := range names {
		if e := x.said(name); e != nil && !there[name] && x.Policy.Closed(name.Namespace) == "" {
			list = append(list, e)
		}
	}
	if len(list) == 0 {
		return nil
	}
	since, err := x.Definition.Since(ctx, time.Now())
	list = slices.DeleteFunc(list, func(e *federation.Export) bool {
		return err == nil && !since.IsZero() && grace(e.Created, since, time.Now(), false) == 0
	})
	for _, e := range list {
		x.missing.hold(e.Name)
	}
	if len(list) > 0 {
		x.Log.Warn("what has no ServiceExport stays exported, as its CRD is new, gone or unreadable", "services", len(list), "crd_since", since, "error", err)
	}
	return list
}

// followDefinition looks again at what is held a while after the CRD is back, until ctx ends. That is by our own
// clock, whatever the API server's says. What has a ServiceExport again by then was described anew meanwhile.
func (x *exporter) followDefinition(ctx context.Context) {
	var due <-chan time.Time
	for {
		select {
		case <-x.Definition.Returned():
			x.Log.Info("the CRD of ServiceExports is back", "pause", returnPause)
			due = time.After(returnPause)
		case <-due:
			if !x.again.look(ctx, x.missing.take()) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
