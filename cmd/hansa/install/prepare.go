package install

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/typed/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubeyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"
)

const (
	crdKind      = "CustomResourceDefinition"
	propertyKind = "ClusterProperty"
)

// properties are the ClusterProperties of the about API.
var properties = schema.GroupVersionResource{Group: "about.k8s.io", Version: "v1beta1", Resource: "clusterproperties"}

// Objects returns what Apply would make in a new cluster, and the namespace of it, in an order in which it can be applied. It
// asks no cluster.
func Objects(namespace string, values map[string]any) ([]*unstructured.Unstructured, error) {
	manifest, _, err := Render(namespace, values)
	if err != nil {
		return nil, err
	}
	home := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": namespace}}}
	objects := []*unstructured.Unstructured{home}
	for reader := kubeyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifest))); ; {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		o := &unstructured.Unstructured{}
		if err == nil {
			err = yaml.Unmarshal(text, &o.Object)
		}
		if err != nil {
			return nil, fmt.Errorf("reading what the chart makes: %w", err)
		}
		if len(o.Object) > 0 {
			objects = append(objects, o)
		}
	}
}

// Prerequisites returns those of the objects that agents want to find wherever they run: namespace, CRDs and
// ClusterProperties. They do not say that they are Helm's.
func Prerequisites(objects []*unstructured.Unstructured) (list []*unstructured.Unstructured) {
	for _, o := range objects {
		switch o.GetKind() {
		case propertyKind:
			o = o.DeepCopy()
			o.SetLabels(nil)
			fallthrough
		case "Namespace", crdKind:
			list = append(list, o)
		}
	}
	return list
}

// Contradicts returns an error if a ClusterProperty of this cluster says another thing than the values: agents would not
// start. Nothing is made.
func (i *Installer) Contradicts(ctx context.Context, values map[string]any) error {
	objects, _, client, err := i.wanted(values)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if o.GetKind() != propertyKind {
			continue
		}
		if err := agrees(ctx, client, o); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) {
			return explain(err)
		}
	}
	return nil
}

// wanted returns the prerequisites of agents with the values, and what leads to those that are there.
func (i *Installer) wanted(values map[string]any) ([]*unstructured.Unstructured, apiextensions.ApiextensionsV1Interface, dynamic.Interface, error) {
	objects, err := Objects(i.namespace, values)
	if err != nil {
		return nil, nil, nil, err
	}
	config, err := i.getter.ToRESTConfig()
	if err != nil {
		return nil, nil, nil, err
	}
	definitions, err := apiextensions.NewForConfig(config)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("making a client of CustomResourceDefinitions: %w", err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("making a client of ClusterProperties: %w", err)
	}
	return Prerequisites(objects), definitions, client, nil
}

// agrees returns an error if a ClusterProperty is not there, or says another thing.
func agrees(ctx context.Context, client dynamic.Interface, want *unstructured.Unstructured) error {
	there, err := client.Resource(properties).Get(ctx, want.GetName(), metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading ClusterProperty %s: %w", want.GetName(), err)
	}
	value, _, _ := unstructured.NestedString(want.Object, "spec", "value")
	if has, _, _ := unstructured.NestedString(there.Object, "spec", "value"); has != value {
		return fmt.Errorf("ClusterProperty %s says %q, want %q: choose the ID that it says, or change it where it comes from", want.GetName(), has, value)
	}
	return nil
}

// Prepare makes the prerequisites of agents that run elsewhere, in a namespace that is there. What is there already stays; a
// ClusterProperty that contradicts the values is an error.
func (i *Installer) Prepare(ctx context.Context, values map[string]any) error {
	objects, definitions, client, err := i.wanted(values)
	if err != nil {
		return err
	}
	for _, o := range objects {
		switch o.GetKind() {
		case crdKind:
			err = i.prepareCRD(ctx, definitions, o)
		case propertyKind:
			err = i.prepareProperty(ctx, client, o)
		}
		if err != nil {
			return explain(err)
		}
	}
	return nil
}

// prepareCRD makes a CRD that is not there, and returns once it is served.
func (i *Installer) prepareCRD(ctx context.Context, clients apiextensions.ApiextensionsV1Interface, o *unstructured.Unstructured) error {
	text, err := o.MarshalJSON()
	if err != nil {
		return fmt.Errorf("encoding CRD %s: %w", o.GetName(), err)
	}
	var definition apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(text, &definition); err != nil {
		return fmt.Errorf("reading CRD %s: %w", o.GetName(), err)
	}
	_, err = clients.CustomResourceDefinitions().Create(ctx, &definition, metav1.CreateOptions{})
	if err == nil {
		i.tell("made CRD " + o.GetName())
	} else if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("making CRD %s: %w", o.GetName(), err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, fmt.Errorf("kubectl describe crd %s says why", o.GetName()))
	defer cancel()
	err = follow(ctx, clients.RESTClient(), "customresourcedefinitions", "", o.GetName(), &apiextensionsv1.CustomResourceDefinition{}, established)
	if ctx.Err() != nil {
		return fmt.Errorf("waiting until CRD %s is served: %w", o.GetName(), context.Cause(ctx))
	}
	return err
}

func established(d *apiextensionsv1.CustomResourceDefinition) bool {
	return slices.ContainsFunc(d.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
		return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
	})
}

// prepareProperty makes a ClusterProperty that is not there.
func (i *Installer) prepareProperty(ctx context.Context, client dynamic.Interface, o *unstructured.Unstructured) error {
	want, _, _ := unstructured.NestedString(o.Object, "spec", "value")
	_, err := client.Resource(properties).Create(ctx, o, metav1.CreateOptions{})
	if err == nil {
		i.tell(fmt.Sprintf("made ClusterProperty %s: %s", o.GetName(), want))
		return nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("making ClusterProperty %s: %w", o.GetName(), err)
	}
	return agrees(ctx, client, o)
}
