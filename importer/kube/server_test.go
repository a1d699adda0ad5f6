package kube

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/managedfields/managedfieldstest"
	"k8s.io/client-go/applyconfigurations"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/mcs-api/config/crd"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
	"sigs.k8s.io/yaml"
)

// server holds objects as an API server does: the field ownership of server-side apply is Kubernetes' own
// code with Kubernetes' own schemas; defaults, allocation and refusals are those that concern us.
type server struct {
	t        testing.TB
	families []corev1.IPFamily // that addresses are allocated of, the default first
	objects  map[string]*unstructured.Unstructured
	managers map[string]*managedfields.FieldManager
	now      metav1.Time
	next     int      // the last address that was allocated
	version  int      // the last one of an object
	idle     []string // what was written though it changed nothing
}

func newServer(t testing.TB, families ...corev1.IPFamily) *server {
	t.Helper()
	s := &server{t: t, families: families, objects: map[string]*unstructured.Unstructured{}, now: metav1.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	builtin := applyconfigurations.NewTypeConverter(clientgoscheme.Scheme)
	s.managers = map[string]*managedfields.FieldManager{
		"Service":       managedfieldstest.NewFakeFieldManager(builtin, corev1.SchemeGroupVersion.WithKind("Service")),
		"EndpointSlice": managedfieldstest.NewFakeFieldManager(builtin, discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice")),
	}
	for kind, text := range map[string][]byte{"ServiceImport": crd.ServiceImportCRD, "ServiceExport": crd.ServiceExportCRD} {
		s.managers[kind] = managedfieldstest.NewFakeFieldManager(crdSchema(t, kind, text), schema.GroupVersionKind{Group: mcsv1beta1.GroupName, Version: mcsv1beta1.GroupVersion.Version, Kind: kind})
	}
	return s
}

// crdSchema reads from a CRD which lists of its kind are maps.
func crdSchema(t testing.TB, kind string, text []byte) managedfields.TypeConverter {
	t.Helper()
	var definition struct {
		Spec struct {
			Versions []struct {
				Name   string
				Schema struct{ OpenAPIV3Schema spec.Schema }
			}
		}
	}
	if err := yaml.Unmarshal(text, &definition); err != nil {
		t.Fatal(err)
	}
	for _, v := range definition.Spec.Versions {
		if v.Name != mcsv1beta1.GroupVersion.Version {
			continue
		}
		shape := v.Schema.OpenAPIV3Schema
		texts := spec.MapProperty(spec.StringProperty())
		shape.Properties["metadata"] = *new(spec.Schema).Typed("object", "").SetProperty("labels", *texts).SetProperty("annotations", *texts)
		shape.AddExtension("x-kubernetes-group-version-kind", []any{map[string]any{
			"group": mcsv1beta1.GroupName, "version": v.Name, "kind": kind,
		}})
		converter, err := managedfields.NewTypeConverter(map[string]*spec.Schema{kind: &shape}, true)
		if err != nil {
			t.Fatal(err)
		}
		return converter
	}
	t.Fatal("the CRD lacks v1beta1")
	return nil
}

// write does what door.send asks the API server for. It fails the test for what Kubernetes would refuse.
func (s *server) write(c Change) {
	s.t.Helper()
	id := kindOf(c.Object) + " " + c.Object.GetName()
	var err error
	switch c.Verb {
	case Delete:
		err = s.remove(id)
	case Patch, PatchStatus:
		err = s.patch(id, client.MergeFrom(c.Before), c.Object)
	default:
		var config runtime.ApplyConfiguration
		if config, err = applyConfig(c.Object, c.Verb == ApplyStatus, s.now); err == nil {
			err = s.apply(config, c.Verb == ApplyStatus, !c.First)
		}
	}
	if c.First && apierrors.IsConflict(err) {
		return // left alone, as door.write does
	}
	if err != nil {
		s.t.Fatalf("%s %s: %v", c.Verb, id, err)
	}
}

// remove deletes an object; one with finalizers stays, and terminates.
func (s *server) remove(id string) error {
	live := s.objects[id]
	switch {
	case live == nil:
		return apierrors.NewNotFound(schema.GroupResource{}, id)
	case len(live.GetFinalizers()) == 0:
		delete(s.objects, id)
	case live.GetDeletionTimestamp() != nil:
		s.idle = append(s.idle, id)
	default:
		live.SetDeletionTimestamp(&s.now)
	}
	return nil
}

// apply is server-side apply, of an object or of its status.
func (s *server) apply(config runtime.ApplyConfiguration, status, force bool) error {
	s.t.Helper()
	said := encode(s.t, config)
	id := said.GetKind() + " " + said.GetName()
	live := s.objects[id]
	manager := fieldManager
	if status {
		manager += "/status" // a subresource has ownership of its own
	}
	if live == nil && status {
		return apierrors.NewNotFound(schema.GroupResource{}, id)
	}
	if live == nil {
		live = &unstructured.Unstructured{Object: map[string]any{"apiVersion": said.GetAPIVersion(), "kind": said.GetKind()}}
	}
	next, err := s.managers[said.GetKind()].Apply(live, said, manager, force)
	if err != nil {
		return err
	}
	s.replace(id, next)
	return nil
}

// patch sends the difference, as a merge patch.
func (s *server) patch(id string, patch client.Patch, o client.Object) error {
	s.t.Helper()
	text, err := patch.Data(o)
	if err != nil {
		return err
	}
	var difference map[string]any
	if err := json.Unmarshal(text, &difference); err != nil {
		return err
	}
	next := s.objects[id].DeepCopy()
	merge(next.Object, difference)
	if planned, now := next.GetResourceVersion(), s.objects[id].GetResourceVersion(); planned != now {
		return apierrors.NewConflict(schema.GroupResource{}, id, fmt.Errorf("version %s was planned on, it is %s", planned, now))
	}
	after, err := s.managers[kindOf(o)].Update(s.objects[id], next, fieldManager)
	if err != nil {
		return err
	}
	s.replace(id, after)
	return nil
}

// replace stores what we wrote, and notes it if it changed nothing.
func (s *server) replace(id string, o runtime.Object) {
	s.t.Helper()
	before := s.objects[id]
	s.store(id, o)
	if before != nil && same(before, s.objects[id]) {
		s.idle = append(s.idle, id)
	}
}

// edit makes somebody else write: text holds objects, of which each is merged into the one of its name, or made.
func (s *server) edit(text string) {
	s.t.Helper()
	for doc := range strings.SplitSeq(text, "\n---\n") {
		var patch unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(doc), &patch.Object); err != nil {
			s.t.Fatal(err)
		}
		id := patch.GetKind() + " " + patch.GetName()
		live := s.objects[id]
		if live == nil {
			live = &unstructured.Unstructured{Object: map[string]any{"apiVersion": patch.GetAPIVersion(), "kind": patch.GetKind()}}
		}
		next := live.DeepCopy()
		merge(next.Object, patch.Object)
		after, err := s.managers[patch.GetKind()].Update(live, next, "kubectl")
		if err != nil {
			s.t.Fatalf("edit %s: %v", id, err)
		}
		s.store(id, after)
		if now := s.objects[id]; now.GetDeletionTimestamp() != nil && len(now.GetFinalizers()) == 0 {
			delete(s.objects, id)
		}
	}
}

// merge is a JSON merge patch.
func merge(into, patch map[string]any) {
	for k, v := range patch {
		inner, ok := v.(map[string]any)
		if before, both := into[k].(map[string]any); ok && both {
			merge(before, inner)
			continue
		}
		if into[k] = v; v == nil {
			delete(into, k)
		}
	}
}

func (s *server) store(id string, o runtime.Object) {
	s.t.Helper()
	next, ok := o.(*unstructured.Unstructured)
	if !ok {
		s.t.Fatalf("%s is a %T", id, o)
	}
	if next.GetNamespace() == "" {
		next.SetNamespace(web.Namespace)
	}
	before := s.objects[id]
	switch next.GetKind() {
	case "Service":
		next = defaulted(s, next, before, s.admitService)
	case "EndpointSlice":
		next = defaulted(s, next, before, s.admitSlice)
	}
	s.version++
	next.SetResourceVersion(strconv.Itoa(s.version))
	s.objects[id] = next
}

// same compares all but who owns it and its version.
func same(a, b *unstructured.Unstructured) bool {
	a, b = a.DeepCopy(), b.DeepCopy()
	for _, o := range []*unstructured.Unstructured{a, b} {
		o.SetManagedFields(nil)
		o.SetResourceVersion("")
	}
	return reflect.DeepEqual(a.Object, b.Object)
}

// defaulted lets admit read and change the typed object; before is nil for a new one.
func defaulted[T any](s *server, next, before *unstructured.Unstructured, admit func(next, before *T)) *unstructured.Unstructured {
	s.t.Helper()
	var old *T
	if before != nil {
		old = decode[T](s.t, before)
	}
	typed := decode[T](s.t, next)
	admit(typed, old)
	out := encode(s.t, typed)
	delete(out.Object, "status")
	out.SetManagedFields(next.GetManagedFields())
	return out
}

// held returns a typed copy of an object, nil for none.
func held[T any](s *server, id string) *T {
	if s.objects[id] == nil {
		return nil
	}
	return decode[T](s.t, s.objects[id])
}

// current is what Plan is given.
func (s *server) current() Current {
	now := Current{
		Import:  held[mcsv1beta1.ServiceImport](s, "ServiceImport "+web.Name),
		Derived: held[corev1.Service](s, "Service "+DerivedName(web)),
		Export:  held[mcsv1beta1.ServiceExport](s, "ServiceExport "+web.Name),
	}
	for _, id := range slices.Sorted(maps.Keys(s.objects)) {
		if strings.HasPrefix(id, "EndpointSlice ") {
			now.Slices = append(now.Slices, held[discoveryv1.EndpointSlice](s, id))
		}
	}
	return now
}

func kindOf(o any) string { return reflect.TypeOf(o).Elem().Name() }

func encode(t testing.TB, o any) *unstructured.Unstructured {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := json.Unmarshal(text, &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

func decode[T any](t testing.TB, u *unstructured.Unstructured) *T {
	t.Helper()
	into := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, into); err != nil {
		t.Fatalf("%s: %v", u.GetName(), err)
	}
	return into
}
