package exporter

import (
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

const (
	eventReporter = "hansa-agent"
	eventAction   = "Export"

	maxNote = 1024 // what an API server takes as the note of an event
)

// notice is an event on a ServiceExport, but for the ServiceExport.
type notice struct{ kind, reason, note string }

// news returns what a person is told when conditions become those of now: each refusal with its cause, again
// when the cause is another, and that the service is exported at last after one. An export that is well from
// the first is none: a thousand of them would be a thousand Events that say nothing.
func news(old []metav1.Condition, now Status) []notice {
	var list []notice
	for _, c := range []metav1.Condition{now.Valid, now.Ready} {
		was := meta.FindStatusCondition(old, c.Type)
		switch {
		case refused(c):
			if was == nil || was.Status != c.Status || was.Reason != c.Reason || was.Message != c.Message {
				list = append(list, notice{corev1.EventTypeWarning, c.Reason, clip(c.Message, maxNote)})
			}
		case exported(c):
			if was != nil && was.Status != metav1.ConditionTrue {
				list = append(list, notice{corev1.EventTypeNormal, c.Reason, clip(c.Message, maxNote)})
			}
		}
	}
	return list
}

// refused reports whether a condition has a cause of its own: one that waits for another has none.
func refused(c metav1.Condition) bool {
	return c.Status == metav1.ConditionFalse && c.Reason != string(mcsv1beta1.ServiceExportReasonPending)
}

func exported(c metav1.Condition) bool {
	return c.Status == metav1.ConditionTrue && c.Reason == string(mcsv1beta1.ServiceExportReasonExported)
}

// clip returns at most so many bytes of s, cut between two characters.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	const more = "…"
	end := most - len(more)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + more
}
