package exporter

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/hansa-mcs/hansa/federation"
)

// refusalPause is how long nothing is written in a namespace after the API server refused to.
const refusalPause = time.Minute

// refusals are the namespaces in which the API server takes no write of auto-export, for lack of rights, by a quota, or as
// the CRD is not there. In each of them one write is tried again after refusalPause; all others wait for how that fares.
// A namespace stands for itself alone: rights may be bound in some, and a quota is of one. What is refused for what it is,
// as by an admission policy, stands for itself too, and is tried again after refusalPause.
type refusals struct {
	mu      sync.Mutex
	of      map[string]*refusal
	objects map[federation.ServiceName]string // why
}

func newRefusals() refusals {
	return refusals{of: map[string]*refusal{}, objects: map[federation.ServiceName]string{}}
}

type refusal struct {
	why     string
	until   time.Time
	waiting map[federation.ServiceName]bool
}

// refusalKind is how far a refusal goes, which would come again and again until somebody does something about it.
type refusalKind int

const (
	notRefused    refusalKind = iota
	objectRefused             // of this ServiceExport
	writeRefused              // of any in the namespace
)

// refusalOf tells what an error of a write refuses. An API server that is busy, or a name that is taken or gone, refuses
// nothing.
func refusalOf(err error) refusalKind {
	_, answered := errors.AsType[*apierrors.StatusError](err)
	switch {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause), apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return notRefused
	case apierrors.IsForbidden(err), apierrors.IsMethodNotSupported(err), meta.IsNoMatchError(err), apierrors.IsNotFound(err) && nameless(err): // the kind is not found
		return writeRefused
	case !answered, apierrors.IsNotFound(err), apierrors.IsUnauthorized(err), apierrors.IsTooManyRequests(err), apierrors.IsTimeout(err),
		apierrors.IsServerTimeout(err), apierrors.IsServiceUnavailable(err):
		return notRefused
	}
	return objectRefused
}

// nameless reports whether an answer is about no object.
func nameless(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	return ok && (status.ErrStatus.Details == nil || status.ErrStatus.Details.Name == "")
}

// wait returns how long a write has to wait, 0 for one that is to be tried.
func (r *refusals) wait(name federation.ServiceName, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	is := r.of[name.Namespace]
	if is == nil {
		return 0
	}
	is.waiting[name] = true
	if left := is.until.Sub(now); left > 0 {
		return left
	}
	is.until = now.Add(refusalPause)
	return 0
}

// refuse notes that a write was refused, and returns how long it has to wait. It reports whether no other one is refused.
func (r *refusals) refuse(name federation.ServiceName, what refusalKind, why error, now time.Time) (wait time.Duration, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first = len(r.of)+len(r.objects) == 0
	if what == objectRefused {
		r.objects[name] = why.Error()
		return refusalPause, first
	}
	is := r.of[name.Namespace]
	if is == nil {
		is = &refusal{waiting: map[federation.ServiceName]bool{}}
		r.of[name.Namespace] = is
	}
	is.why, is.until, is.waiting[name] = why.Error(), now.Add(refusalPause), true
	return refusalPause, first
}

// accept notes that the API server takes a write, and so others in its namespace.
func (r *refusals) accept(name federation.ServiceName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.of, name.Namespace)
	delete(r.objects, name)
}

// settle notes that a service needs no write any more.
func (r *refusals) settle(name federation.ServiceName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.objects, name)
	if is := r.of[name.Namespace]; is != nil {
		if delete(is.waiting, name); len(is.waiting) == 0 {
			delete(r.of, name.Namespace)
		}
	}
}

// tell says what is refused and what to do about it, "" for nothing.
func (r *refusals) tell() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if text := r.tellObjects(); text != "" && len(r.of) == 0 {
		return text
	}
	namespaces := slices.Sorted(maps.Keys(r.of))
	if len(namespaces) == 0 {
		return ""
	}
	where := "namespace " + namespaces[0]
	if more := len(namespaces) - 1; more > 0 {
		where += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("auto-export cannot write ServiceExports in %s: %s; the rights are in ClusterRole hansa-agent-auto-export of docs/roles.yaml, and it is tried again each minute",
		where, clip(r.of[namespaces[0]].why, maxNote))
}

// tellObjects says which ServiceExports are refused for what they are, "" for none.
func (r *refusals) tellObjects() string {
	if len(r.objects) == 0 {
		return ""
	}
	first := slices.MinFunc(slices.Collect(maps.Keys(r.objects)), federation.ServiceName.Compare)
	what := "ServiceExport " + first.String()
	if more := len(r.objects) - 1; more > 0 {
		what += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("auto-export cannot write %s: %s; it is tried again each minute", what, clip(r.objects[first], maxNote))
}
