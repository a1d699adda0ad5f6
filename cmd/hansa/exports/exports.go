// Package exports makes and takes back ServiceExports for whoever calls, and tells what the agents make of them.
//
// In: a way to the cluster, with the rights of whoever calls, and the name of a Service. Out: the ServiceExport, and its
// conditions in words. What a person wrote into a ServiceExport beside the consumers stays.
package exports

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	watchtools "k8s.io/client-go/tools/watch"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/exporter"
)

// manager owns what is written here, in server-side apply.
const manager = "hansa"

// Exports are those of one namespace.
type Exports struct {
	context   string // of the kubeconfig, for messages
	namespace string
	all       dynamic.NamespaceableResourceInterface // of every namespace
	client    dynamic.ResourceInterface
	core      kubernetes.Interface
}

// New returns the exports of a namespace in the cluster of a context, or of all with namespace "". The cluster is not asked
// yet.
func New(c *rest.Config, context, namespace string) (*Exports, error) {
	clients, err := dynamic.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("making a client of ServiceExports: %w", err)
	}
	core, err := kubernetes.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("making a client of Services: %w", err)
	}
	all := clients.Resource(mcsv1beta1.SchemeGroupVersion.WithResource("serviceexports"))
	return &Exports{context: context, namespace: namespace, all: all, client: all.Namespace(namespace), core: core}, nil
}

// Object is the ServiceExport of a Service, for the clusters that consumers name by ID or glob; none for all.
func Object(namespace, name string, consumers []string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": mcsv1beta1.SchemeGroupVersion.String(),
		"kind":       "ServiceExport",
		"metadata":   map[string]any{"name": name, "namespace": namespace},
	}}
	if len(consumers) > 0 {
		o.SetAnnotations(map[string]string{exporter.ConsumersAnnotation: strings.Join(consumers, ",")})
	}
	return o
}

// Made is a ServiceExport that was made or changed.
type Made struct {
	name       string
	generation int64
	// former is what the agents said of it before, if that may be said of what it was: a change of annotations alone leaves
	// the generation as it is. Else nil.
	former *Verdict
}

// Apply makes or changes the ServiceExport, and takes the mark off one that auto-export made. A Service that is not there is told, and no error: the export waits for it.
func (x *Exports) Apply(ctx context.Context, name string, consumers []string, tell func(line string)) (Made, error) {
	doing := fmt.Sprintf("exporting Service %s/%s", x.namespace, name)
	before, err := x.client.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		before, err = nil, nil
	}
	if err != nil {
		return Made{}, x.explain(doing, err)
	}
	if byAuto(before) {
		if err := x.own(ctx, name); err != nil {
			return Made{}, x.explain(doing, err)
		}
		tell(fmt.Sprintf("auto-export made the ServiceExport of %s/%s; it is yours from now on", x.namespace, name))
	}
	made, err := x.client.Apply(ctx, name, Object(x.namespace, name, consumers), metav1.ApplyOptions{FieldManager: manager})
	if err != nil {
		return Made{}, x.explain(doing, err)
	}
	if _, err := x.core.CoreV1().Services(x.namespace).Get(ctx, name, metav1.GetOptions{}); apierrors.IsNotFound(err) {
		tell(fmt.Sprintf("there is no Service %s/%s yet: the export waits for it", x.namespace, name))
	}
	m := Made{name: name, generation: made.GetGeneration()}
	if before != nil && !maps.Equal(before.GetAnnotations(), made.GetAnnotations()) {
		m.former = verdictOf(before, m.generation)
	}
	return m, nil
}

// Verdict is what the agents say of an export.
type Verdict struct {
	Ready   bool   `json:"ready"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	// Conflict is "" unless the export and another one contradict each other.
	Conflict string `json:"conflict,omitempty"`

	pending bool // the agents wait for something that may come at once
}

// ErrSilent is why there is no Verdict: no agent has looked at the export.
var ErrSilent = errors.New("no agent has looked at the export yet; hansa status says how they are")

// Await returns the Verdict on a ServiceExport as it was made, once there is one that does not wait for anything. Of an agent
// that says nothing before ctx ends it returns ErrSilent. Where the former Verdict may be meant, another one is awaited for
// as long as agents need: one that says the same again writes nothing.
func (x *Exports) Await(ctx context.Context, made Made) (Verdict, error) {
	if made.former != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, echo)
		defer cancel()
	}
	var last *Verdict
	_, err := watchtools.UntilWithSync(ctx, x.only(made.name), &unstructured.Unstructured{}, nil, func(e watch.Event) (bool, error) {
		o, ok := e.Object.(*unstructured.Unstructured)
		if !ok || e.Type == watch.Deleted {
			return false, nil
		}
		last = verdictOf(o, made.generation)
		return last != nil && !last.pending && (made.former == nil || *last != *made.former), nil
	})
	switch {
	case last != nil:
		return *last, nil
	case ctx.Err() != nil:
		return Verdict{}, ErrSilent
	}
	return Verdict{}, fmt.Errorf("watching ServiceExport %s/%s: %w", x.namespace, made.name, err)
}

// verdictOf reads the conditions, nil while they are not of this generation.
func verdictOf(o *unstructured.Unstructured, generation int64) *Verdict {
	var export mcsv1beta1.ServiceExport
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &export); err != nil {
		return nil
	}
	valid := meta.FindStatusCondition(export.Status.Conditions, string(mcsv1beta1.ServiceExportConditionValid))
	ready := meta.FindStatusCondition(export.Status.Conditions, string(mcsv1beta1.ServiceExportConditionReady))
	if valid == nil || ready == nil || valid.ObservedGeneration < generation || ready.ObservedGeneration < generation {
		return nil
	}
	v := &Verdict{Ready: ready.Status == metav1.ConditionTrue, Reason: ready.Reason, Message: ready.Message}
	if valid.Status != metav1.ConditionTrue {
		v.Reason, v.Message = valid.Reason, valid.Message
	} else {
		v.pending = v.Reason == string(mcsv1beta1.ServiceExportReasonPending)
	}
	conflict := meta.FindStatusCondition(export.Status.Conditions, string(mcsv1beta1.ServiceExportConditionConflict))
	if conflict != nil && conflict.Status == metav1.ConditionTrue {
		v.Conflict = conflict.Message
	}
	return v
}

const (
	// Patience is how long Await is worth.
	Patience = 10 * time.Second
	// echo is how long an agent may take to say another thing of annotations that changed.
	echo = 2 * time.Second
)

// noKind reports whether it is the kind that was not found.
func noKind(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	return ok && apierrors.IsNotFound(err) && (status.ErrStatus.Details == nil || status.ErrStatus.Details.Name == "")
}

// explain adds what to do about an error.
func (x *Exports) explain(doing string, err error) error {
	switch {
	case noKind(err):
		return fmt.Errorf("%s: this cluster has no ServiceExports: it is no member of a clusterset yet; see hansa init and hansa join", doing)
	case apierrors.IsConflict(err):
		return fmt.Errorf("%s: %w: change the ServiceExport where it comes from", doing, err)
	case apierrors.IsForbidden(err) && x.namespace == "":
		return fmt.Errorf("%s, in context %q: %w: use credentials that may do that, or give --namespace to look at one alone", doing, x.context, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s, in context %q: %w: use credentials that may do that, such as those of who may edit the namespace", doing, x.context, err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%s, in context %q: %w: the API server does not know these credentials; log in again, or choose another --context", doing, x.context, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
