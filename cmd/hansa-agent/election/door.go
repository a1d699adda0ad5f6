package election

import (
	"context"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
)

// door sends requests about the one Lease. None takes longer than within.
type door struct {
	client coordinationv1client.LeaseInterface
	name   string
	within time.Duration
}

// verb is what RBAC calls a request.
type verb string

// tried is a request that was answered, or not.
type tried struct {
	verb verb
	err  error
}

// news is what became of requests, and the Lease as it was after them.
type news struct {
	tried []tried
	seen  *sight // nil if it is not known
	wrote bool   // seen is what we wrote
	event bool   // seen was told by a watch, and not asked for
}

// failed returns what the last request failed with, or nil.
func (n news) failed() error {
	if len(n.tried) == 0 {
		return nil
	}
	return n.tried[len(n.tried)-1].err
}

// put writes the Lease, and reads it if somebody else was faster.
func (d door) put(ctx context.Context, lease *coordinationv1.Lease, sent time.Time) news {
	written, did := d.write(ctx, lease)
	if did.err == nil {
		return news{tried: []tried{did}, seen: &sight{written, written.ResourceVersion, sent}, wrote: true}
	}
	if !outdated(did) {
		return news{tried: []tried{did}}
	}
	seen, got := d.get(ctx)
	return news{tried: []tried{did, got}, seen: seen}
}

// write makes the Lease if it is of no version yet, else replaces that version of it.
func (d door) write(ctx context.Context, lease *coordinationv1.Lease) (*coordinationv1.Lease, tried) {
	ctx, cancel := context.WithTimeout(ctx, d.within)
	defer cancel()
	if lease.ResourceVersion == "" {
		written, err := d.client.Create(ctx, lease, metav1.CreateOptions{})
		return written, tried{"create", err}
	}
	written, err := d.client.Update(ctx, lease, metav1.UpdateOptions{})
	return written, tried{"update", err}
}

// outdated reports whether the Lease was not as the request supposed. A Lease that cannot be made because
// something is not found has no namespace.
func outdated(t tried) bool {
	return apierrors.IsConflict(t.err) || apierrors.IsAlreadyExists(t.err) || t.verb == "update" && apierrors.IsNotFound(t.err)
}

// get reads the Lease; a nil sight means that it could not be.
func (d door) get(ctx context.Context) (*sight, tried) {
	ctx, cancel := context.WithTimeout(ctx, d.within)
	defer cancel()
	asked := time.Now()
	lease, err := d.client.Get(ctx, d.name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return &sight{asked: asked}, tried{"get", nil}
	case err != nil:
		return nil, tried{"get", err}
	}
	return &sight{lease, lease.ResourceVersion, asked}, tried{"get", nil}
}

// list reads the Lease and from which version on to watch it.
func (d door) list(ctx context.Context) (*sight, error) {
	ctx, cancel := context.WithTimeout(ctx, d.within)
	defer cancel()
	asked := time.Now()
	list, err := d.client.List(ctx, d.only())
	if err != nil {
		return nil, err
	}
	for _, l := range list.Items {
		if l.Name == d.name {
			return &sight{&l, list.ResourceVersion, asked}, nil
		}
	}
	return &sight{nil, list.ResourceVersion, asked}, nil
}

// only selects the one Lease, so that a Role may name it.
func (d door) only() metav1.ListOptions {
	return metav1.ListOptions{FieldSelector: "metadata.name=" + d.name}
}

// release gives the Lease back if it is ours, and reports whether it was. It starts from the Lease as it was
// last seen, nil if that is not known, and reads it again if that was not the newest.
func (d door) release(ctx context.Context, last *coordinationv1.Lease, me Identity) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, d.within)
	defer cancel()
	for ctx.Err() == nil {
		if last == nil {
			seen, got := d.get(ctx)
			if got.err != nil {
				return false, fmt.Errorf("reading the Lease: %w", got.err)
			}
			last = seen.lease
		}
		if holding(last).Name != me.Name {
			return false, nil
		}
		_, did := d.write(ctx, released(last, time.Now()))
		if !outdated(did) {
			return true, did.err
		}
		last = nil
	}
	return true, context.Cause(ctx)
}

// refused reports whether an error is the API server's word that it did not do what was asked. Without that
// it may have, or may do it yet.
func refused(err error) bool {
	status, answered := errors.AsType[*apierrors.StatusError](err)
	return answered && status.ErrStatus.Code >= 400 && status.ErrStatus.Code < 500 && !apierrors.IsTooManyRequests(err)
}
