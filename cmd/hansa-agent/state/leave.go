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
	value := ""
	if !at.IsZero() {
		value = at.UTC().Format(time.RFC3339)
	}
	_, err := k.rewrite(ctx, func(data map[string]string) map[string]string {
		if (data[leftKey] == "") == (value == "") {
			return nil
		}
		return map[string]string{leftKey: value}
	})
	if err != nil {
		return fmt.Errorf("writing whether this cluster has left: %w", err)
	}
	return nil
}
