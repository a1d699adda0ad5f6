package kube

import (
	"maps"
	"slices"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// exportedAnnotation lists, on a ServiceImport, which of its labels and annotations are exported ones, so
// that one which is exported no longer is known as ours, and goes, even after a restart.
const exportedAnnotation = "hansa.dev/exported"

// importMeta is all that we say of a ServiceImport beside its content: our marks, and the labels and
// annotations that the exporting clusters gave it (E8).
func importMeta(want *importer.Service) metav1.ObjectMeta {
	labels, annotations := exported(want.Labels), exported(want.Annotations)
	m := metav1.ObjectMeta{Namespace: want.Name.Namespace, Name: want.Name.Name, Labels: labels, Annotations: annotations}
	var list []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		list = append(list, "label "+k)
	}
	for _, k := range slices.Sorted(maps.Keys(annotations)) {
		list = append(list, "annotation "+k)
	}
	maps.Copy(labels, marks(want.Name))
	if len(list) > 0 {
		annotations[exportedAnnotation] = strings.Join(list, ",")
	}
	if want.Type == federation.ClusterSetIP && (!want.Unsupported || len(want.IPs) > 0) {
		annotations[derivedAnnotation] = DerivedName(want.Name)
	}
	return m
}

// exported copies what a ServiceImport may be given from elsewhere: nothing that we, the MCS API or kubectl
// read as their own.
func exported(pairs map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range pairs {
		if !federation.Reserved(k) {
			out[k] = v
		}
	}
	return out
}

// marks are the labels of a ServiceImport and of a derived Service.
func marks(name federation.ServiceName) map[string]string {
	return map[string]string{markLabel: markValue, mcsv1beta1.LabelServiceName: name.Name}
}

// derivedLabels are the labels of a derived Service. Kubernetes copies them to the Endpoints that it makes for a
// selector which somebody gave the Service, and makes no slices of those that have the last one.
func derivedLabels(name federation.ServiceName) map[string]string {
	labels := marks(name)
	labels[discoveryv1.LabelSkipMirror] = "true"
	return labels
}

// sameLabels reports whether now has all of want: others may add theirs.
func sameLabels(want, now map[string]string) bool {
	for k, v := range want {
		if now[k] != v {
			return false
		}
	}
	return true
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
