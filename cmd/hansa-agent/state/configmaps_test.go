package state

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// configMaps is an API server that has one ConfigMap, and knows no other requests than those of a Keeper.
type configMaps struct {
	corev1client.ConfigMapInterface
	t testing.TB

	mu      sync.Mutex
	object  *corev1.ConfigMap // nil for none
	version int
	reads   int
	written []string                // the keys of each write that was taken
	refuse  func(verb string) error // what is said to a request before anything is looked at
	before  func()                  // runs ahead of the next write
}

func newConfigMaps(t testing.TB, data map[string]string) *configMaps {
	m := &configMaps{t: t}
	if data != nil {
		m.edit(func(o *corev1.ConfigMap) { o.Data = data })
	}
	return m
}

var resource = corev1.Resource("configmaps")

// edit makes somebody else write.
func (m *configMaps) edit(change func(*corev1.ConfigMap)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: DefaultName}}
	if m.object != nil {
		next = m.object.DeepCopy()
	}
	change(next)
	m.store(next)
}

func (m *configMaps) remove() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.object = nil
}

func (m *configMaps) store(o *corev1.ConfigMap) {
	m.version++
	o.ResourceVersion = strconv.Itoa(m.version)
	m.object = o
}

// says returns the data of the ConfigMap.
func (m *configMaps) says() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.object == nil {
		return nil
	}
	return maps.Clone(m.object.Data)
}

// writes returns the keys of each write so far.
func (m *configMaps) writes() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.written)
}

// answer makes refuse answer requests ahead of anything else, nil for none.
func (m *configMaps) answer(refuse func(verb string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = refuse
}

// gets returns how often the ConfigMap was asked for.
func (m *configMaps) gets() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reads
}

func (m *configMaps) enter(name, verb string) error {
	if name != DefaultName {
		m.t.Errorf("%s of ConfigMap %q", verb, name)
	}
	if verb != "get" && m.before != nil {
		run := m.before
		m.before = nil
		run()
	}
	m.mu.Lock()
	refuse := m.refuse
	m.mu.Unlock()
	if refuse != nil {
		return refuse(verb)
	}
	return nil
}

func (m *configMaps) Get(_ context.Context, name string, _ metav1.GetOptions) (*corev1.ConfigMap, error) {
	if err := m.enter(name, "get"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	if m.object == nil {
		return nil, apierrors.NewNotFound(resource, name)
	}
	return m.object.DeepCopy(), nil
}

func (m *configMaps) Create(_ context.Context, o *corev1.ConfigMap, _ metav1.CreateOptions) (*corev1.ConfigMap, error) {
	if err := m.enter(o.Name, "create"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.object != nil {
		return nil, apierrors.NewAlreadyExists(resource, o.Name)
	}
	m.note(slices.Sorted(maps.Keys(o.Data)))
	m.store(o.DeepCopy())
	return m.object.DeepCopy(), nil
}

func (m *configMaps) Patch(_ context.Context, name string, kind types.PatchType, text []byte, _ metav1.PatchOptions, sub ...string) (*corev1.ConfigMap, error) {
	if err := m.enter(name, "patch"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if kind != types.MergePatchType || len(sub) > 0 {
		m.t.Errorf("patch %s of %v", kind, sub)
	}
	if m.object == nil {
		return nil, apierrors.NewNotFound(resource, name)
	}
	var patch struct {
		Metadata   metav1.ObjectMeta
		Data       map[string]*string // nil takes a key away
		BinaryData map[string][]byte
	}
	if err := json.Unmarshal(text, &patch); err != nil {
		m.t.Errorf("%v: %s", err, text)
	}
	if patch.Metadata.ResourceVersion != m.object.ResourceVersion {
		return nil, apierrors.NewConflict(resource, name, nil)
	}
	next := m.object.DeepCopy()
	if next.Data == nil {
		next.Data = map[string]string{}
	}
	for key, value := range patch.Data {
		if delete(next.Data, key); value != nil {
			next.Data[key] = *value
		}
	}
	for key, value := range patch.BinaryData {
		if value != nil {
			m.t.Errorf("binary data written: %s", text)
		}
		delete(next.BinaryData, key)
	}
	m.note(slices.Sorted(maps.Keys(patch.Data)))
	m.store(next)
	return m.object.DeepCopy(), nil
}

func (m *configMaps) note(keys []string) {
	m.written = append(m.written, strings.Join(keys, " "))
}
