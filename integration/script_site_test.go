package integration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// site is a cluster as scripts see it: objects of any kind, by name.
type site struct {
	*clusterset.Member
	number  int // its place among the clusters, from 1
	objects dynamic.Interface
	kinds   meta.RESTMapper
}

func newSite(m *clusterset.Member, number int) (*site, error) {
	config := rest.CopyConfig(m.REST)
	config.WarningHandler = rest.NoWarnings{}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", m.Name, err)
	}
	found, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", m.Name, err)
	}
	cached := memory.NewMemCacheClient(found)
	kinds := restmapper.NewShortcutExpander(restmapper.NewDeferredDiscoveryRESTMapper(cached), cached, nil)
	return &site{Member: m, number: number, objects: objects, kinds: kinds}, nil
}

// ref names one object, or all of a kind if it has no name.
type ref struct {
	*meta.RESTMapping
	namespace, name string
}

func (r ref) String() string {
	return strings.TrimSuffix(strings.ToLower(r.GroupVersionKind.Kind)+"/"+r.name, "/")
}

// ref reads KIND or KIND/NAME of a namespace.
func (at *site) ref(namespace, text string) (ref, error) {
	kind, name, _ := strings.Cut(text, "/")
	full, partial := schema.ParseResourceArg(kind)
	if full != nil {
		if gvk, err := at.kinds.KindFor(*full); err == nil {
			return at.refOf(namespace, gvk, name)
		}
	}
	gvk, err := at.kinds.KindFor(partial.WithVersion(""))
	if err != nil {
		return ref{}, fmt.Errorf("kind %q: %w", kind, err)
	}
	return at.refOf(namespace, gvk, name)
}

func (at *site) refOf(namespace string, gvk schema.GroupVersionKind, name string) (ref, error) {
	mapping, err := at.kinds.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return ref{}, fmt.Errorf("kind %s: %w", gvk.Kind, err)
	}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		namespace = ""
	}
	return ref{mapping, namespace, name}, nil
}

// read reads the YAML of an object, which is of a namespace if it names none.
func (at *site) read(namespace, doc string) (ref, *unstructured.Unstructured, error) {
	o := &unstructured.Unstructured{}
	if err := utilyaml.Unmarshal([]byte(doc), &o.Object); err != nil {
		return ref{}, nil, fmt.Errorf("reading YAML: %w", err)
	}
	r, err := at.refOf(cmp.Or(o.GetNamespace(), namespace), o.GroupVersionKind(), o.GetName())
	return r, o, err
}

// namespace is the ref of a Namespace.
func (at *site) namespace(name string) ref {
	return ref{&meta.RESTMapping{
		Resource:         schema.GroupVersionResource{Version: "v1", Resource: "namespaces"},
		GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Namespace"},
		Scope:            meta.RESTScopeRoot,
	}, "", name}
}

// of returns the door to the objects that a ref is among.
func (at *site) of(r ref) dynamic.ResourceInterface {
	all := at.objects.Resource(r.Resource)
	if r.namespace == "" {
		return all
	}
	return all.Namespace(r.namespace)
}

// among restricts a list or a watch to what a ref and a label selector name.
func among(r ref, selector string) metav1.ListOptions {
	options := metav1.ListOptions{LabelSelector: selector}
	if r.name != "" {
		options.FieldSelector = "metadata.name=" + r.name
	}
	return options
}

func (at *site) createNamespace(ctx context.Context, name string) error {
	r := at.namespace(name)
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(r.GroupVersionKind)
	o.SetName(name)
	if _, err := at.of(r).Create(ctx, o, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("%s: creating namespace %s: %w", at.Name, name, err)
	}
	return nil
}

// remove deletes an object, which need not be there.
func (at *site) remove(ctx context.Context, r ref) error {
	if err := at.of(r).Delete(ctx, r.name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("%s: deleting %s: %w", at.Name, r, err)
	}
	return nil
}

// each calls see for every event of the objects that options select, those that there are first, until it
// says that it has seen enough.
func (at *site) each(ctx context.Context, r ref, options metav1.ListOptions, see func(watch.EventType, *unstructured.Unstructured) (enough bool, err error)) error {
	w, err := at.of(r).Watch(ctx, options)
	if err != nil {
		return fmt.Errorf("watching %s: %w", r, err)
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-w.ResultChan():
			o, isObject := e.Object.(*unstructured.Unstructured)
			switch {
			case !ok:
				return errors.Join(fmt.Errorf("the watch of %s ended", r), ctx.Err())
			case e.Type == watch.Error || !isObject:
				return fmt.Errorf("watching %s: %w", r, apierrors.FromObject(e.Object))
			}
			if enough, err := see(e.Type, o); enough || err != nil {
				return err
			}
		}
	}
}

// await watches until the object exists and is as wanted. It returns the object as it was last, if ever.
func (at *site) await(ctx context.Context, r ref, want func(*unstructured.Unstructured) (bool, error)) (last *unstructured.Unstructured, err error) {
	err = at.each(ctx, r, among(r, ""), func(what watch.EventType, o *unstructured.Unstructured) (bool, error) {
		if last = o; what == watch.Deleted {
			last = nil
			return false, nil
		}
		return want(o)
	})
	return last, err
}

// awaitGone watches until nothing is left of what a ref and a label selector name.
func (at *site) awaitGone(ctx context.Context, r ref, selector ...string) error {
	options := among(r, strings.Join(selector, ","))
	list, err := at.of(r).List(ctx, options)
	if err != nil {
		return fmt.Errorf("%s: listing %s: %w", at.Name, r, err)
	}
	left := map[string]bool{}
	for _, o := range list.Items {
		left[o.GetName()] = true
	}
	if len(left) == 0 {
		return nil
	}
	options.ResourceVersion = list.GetResourceVersion()
	err = at.each(ctx, r, options, func(what watch.EventType, o *unstructured.Unstructured) (bool, error) {
		if left[o.GetName()] = true; what == watch.Deleted {
			delete(left, o.GetName())
		}
		return len(left) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("%s: %d of %s are left: %w", at.Name, len(left), r, err)
	}
	return nil
}
