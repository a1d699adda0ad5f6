package kube

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
)

const (
	// mostRefusalText bounds, in bytes, what is repeated of the API server's answer.
	mostRefusalText = 500
	// textPause is the least time between two texts of one refusal: a text that reads otherwise at each try, as it
	// holds a number, must not become a write for each.
	textPause = time.Minute
)

// refusal is why the API server does not take a write: quota, RBAC, admission, a field that it finds invalid.
type refusal struct {
	object string // what is refused, in words
	reason metav1.StatusReason
	text   string
	at     time.Time
	// usable means that the ServiceImport can be used all the same, or is itself what is refused.
	usable bool
	// told means that the ServiceImport said so before this agent started.
	told bool
}

func (r refusal) String() string { return fmt.Sprintf("%s was refused: %s", r.object, r.text) }

// refusalOf tells a refusal, which stands until somebody does something about it, from what trying again
// solves: a conflict, a time-out, an API server that is overloaded or ill.
func refusalOf(c Change, err error, now time.Time) (refusal, bool) {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || status.ErrStatus.Code < http.StatusBadRequest || status.ErrStatus.Code >= http.StatusInternalServerError {
		return refusal{}, false
	}
	switch status.ErrStatus.Code {
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusRequestTimeout, http.StatusConflict, http.StatusGone, http.StatusTooManyRequests:
		return refusal{}, false
	}
	text := status.ErrStatus.Message
	if len(text) > mostRefusalText {
		text = strings.ToValidUTF8(text[:mostRefusalText], "") + "…"
	}
	object, usable := inWords(c)
	return refusal{object: object, reason: status.ErrStatus.Reason, text: text, at: now, usable: usable}, true
}

// inWords says what a change is about.
func inWords(c Change) (object string, usable bool) {
	switch o := c.Object.(type) {
	case *corev1.Service:
		object = "the derived Service"
	case *discoveryv1.EndpointSlice:
		object = "the EndpointSlice " + o.Name
		if cluster := sourceOf(o); cluster != "" {
			object = fmt.Sprintf("the EndpointSlice of cluster %s", cluster)
		}
	case *mcsv1beta1.ServiceImport:
		object, usable = "the ServiceImport", true
	default:
		object, usable = "the condition Conflict of the ServiceExport", true
	}
	if c.Verb == Delete {
		object = "the deletion of " + object
	}
	return object, usable
}

// refuse notes why a service's write was refused, and returns whether that is news: as long as the same object
// is refused for the same reason, another text is so at most once in textPause.
func (b *Blocked) refuse(name federation.ServiceName, r refusal) (news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before, known := b.refused[name]
	if known && before.object == r.object && before.reason == r.reason && (before.text == r.text || r.at.Sub(before.at) < textPause) {
		return false
	}
	if b.refused == nil {
		b.refused = map[federation.ServiceName]refusal{}
	}
	b.refused[name] = r
	return true
}

// accept notes that all writes of a service went through, and returns whether one had been refused.
func (b *Blocked) accept(name federation.ServiceName) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, known := b.refused[name]
	delete(b.refused, name)
	return known
}

// refusal returns what keeps a service from being used wholly, "" for nothing.
func (b *Blocked) refusal(name federation.ServiceName) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r, known := b.refused[name]; known && !r.usable {
		return r.String()
	}
	return ""
}

// notes returns what there is to tell of a refusal.
func (b *Blocked) notes(name federation.ServiceName) []note {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, known := b.refused[name]
	if !known {
		return nil
	}
	return []note{{topic: topic{Reason: reasonNotWritten, Value: fmt.Sprint(r.object, r.reason)}, Text: r.String(), Told: r.told}}
}

// says reports whether a ServiceImport has the refusal in its status.
func says(si *mcsv1beta1.ServiceImport, r refusal) bool {
	if si == nil {
		return false
	}
	ready := meta.FindStatusCondition(si.Status.Conditions, string(mcsv1beta1.ServiceImportConditionReady))
	return ready != nil && ready.Reason == string(mcsv1beta1.ServiceImportReasonPending) && ready.Message == r.String()
}
