package exporter

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
)

const (
	// AutoLabel marks with AutoMark the ServiceExports that auto-export made, and may delete. Who takes it off owns the
	// ServiceExport.
	AutoLabel = "hansa.dev/auto-export"
	// AutoMark is the value of AutoLabel.
	AutoMark = "true"
	// AutoAnnotation of a Service, or of a Namespace for its Services without it, says whether auto-export may export it:
	// "true", as without it, or "false".
	AutoAnnotation = "hansa.dev/export"
)

// AutoRules say which Services auto-export exports.
type AutoRules struct {
	Namespaces labels.Selector // nil for all
	Services   labels.Selector // nil for all
	Locals     Locals
	// Policy is the one by which the Store withholds: what it closes to everybody needs no ServiceExport.
	Policy federation.Namespaces
}

// AutoAction is what auto-export does about a ServiceExport.
type AutoAction string

// What there is to do.
const (
	AutoCreate  AutoAction = "create"
	AutoDelete  AutoAction = "delete"
	AutoNothing AutoAction = "nothing"
)

// AutoDecision is what auto-export does about the name of a Service, and why, in words.
type AutoDecision struct {
	Action AutoAction
	Why    string
}

// ByAuto reports whether auto-export made a ServiceExport, and nobody took the mark off.
func ByAuto(export *mcsv1beta1.ServiceExport) bool { return export.Labels[AutoLabel] == AutoMark }

// Decide returns what auto-export does, so that what it exports is what the rules say and what a person exported is as it
// was. namespace is nil for one that is not known (yet): of that nothing is decided. service and export are nil for none.
func (r AutoRules) Decide(namespace *corev1.Namespace, service *corev1.Service, export *mcsv1beta1.ServiceExport) AutoDecision {
	switch {
	case namespace == nil:
		return AutoDecision{AutoNothing, "its namespace is not known"}
	case export != nil && !ByAuto(export):
		return AutoDecision{AutoNothing, "exported by hand"}
	case export != nil && export.DeletionTimestamp != nil:
		return AutoDecision{AutoNothing, "its ServiceExport is being deleted"}
	}
	why := r.leavesOut(namespace, service)
	switch {
	case why != "":
		return retract(export, why)
	case export != nil:
		return AutoDecision{AutoNothing, "exported by auto-export"}
	}
	return AutoDecision{AutoCreate, "no rule leaves it out"}
}

// retract returns what to do where auto-export is to export nothing.
func retract(export *mcsv1beta1.ServiceExport, why string) AutoDecision {
	if export != nil && ByAuto(export) && export.DeletionTimestamp == nil {
		return AutoDecision{AutoDelete, why}
	}
	return AutoDecision{AutoNothing, why}
}

// leavesOut returns the first reason not to export a Service, "" if there is none.
func (r AutoRules) leavesOut(namespace *corev1.Namespace, service *corev1.Service) string {
	if service == nil {
		return "there is no Service of that name"
	}
	name := nameOf(service)
	switch {
	case service.Spec.Type == corev1.ServiceTypeExternalName: // E6
		return "a Service of type ExternalName cannot be exported"
	case derived(service):
		return "stands for an imported Service"
	}
	stays, closed := r.Locals.why(name), closed(r.Policy, name.Namespace)
	switch {
	case stays != "" && closed != nil: // to change one of them is not enough
		return stays + ", and " + closed.Error()
	case stays != "":
		return stays
	case closed != nil:
		return closed.Error()
	}
	if !selects(r.Namespaces, namespace.Labels) {
		return fmt.Sprintf("the namespace's labels do not match the namespace selector %q", r.Namespaces)
	}
	if !selects(r.Services, service.Labels) {
		return fmt.Sprintf("its labels do not match the Service selector %q", r.Services)
	}
	if why := optedOut(namespace, service); why != "" {
		return why
	}
	switch {
	case namespace.DeletionTimestamp != nil:
		return "its namespace is being deleted"
	case service.DeletionTimestamp != nil:
		return "is being deleted"
	}
	return ""
}

func selects(s labels.Selector, of map[string]string) bool {
	return s == nil || s.Matches(labels.Set(of))
}

// optedOut returns which annotation keeps a Service from being exported, "" if none does. That of the Service goes before
// that of its namespace, and one that cannot be read is more likely meant to keep it here.
func optedOut(namespace *corev1.Namespace, service *corev1.Service) string {
	value, found := service.Annotations[AutoAnnotation]
	whose := "the Service"
	if !found {
		value, found = namespace.Annotations[AutoAnnotation]
		whose = "the namespace"
	}
	switch {
	case !found || value == "true":
		return ""
	case value == "false":
		return fmt.Sprintf("opted out by annotation %s of %s", AutoAnnotation, whose)
	}
	return fmt.Sprintf(`opted out by annotation %s %q of %s, as it cannot be read: want "true" or "false"`, AutoAnnotation, clip(value, maxKeys), whose)
}
