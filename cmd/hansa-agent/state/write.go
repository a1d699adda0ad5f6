package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	fieldManager = "hansa-agent"
	// maxBytes is what a ConfigMap holds. The API server counts values only; keys are counted here too, so
	// that there is room for its own bookkeeping.
	maxBytes = corev1.MaxSecretSize
)

var (
	// errUnfit means that the ConfigMap cannot take the write until a person repairs it.
	errUnfit = errors.New("cannot be written")
	// errRaced means that somebody else wrote since the ConfigMap was read.
	errRaced = errors.New("written by somebody else meanwhile")
)

// read returns the ConfigMap, nil if there is none.
func (k *Keeper) read(ctx context.Context) (*corev1.ConfigMap, error) {
	cm, err := k.config.ConfigMaps.Get(ctx, k.config.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		k.see(&corev1.ConfigMap{})
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading ConfigMap %q: %w", k.config.Name, err)
	}
	if other, _ := decodeSelf(cm.Data); other != "" && k.config.Self != "" && other != k.config.Self {
		return nil, fmt.Errorf("reading ConfigMap %q: %w", k.config.Name, &OtherClusterError{other})
	}
	k.see(cm)
	return cm, nil
}

// see keeps what the ConfigMap says now; it is empty if there is none.
func (k *Keeper) see(cm *corev1.ConfigMap) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.data = cm.Data
	if k.uid = cm.UID; cm.Name == "" {
		return
	}
	select {
	case <-k.made:
	default:
		close(k.made)
	}
}

// rewrite writes those keys that change returns for what the ConfigMap says, if any, and reports whether it
// did. A key with an empty value is removed. When somebody else wrote meanwhile it starts again, until ctx ends.
func (k *Keeper) rewrite(ctx context.Context, change func(data map[string]string) map[string]string) (bool, error) {
	pause := wait.Backoff{Duration: 10 * time.Millisecond, Factor: 2, Jitter: 1, Steps: math.MaxInt, Cap: time.Second}
	for {
		cm, err := k.read(ctx)
		if err != nil {
			return false, err
		}
		var data map[string]string
		if cm != nil {
			data = cm.Data
		}
		changes := change(data)
		if len(changes) == 0 {
			return false, nil
		}
		err = k.write(ctx, cm, changes)
		if !errors.Is(err, errRaced) {
			return err == nil, err
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("%w: %w", err, context.Cause(ctx))
		case <-time.After(pause.Step()):
		}
	}
}

// write makes one attempt, for the version that was read; cm is nil if there was none.
func (k *Keeper) write(ctx context.Context, cm *corev1.ConfigMap, changes map[string]string) error {
	if err := fits(cm, changes); err != nil {
		return fmt.Errorf("writing ConfigMap %q: %w", k.config.Name, err)
	}
	after, err := k.send(ctx, cm, changes)
	switch {
	case err == nil:
		k.see(after)
		return nil
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), cm != nil && apierrors.IsNotFound(err):
		return fmt.Errorf("ConfigMap %q: %w: %w", k.config.Name, errRaced, err)
	case apierrors.IsInvalid(err), apierrors.IsRequestEntityTooLargeError(err):
		return fmt.Errorf("writing ConfigMap %q: %w: %w", k.config.Name, errUnfit, err)
	}
	return fmt.Errorf("writing ConfigMap %q: %w", k.config.Name, err)
}

func (k *Keeper) send(ctx context.Context, cm *corev1.ConfigMap, changes map[string]string) (*corev1.ConfigMap, error) {
	if cm == nil {
		made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: k.config.Name}, Data: changes}
		return k.config.ConfigMaps.Create(ctx, made, metav1.CreateOptions{FieldManager: fieldManager})
	}
	return k.config.ConfigMaps.Patch(ctx, k.config.Name, types.MergePatchType, patch(cm, changes), metav1.PatchOptions{FieldManager: fieldManager})
}

// patch returns the merge patch that writes changes into cm, for its version and no other.
func patch(cm *corev1.ConfigMap, changes map[string]string) []byte {
	data := map[string]any{}
	for key, value := range changes {
		if data[key] = value; value == "" {
			data[key] = nil
		}
	}
	body := map[string]any{
		"metadata": map[string]any{"resourceVersion": cm.ResourceVersion},
		"data":     data,
	}
	binary := map[string]any{}
	for key := range changes {
		if _, taken := cm.BinaryData[key]; taken {
			binary[key] = nil // a key may be in one of the two
		}
	}
	if len(binary) > 0 {
		body["binaryData"] = binary
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings in maps: cannot be
	}
	return text
}

// fits returns why a ConfigMap cannot take changes, and what to do, before the API server is asked.
func fits(cm *corev1.ConfigMap, changes map[string]string) error {
	if cm == nil {
		cm = &corev1.ConfigMap{}
	}
	if cm.Immutable != nil && *cm.Immutable {
		return fmt.Errorf("%w: it is immutable: delete it, and it is made anew", errUnfit)
	}
	size := 0
	for key, value := range changes {
		size += len(key) + len(value)
	}
	for key, value := range cm.Data {
		if _, replaced := changes[key]; !replaced {
			size += len(key) + len(value)
		}
	}
	for key, value := range cm.BinaryData {
		if _, replaced := changes[key]; !replaced {
			size += len(key) + len(value)
		}
	}
	if size > maxBytes {
		return fmt.Errorf("%w: it would have %d bytes, want at most %d: remove from it what is not Hansa's", errUnfit, size, maxBytes)
	}
	return nil
}
