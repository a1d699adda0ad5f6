package kube

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"regexp"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
)

const (
	// markLabel with markValue is our mark on ServiceImports and derived Services: a label of our own, as
	// tools that deploy things overwrite the common one. On EndpointSlices discovery's managed-by label
	// carries sliceManager (S5).
	markLabel    = "hansa.dev/managed-by"
	markValue    = "hansa-agent"
	sliceManager = "hansa.dev"

	// adoptAnnotation with the value "true" gives us an object of somebody else.
	adoptAnnotation = "hansa.dev/adopt"

	// derivedAnnotation names the derived Service on a ServiceImport; other controllers look for it.
	derivedAnnotation = "multicluster.kubernetes.io/derived-service"

	// fieldManager owns what this package writes.
	fieldManager = "hansa-importer"
)

// DerivedName returns the name of the Service whose ClusterIP is the clusterset IP of a service, by the
// convention of the MCS API's reference controllers.
func DerivedName(name federation.ServiceName) string {
	sum := sha256.Sum256([]byte(name.String()))
	return "derived-" + strings.ToLower(base32.HexEncoding.EncodeToString(sum[:]))[:10]
}

// sliceName returns the name of the nth slice of one cluster and address type. Labels can be edited, a name
// cannot: derivedOf and sourceOf read it.
func sliceName(name federation.ServiceName, cluster federation.ClusterID, family discoveryv1.AddressType, n int) string {
	return fmt.Sprintf("%s-%s-%s-%d", DerivedName(name), cluster, strings.ToLower(string(family)), n)
}

// derivedNames matches what DerivedName returns.
var derivedNames = regexp.MustCompile(`^derived-[0-9a-v]{10}$`)

var sliceNames = regexp.MustCompile(`^(derived-[0-9a-v]{10})-([a-z0-9-]+)-ipv[46]-[0-9]+$`)

// derivedOf returns the derived Service's name that a slice's name begins with, "" if none.
func derivedOf(sliceName string) string {
	if m := sliceNames.FindStringSubmatch(sliceName); m != nil {
		return m[1]
	}
	return ""
}

// sourceOf returns the cluster whose endpoints one of our slices holds, "" where its name tells none.
func sourceOf(s *discoveryv1.EndpointSlice) federation.ClusterID {
	if m := sliceNames.FindStringSubmatch(s.Name); m != nil {
		return federation.ClusterID(m[2])
	}
	return ""
}

// ours reports whether an object bears our mark. A slice of which nobody is the manager is ours by its name and
// its memory: it would serve for ever if it were nobody's.
func ours(o client.Object) bool {
	if _, ok := o.(*discoveryv1.EndpointSlice); ok {
		manager, managed := o.GetLabels()[discoveryv1.LabelManagedBy]
		_, remembers := o.GetAnnotations()[exportAnnotation]
		return manager == sliceManager || !managed && remembers && derivedOf(o.GetName()) != ""
	}
	return o.GetLabels()[markLabel] == markValue
}

// given reports whether its owner gave us an object.
func given(o client.Object) bool { return o.GetAnnotations()[adoptAnnotation] == "true" }

// nameOf returns the service that one of our objects belongs to; false for any other object.
func nameOf(o client.Object) (federation.ServiceName, bool) {
	name := o.GetLabels()[mcsv1beta1.LabelServiceName]
	if name == "" || !ours(o) {
		return federation.ServiceName{}, false
	}
	return federation.ServiceName{Namespace: o.GetNamespace(), Name: name}, true
}

func derivedKey(name federation.ServiceName) types.NamespacedName {
	return types.NamespacedName{Namespace: name.Namespace, Name: DerivedName(name)}
}

func key(name federation.ServiceName) types.NamespacedName {
	return types.NamespacedName{Namespace: name.Namespace, Name: name.Name}
}
