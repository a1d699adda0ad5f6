package state

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// FreezeAnnotation on the ConfigMap, with any value but "false", says that what is imported is to stay as it is while
// it is there. Of a brake no value is misread as that it is not pulled.
const FreezeAnnotation = "hansa.dev/freeze"

// Freeze is what the ConfigMap says of keeping what is imported as it is.
type Freeze struct {
	Asked bool      // by a person
	Since time.Time // noted by the leader, zero while it has not
}

// FreezeOf reads a ConfigMap, nil for none.
func FreezeOf(cm *corev1.ConfigMap) (f Freeze) {
	if cm == nil {
		return f
	}
	value, found := cm.Annotations[FreezeAnnotation]
	f.Asked = found && value != "false"
	f.Since, _ = momentOf(cm, frozenKey)
	return f
}

// SetFrozen writes down that what is imported stays as it is since at, or with zero that it is followed again. Only the
// leader may call it.
func (k *Keeper) SetFrozen(ctx context.Context, at time.Time) error {
	return k.setMoment(ctx, frozenKey, at, "whether what is imported is frozen")
}

// WithdrawnOf reads since when the other members know that this one says nothing, as MCSServiceDiscovery is off; nil is
// for no ConfigMap.
func WithdrawnOf(cm *corev1.ConfigMap) (at time.Time, is bool) { return momentOf(cm, withdrawnKey) }

// SetWithdrawn writes down that they do since at, or with zero that this member speaks again. Only the leader may call it.
func (k *Keeper) SetWithdrawn(ctx context.Context, at time.Time) error {
	return k.setMoment(ctx, withdrawnKey, at, "whether this cluster withholds what it exports")
}
