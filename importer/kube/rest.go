package kube

import (
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/hansa-mcs/hansa/federation"
)

// restAnnotation says, on a derived Service, since when it has no ServiceImport, in RFC 3339. A name that
// comes back while it rests gets the same address (design section 6).
const restAnnotation = "hansa.dev/resting-since"

// planRest begins the rest of a derived Service, and ends it. Meanwhile it is ours, and nobody's servant, as when
// it is in use; one without an address has nothing to keep.
func planRest(name federation.ServiceName, derived *corev1.Service, scene Scene) []Change {
	if terminates(derived) {
		return nil
	}
	left, resting := restLeft(derived, scene)
	if scene.Rest <= 0 || resting && left <= 0 || derived.Spec.ClusterIP == "" {
		return deletion(derived)
	}
	asleep := bareDerived(derived)
	if asleep.Annotations == nil {
		asleep.Annotations = map[string]string{}
	}
	asleep.Annotations[restAnnotation] = scene.Now.UTC().Format(time.RFC3339)
	if resting {
		asleep.Annotations[restAnnotation] = derived.Annotations[restAnnotation]
	}
	maps.Copy(asleep.Labels, derivedLabels(name)) // there are some, as our mark is one
	return patchIfOther(asleep, derived)
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
