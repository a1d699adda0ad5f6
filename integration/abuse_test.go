package integration

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer/kube"
	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// badEndpoints: the API server takes zones of any length and, by protobuf, of any bytes. They cost at most
// themselves: the endpoint is seen elsewhere without them, and so are all others.
func badEndpoints(s *story) {
	s.create("east", service("odd"), slice("odd", "odd-1", "10.1.7.1"), exportOf("odd"))
	s.awaitAssigned("west", "odd", "10.1.7.1:8080")
	before := s.awaitImport("west", "odd", "east")
	config := rest.CopyConfig(s.Member("east").REST)
	config.ContentType = "application/vnd.kubernetes.protobuf"
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		s.t.Fatal(err)
	}
	for name, zone := range map[string]string{"odd-2": "zone-\xff\xfe", "odd-3": strings.Repeat("z", 300)} {
		bad := slice("odd", name, "10.1.7."+name[len(name)-1:])
		bad.Endpoints[0].Zone = &zone
		if _, err := clients.DiscoveryV1().EndpointSlices("shop").Create(s.t.Context(), bad, metav1.CreateOptions{}); err != nil {
			s.t.Fatal(err)
		}
	}
	s.awaitAssigned("west", "odd", "10.1.7.1:8080", "10.1.7.2:8080", "10.1.7.3:8080")
	if after := s.awaitImport("west", "odd", "east"); after.UID != before.UID {
		s.t.Error("the import was made anew")
	}
}

// lostMark: a derived Service whose mark is taken away is not ours, and its address is no longer told; when
// it is deleted the service comes back.
func lostMark(s *story) {
	s.create("east", service("marked"), exportOf("marked"))
	before := s.awaitImport("north", "marked", "east")
	derived := await(s, "north", "the derived Service", &corev1.ServiceList{}, func(v *corev1.Service) bool {
		return v.Name == kube.DerivedName(federation.ServiceName{Namespace: "shop", Name: "marked"})
	})
	stranger := derived.DeepCopy()
	stranger.Labels = nil
	if err := s.Member("north").Client.Update(s.t.Context(), stranger); err != nil {
		s.t.Fatal(err)
	}
	s.awaitGone("north", "marked")
	s.delete("north", derived)
	if after := s.awaitImport("north", "marked", "east"); after.UID == before.UID {
		s.t.Error("the import is the one from before")
	}
}

// lostDefinition: the CRD of ServiceImports, and with it all of them, deleted and applied again.
func lostDefinition(s *story) {
	rule.Covers(s.t, "I12")
	north := s.Member("north")
	s.awaitImport("north", "marker", "east")
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "serviceimports.multicluster.x-k8s.io"}}
	s.delete("north", crd)
	if err := clusterset.AwaitGone(ctx, north.Client, &apiextensionsv1.CustomResourceDefinitionList{}, clusterset.Named(crd.Name)); err != nil {
		s.t.Fatal(err)
	}
	if err := clusterset.InstallCRD(ctx, north.Client, crd.Name); err != nil {
		s.t.Fatal(err)
	}
	s.awaitImport("north", "marker", "east")
	s.awaitImport("north", "db", "east")
}

// editedSlice: labels that somebody edited on a slice of ours are repaired.
func editedSlice(s *story) {
	ours := await(s, "west", "the slice of db", &discoveryv1.EndpointSliceList{}, func(e *discoveryv1.EndpointSlice) bool {
		return e.Labels[mcsv1beta1.LabelServiceName] == "db"
	})
	edited := ours.DeepCopy()
	edited.Labels[mcsv1beta1.LabelSourceCluster] = "ghost"
	if err := s.Member("west").Client.Update(s.t.Context(), edited); err != nil {
		s.t.Fatal(err)
	}
	await(s, "west", "the repaired slice", &discoveryv1.EndpointSliceList{}, func(e *discoveryv1.EndpointSlice) bool {
		return e.Name == ours.Name && e.Labels[mcsv1beta1.LabelSourceCluster] == "east"
	})
}

// lostExports: the CRD of ServiceExports, and with it all of them, deleted and applied again. Nobody
// un-exported anything: what is there again in time stays as it was.
func lostExports(s *story) {
	rule.Covers(s.t, "I12")
	s.create("east", service("kept"), slice("kept", "kept-1", "10.1.0.7"), exportOf("kept"))
	before := s.awaitImport("north", "kept", "east")
	east := s.Member("east")
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*patience)
	defer cancel()
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "serviceexports.multicluster.x-k8s.io"}}
	s.delete("east", crd)
	if err := clusterset.AwaitGone(ctx, east.Client, &apiextensionsv1.CustomResourceDefinitionList{}, clusterset.Named(crd.Name)); err != nil {
		s.t.Fatal(err)
	}
	awaitLog(s.t, east, "the CRD of ServiceExports is gone")
	if err := clusterset.InstallCRD(ctx, east.Client, crd.Name); err != nil {
		s.t.Fatal(err)
	}
	s.create("east", exportOf("kept"))
	s.awaitCondition("east", "kept", mcsv1beta1.ServiceExportConditionReady, metav1.ConditionTrue, mcsv1beta1.ServiceExportReasonExported)
	if after := s.awaitImport("north", "kept", "east"); after.UID != before.UID {
		s.t.Error("the import went meanwhile")
	}
	s.awaitImport("north", "marker", "east")
	s.awaitAssigned("north", "kept", "10.1.0.7:8080")
}
