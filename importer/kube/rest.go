package kube

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// restAnnotation says, on a derived Service, since when it has no ServiceImport, in RFC 3339. A name that
// comes back while it rests gets the same address (design section 6).
const restAnnotation = "hansa.dev/resting-since"

// planRest begins the rest of a derived Service, and ends it.
func planRest(derived *corev1.Service, scene Scene) []Change {
	if left, resting := restLeft(derived, scene); scene.Rest <= 0 || resting && left <= 0 {
		return []Change{deletion(derived)}
	} else if resting {
		return nil
	}
	asleep := derived.DeepCopy()
	if asleep.Annotations == nil {
		asleep.Annotations = map[string]string{}
	}
	asleep.Annotations[restAnnotation] = scene.Now.UTC().Format(time.RFC3339)
	return []Change{{Verb: Patch, Object: asleep, Before: derived}}
}

// restLeft returns how long a derived Service has still to rest, if it does. A time that cannot be read, or
// is yet to come, begins no rest: it begins anew.
func restLeft(derived *corev1.Service, scene Scene) (time.Duration, bool) {
	since, err := time.Parse(time.RFC3339, derived.Annotations[restAnnotation])
	if err != nil || since.After(scene.Now) {
		return 0, false
	}
	return since.Add(scene.Rest).Sub(scene.Now), true
}
