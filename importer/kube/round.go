package kube

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
)

// errBehind means that the API server holds another version of an object than the one that was planned on.
var errBehind = errors.New("our cache is behind")

// behindPause is when a service is looked at again for that, if its watch does not wake us before.
const behindPause = time.Second

// round is how the changes of one plan went.
type round struct {
	again   bool // the API server refused what the next plan leaves out
	behind  bool
	refused bool
	// hold means that the ServiceImport's status was planned before something was refused: it waits for the next
	// plan, which knows.
	hold bool
	errs []error
}

// writeAll makes all changes, whichever of them fail; but behind an object of somebody else it makes none: our
// watch will tell of that object. again means that the next plan is another.
func (d *door) writeAll(ctx context.Context, name federation.ServiceName, now Current, changes []Change) (again bool, err error) {
	var r round
	for _, c := range changes {
		_, isImport := c.Object.(*mcsv1beta1.ServiceImport)
		if r.hold && isImport && c.Verb == ApplyStatus {
			continue
		}
		began := time.Now()
		err := d.write(ctx, c)
		if err == nil {
			d.budget.wrote(name, time.Now(), time.Since(began))
		}
		if errors.Is(err, errForeign) {
			break
		}
		d.heed(ctx, name, now, c, err, &r)
		r.hold = r.hold || isImport && err != nil
	}
	d.written.note(name, changes)
	switch {
	case len(r.errs) > 0:
		return r.again, errors.Join(r.errs...)
	case r.behind:
		return r.again, errBehind
	}
	return d.blocked.accept(name) || r.again, nil
}

// heed takes from the outcome of a write what the next plan, and people, have to know.
func (d *door) heed(ctx context.Context, name federation.ServiceName, now Current, c Change, err error, r *round) {
	if err == nil {
		if _, ok := c.Object.(*corev1.Service); ok {
			d.taken.forget(name)
		}
		return
	}
	if errors.Is(err, errBehind) {
		r.behind = true
		return
	}
	switch d.learn(ctx, name, now, c, err) {
	case another:
		r.again = true
		return
	case nothing:
		if cause, ok := refusalOf(c, err, time.Now()); ok && !r.refused { // the first, as of several one is enough to begin with
			cause.told = says(now.Import, cause)
			r.refused, r.hold = true, d.blocked.refuse(name, cause) || r.hold
		}
	case patience:
	}
	r.errs = append(r.errs, err)
}
