package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
)

// Turns are what the ConfigMap of the gates is to say of some: nil that it says nothing. What is no gate can be taken out of it
// like that, too.
type Turns map[features.Gate]*bool

var (
	// ErrImpossible is wrapped by what the agents could not do, and is not written.
	ErrImpossible = errors.New("nothing was written")
	// ErrNoGates is why there is no gate to turn.
	ErrNoGates = errors.New("no agent has run here, so there is no gate to turn: there is no ConfigMap " + state.DefaultName)
)

// TurnGates lets the ConfigMap of the gates say something else of some, and makes it if it has to: choose says what, of what
// it says now, or why not. It returns what the ConfigMap says of all then. What nobody asked to be changed in it stays; of two
// who change it at once each takes account of what the other wrote. What makes it ask for the impossible is refused in the
// agents' words, and where no agent has run nothing is written.
func (t *Target) TurnGates(ctx context.Context, choose func(data map[string]string) (Turns, error)) (data map[string]string, err error) {
	_, err = t.core.CoreV1().ConfigMaps(t.Namespace).Get(ctx, state.DefaultName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("namespace %s: %w", t.Namespace, ErrNoGates)
	case err != nil:
		return nil, t.explain("looking for ConfigMap "+state.DefaultName, err)
	}
	err = retry.OnError(retry.DefaultBackoff, overtaken, func() error {
		data, err = t.turnGates(ctx, choose)
		return err
	})
	return data, err
}

// errGone is of a ConfigMap that went while it was to be changed.
var errGone = errors.New("it was deleted meanwhile")

// overtaken reports whether somebody else wrote at the same time.
func overtaken(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || errors.Is(err, errGone)
}

func (t *Target) turnGates(ctx context.Context, choose func(map[string]string) (Turns, error)) (map[string]string, error) {
	cm, err := t.core.CoreV1().ConfigMaps(t.Namespace).Get(ctx, features.ConfigMap, metav1.GetOptions{})
	absent := apierrors.IsNotFound(err)
	if absent {
		cm, err = &corev1.ConfigMap{}, nil
	}
	if err != nil {
		return nil, t.explain("reading ConfigMap "+features.ConfigMap, err)
	}
	turns, err := choose(cm.Data)
	if err != nil {
		return nil, err
	}
	if err := turns.Check(t.Namespace, cm.Data); err != nil {
		return nil, err
	}
	data := turns.on(cm.Data)
	if maps.Equal(cm.Data, data) {
		return data, nil
	}
	if err := t.writeGates(ctx, cm, absent, turns, data); err != nil {
		return nil, t.explain("writing ConfigMap "+features.ConfigMap, err)
	}
	return data, nil
}

// writeGates makes or changes the ConfigMap, if it is still as it was read.
func (t *Target) writeGates(ctx context.Context, cm *corev1.ConfigMap, absent bool, turns Turns, data map[string]string) error {
	all := t.core.CoreV1().ConfigMaps(t.Namespace)
	if absent {
		cm.Name, cm.Data = features.ConfigMap, data
		_, err := all.Create(ctx, cm, metav1.CreateOptions{})
		return err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": cm.ResourceVersion}, "data": turns.patch()})
	if err != nil {
		return err
	}
	_, err = all.Patch(ctx, features.ConfigMap, types.MergePatchType, patch, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		err = errGone
	}
	return err
}

// GateFaults returns what is wrong with each line of the ConfigMap's data that is, in the order of the keys. How a gate stands
// whose value cannot be read only the agents know.
func GateFaults(namespace string, data map[string]string) (list []string) {
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if _, _, err := features.ParseSetting(key + "=" + data[key]); err != nil {
			list = append(list, fmt.Sprintf("ConfigMap %s/%s: %s; hansa features unset %s takes it out", namespace, features.ConfigMap, err, key))
		}
	}
	return list
}

// GatesObject returns the ConfigMap of the gates with what turns are about alone. With a gate of which it is to say nothing
// it is a merge patch, as kubectl patch takes it; with nil turns one that leaves nothing in it.
func GatesObject(namespace string, turns Turns) *unstructured.Unstructured {
	var data any
	if turns != nil {
		data = turns.patch()
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": features.ConfigMap, "namespace": namespace},
		"data": data,
	}}
}

// patch is what a merge patch has as the data.
func (turns Turns) patch() map[string]any {
	data := map[string]any{}
	for g, on := range turns {
		data[string(g)] = nil
		if on != nil {
			data[string(g)] = strconv.FormatBool(*on)
		}
	}
	return data
}

// on returns data once the turns are made.
func (turns Turns) on(data map[string]string) map[string]string {
	after := maps.Clone(data)
	if after == nil {
		after = map[string]string{}
	}
	for g, on := range turns {
		if on == nil {
			delete(after, string(g))
		} else {
			after[string(g)] = strconv.FormatBool(*on)
		}
	}
	return after
}

// Check refuses turns that ask for what needs MCSServiceDiscovery while that is off once they are made, in the agents'
// words. To turn that off is never refused: what was asked for before stands idle then. The error wraps ErrImpossible.
func (turns Turns) Check(namespace string, data map[string]string) error {
	name := namespace + "/" + features.ConfigMap
	after, _ := features.ReadConfigMap(name, turns.on(data), func(string) time.Time { return time.Time{} }, features.Layer{})
	brake, asked := features.Layer{Values: map[features.Gate]bool{}, Where: after.Where}, features.Layer{Values: map[features.Gate]bool{}, Where: after.Where}
	if on, said := after.Values[features.ServiceDiscovery]; said {
		brake.Values[features.ServiceDiscovery] = on
	}
	for g, on := range turns {
		if g != features.ServiceDiscovery && on != nil {
			asked.Values[g] = *on
		}
	}
	_, faults := features.Resolve(time.Time{}, brake, asked)
	if len(faults) == 0 {
		return nil
	}
	var texts []string
	for _, fault := range faults {
		texts = append(texts, fault.Error())
	}
	hint := ""
	if _, both := turns[features.ServiceDiscovery]; !both {
		hint = fmt.Sprintf(": run hansa features unset %s first", features.ServiceDiscovery)
	}
	return fmt.Errorf("%s; %w%s", strings.Join(texts, "; "), ErrImpossible, hint)
}
