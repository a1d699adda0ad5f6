package clusterset

import (
	"context"
	"fmt"
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/mcs-api/config/crd"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
	"sigs.k8s.io/yaml"
)

// scheme knows every type that members are asked for.
var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, coordinationv1.AddToScheme, discoveryv1.AddToScheme, rbacv1.AddToScheme, authorizationv1.AddToScheme,
		apiextensionsv1.AddToScheme, mcsv1beta1.Install,
	} {
		utilruntime.Must(add(s))
	}
	return s
}()

// InstallCRDs creates the CRDs of the MCS API, v0.5.2, and waits until they are served.
func InstallCRDs(ctx context.Context, c client.WithWatch) error {
	for _, name := range []string{"serviceexports.multicluster.x-k8s.io", "serviceimports.multicluster.x-k8s.io"} {
		if err := InstallCRD(ctx, c, name); err != nil {
			return err
		}
	}
	return nil
}

// InstallCRD creates one of them, and waits until it is served.
func InstallCRD(ctx context.Context, c client.WithWatch, name string) error {
	for _, text := range [][]byte{crd.ServiceExportCRD, crd.ServiceImportCRD} {
		var definition apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal(text, &definition); err != nil {
			return fmt.Errorf("reading a CRD: %w", err)
		}
		if definition.Name != name {
			continue
		}
		if err := c.Create(ctx, &definition); err != nil {
			return fmt.Errorf("creating CRD %s: %w", name, err)
		}
		_, err := Await(ctx, c, &apiextensionsv1.CustomResourceDefinitionList{}, established, Named(name))
		if err != nil {
			return fmt.Errorf("waiting for CRD %s: %w", name, err)
		}
	}
	return nil
}

func established(d *apiextensionsv1.CustomResourceDefinition) bool {
	return slices.ContainsFunc(d.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
		return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
	})
}

// Named selects the one object of that name.
func Named(name string) client.ListOption {
	return client.MatchingFields{"metadata.name": name}
}

// Await watches the objects of a list's kind until one satisfies want, which it returns.
func Await[T client.Object](ctx context.Context, c client.WithWatch, list client.ObjectList, want func(T) bool, options ...client.ListOption) (T, error) {
	var none T
	w, err := c.Watch(ctx, list, options...)
	if err != nil {
		return none, fmt.Errorf("watching %T: %w", list, err)
	}
	defer w.Stop()
	for {
		select {
		case e, ok := <-w.ResultChan():
			if !ok {
				return none, fmt.Errorf("the watch of %T ended", list)
			}
			if o, ok := e.Object.(T); ok && e.Type != watch.Deleted && want(o) {
				return o, nil
			}
		case <-ctx.Done():
			return none, ctx.Err()
		}
	}
}

// AwaitGone watches until no object of the list's kind is left that the options select.
func AwaitGone(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
	if err := c.List(ctx, list, options...); err != nil {
		return fmt.Errorf("listing %T: %w", list, err)
	}
	left := meta.LenList(list)
	w, err := c.Watch(ctx, list, append(options, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}})...)
	if err != nil {
		return fmt.Errorf("watching %T: %w", list, err)
	}
	defer w.Stop()
	for left > 0 {
		select {
		case e, ok := <-w.ResultChan():
			switch {
			case !ok:
				return fmt.Errorf("the watch of %T ended", list)
			case e.Type == watch.Added:
				left++
			case e.Type == watch.Deleted:
				left--
			}
		case <-ctx.Done():
			return fmt.Errorf("%d of %T are left: %w", left, list, ctx.Err())
		}
	}
	return nil
}
