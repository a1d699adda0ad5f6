package state

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// LeaveAnnotation on the ConfigMap, with the value "true", says that the cluster is to leave the clusterset, and to
// stay out while it is there.
const LeaveAnnotation = "hansa.dev/leave"

// Phase is how a cluster stands to its clusterset.
type Phase int

const (
	// Inside is a member.
	Inside Phase = iota
	// Leaving is a member that says that it leaves, and waits until the others know.
	Leaving
	// Outside is none, until nobody asks for it any more, and its leader has taken note of that.
	Outside
)

// Departure is what the ConfigMap says of leaving. The zero value is of a cluster that is inside, and stays.
type Departure struct {
	Asked bool // by a person
	Left  bool // by the leader: the other members know
}

// DepartureOf reads a ConfigMap, nil for none.
func DepartureOf(cm *corev1.ConfigMap) Departure {
	if cm == nil {
		return Departure{}
	}
	return Departure{Asked: cm.Annotations[LeaveAnnotation] == "true", Left: cm.Data[leftKey] != ""}
}

// Phase returns where that leads. Who comes back is out until its leader has taken back that it left: so whoever leaves
// anew says so anew.
func (d Departure) Phase() Phase {
	switch {
	case d.Left:
		return Outside
	case d.Asked:
		return Leaving
	}
	return Inside
}

// SetLeft writes down that the other members know since at that this cluster leaves, or with zero that it is back. Only
// the leader may call it.
func (k *Keeper) SetLeft(ctx context.Context, at time.Time) error {
	return k.setMoment(ctx, leftKey, at, "whether this cluster has left")
}

// setMoment writes down that something is so since at, or with zero that it is not. What is so stays as it is.
func (k *Keeper) setMoment(ctx context.Context, key string, at time.Time, what string) error {
	value := ""
	if !at.IsZero() {
		value = at.UTC().Format(time.RFC3339)
	}
	_, err := k.rewrite(ctx, func(data map[string]string) map[string]string {
		if (data[key] == "") == (value == "") {
			return nil
		}
		return map[string]string{key: value}
	})
	if err != nil {
		return fmt.Errorf("writing %s: %w", what, err)
	}
	return nil
}

// momentOf reads since when something is so. A text that is no time, which somebody edited, counts as long ago.
func momentOf(cm *corev1.ConfigMap, key string) (at time.Time, is bool) {
	if cm == nil || cm.Data[key] == "" {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339, cm.Data[key])
	if err != nil {
		at = time.Unix(0, 0).UTC()
	}
	return at, true
}
