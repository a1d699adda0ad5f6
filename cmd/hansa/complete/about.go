package complete

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation/trust/enroll"
)

func justName(o *unstructured.Unstructured) (Name, bool) { return Name{Text: o.GetName()}, true }

// derivedMark is the label of Services that the agents made: they are imported, not to be exported.
const derivedMark = "hansa.dev/managed-by"

// exportable names a Service that may be exported (E6), with its type and ports.
func exportable(o *unstructured.Unstructured) (Name, bool) {
	var service corev1.Service
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &service); err != nil {
		return Name{}, false
	}
	if _, derived := service.Labels[derivedMark]; derived || service.Spec.Type == corev1.ServiceTypeExternalName {
		return Name{}, false
	}
	about := []string{string(service.Spec.Type)}
	if service.Spec.ClusterIP == corev1.ClusterIPNone {
		about[0] = "headless"
	}
	for _, p := range service.Spec.Ports {
		about = append(about, fmt.Sprintf("%d/%s", p.Port, p.Protocol))
	}
	return Name{service.Name, strings.Join(about, " ")}, true
}

func exported(o *unstructured.Unstructured) (Name, bool) {
	return Name{o.GetNamespace() + "/" + o.GetName(), "exported here"}, true
}

func imported(o *unstructured.Unstructured) (Name, bool) {
	return Name{o.GetNamespace() + "/" + o.GetName(), from(clustersOf(o))}, true
}

// clustersOf returns which clusters export what a ServiceImport stands for.
func clustersOf(o *unstructured.Unstructured) []string {
	var service mcsv1beta1.ServiceImport
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &service); err != nil {
		return nil
	}
	ids := make([]string, 0, len(service.Status.Clusters))
	for _, c := range service.Status.Clusters {
		ids = append(ids, c.Cluster)
	}
	return ids
}

// from says which clusters export a service, in the first few's names.
func from[ID ~string](clusters []ID) string {
	const most = 3
	if len(clusters) == 0 {
		return ""
	}
	words := make([]string, 0, most)
	for _, id := range slices.Sorted(slices.Values(clusters))[:min(len(clusters), most)] {
		words = append(words, string(id))
	}
	text := "from " + strings.Join(words, ", ")
	if more := len(clusters) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func tokenAbout(r enroll.Record) string {
	whom := "for any cluster"
	if r.Cluster != "" {
		whom = "for " + string(r.Cluster)
	}
	for _, use := range r.Used {
		whom += ", used by " + string(use.Cluster)
	}
	return whom + ", until " + r.Expires.UTC().Format(time.RFC3339)
}
