package integration

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/mcs-api/config/crd"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/rule"
)

const (
	exportsCRD = "serviceexports.multicluster.x-k8s.io"
	importsCRD = "serviceimports.multicluster.x-k8s.io"
)

// The CRDs of the MCS API are the agent's to bring if it is told to, and never to take back. Each part
// builds on those before.
func TestTheCRDsOfTheMCSAPI(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var install atomic.Bool
	set, err := clusterset.Start(ctx, clusterset.Config{
		Clusters: []string{"east"}, InProcess: true, WithoutAPI: true,
		Options: func(_ string, o *agent.Options) { o.InstallCRDs = install.Load() },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := &story{set, t}
	t.Run("I12 CRDs before v0.5 are too old, and the agent says what to do", s.in(oldDefinition))
	install.Store(true)
	t.Run("I12 --install-crds upgrades one before v0.5 and installs what lacks", s.in(installedDefinitions))
	t.Run("#59 I12 v1alpha1 and v1beta1 show the same", s.in(bothVersions))
	t.Run("#59 a newer CRD is left alone", s.in(newerDefinition))
	t.Run("#59 I12 an older CRD is upgraded, and what others put on it stays", s.in(olderDefinition))
	t.Run("#59 a CRD whose release cannot be told is left alone", s.in(oddDefinition))
}

// A CRD that is deleted and applied again takes all ServiceExports with it. That is no un-export, also for an agent
// that was not there.
func TestTheCRDOfServiceExportsIsReplacedBehindTheAgentsBack(t *testing.T) {
	rule.Covers(t, "E4", "I12", "#43")
	s := tell(t, "east", "north")
	s.create("north", namespace())
	s.create("east", namespace(), service("web"), slice("web", "web-1", "10.1.0.1"), exportOf("web"))
	before := s.awaitImport("north", "web", "east")
	await(s, "east", "what is remembered of web", &discoveryv1.EndpointSliceList{}, func(e *discoveryv1.EndpointSlice) bool {
		return e.Labels[mcsv1beta1.LabelServiceName] == "web"
	})
	east := s.Member("east")
	if err := east.StopAgent(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	d := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: exportsCRD}}
	s.delete("east", d)
	if err := clusterset.AwaitGone(ctx, east.Client, &apiextensionsv1.CustomResourceDefinitionList{}, clusterset.Named(d.Name)); err != nil {
		t.Fatal(err)
	}
	if err := clusterset.InstallCRD(ctx, east.Client, d.Name); err != nil {
		t.Fatal(err)
	}
	if err := east.StartAgent(ctx); err != nil {
		t.Fatal(err)
	}
	awaitLog(t, east, "what has no ServiceExport stays exported")

	// What comes after it was heard says that the whole set was: web is in it.
	s.create("east", service("after"), exportOf("after"))
	s.awaitImport("north", "after", "east")
	if after := s.awaitImport("north", "web", "east"); after.UID != before.UID {
		t.Error("the import was made anew")
	}
	s.resolves("north", "web", "NOERROR", before.Spec.IPs...)

	// One of this CRD is deleted as ever: before the pause is over, and while the agent is away.
	s.delete("east", exportOf("after"))
	s.awaitGone("north", "after")
	s.create("east", exportOf("after"), exportOf("web"))
	s.awaitCondition("east", "web", mcsv1beta1.ServiceExportConditionReady, metav1.ConditionTrue, mcsv1beta1.ServiceExportReasonExported)
	s.awaitImport("north", "after", "east")
	if err := east.StopAgent(); err != nil {
		t.Fatal(err)
	}
	s.delete("east", exportOf("after"))
	if err := east.StartAgent(ctx); err != nil {
		t.Fatal(err)
	}
	s.awaitGone("north", "after")
	if after := s.awaitImport("north", "web", "east"); after.UID != before.UID {
		t.Error("the import was made anew")
	}
}

func oldDefinition(s *story) {
	rule.Covers(s.t, "I12")
	old := definitionOf(s.t, crd.ServiceExportCRD)
	old.Labels = nil
	old.Spec.Versions = slices.DeleteFunc(old.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
		return v.Name != "v1alpha1"
	})
	old.Spec.Versions[0].Storage = true
	s.define("east", old)
	east := s.Member("east")
	awaitLog(s.t, east, "CRD "+exportsCRD+" is too old, as it serves v1alpha1 and not v1beta1")
	_, err := east.Get(s.t.Context(), "/readyz")
	if err == nil || !strings.Contains(err.Error(), "too old") || !strings.Contains(err.Error(), "--install-crds") {
		s.t.Errorf("/readyz says %v, want that the CRD is too old, and what to do", err)
	}
}

func installedDefinitions(s *story) {
	rule.Covers(s.t, "I12")
	s.restart()
	for _, name := range []string{exportsCRD, importsCRD} {
		d := s.definition(name)
		if got := releaseOf(d); got != "v0.5.2/0" {
			s.t.Errorf("%s is of release %s, want v0.5.2/0", name, got)
		}
		if !slices.ContainsFunc(d.ManagedFields, func(f metav1.ManagedFieldsEntry) bool {
			return strings.HasPrefix(f.Manager, "hansa-agent ") && f.Operation == metav1.ManagedFieldsOperationApply
		}) {
			s.t.Errorf("nothing of %s is applied by hansa-agent: %v", name, d.ManagedFields)
		}
	}
	awaitLog(s.t, s.Member("east"), `msg="upgraded a CRD" cluster=east crd=`+exportsCRD+` release="v0.5.2 revision 0" from="before v0.5"`)
	awaitLog(s.t, s.Member("east"), `msg="installed a CRD" cluster=east crd=`+importsCRD)
}

func bothVersions(s *story) {
	rule.Covers(s.t, "#59", "I12")
	s.create("east", namespace(), service("web"), exportOf("web"))
	s.awaitImport("east", "web", "east")
	await(s, "east", "ServiceImport web with its status", &mcsv1beta1.ServiceImportList{}, func(i *mcsv1beta1.ServiceImport) bool {
		return i.Status.EndpointSliceObjects == mcsv1beta1.EndpointSliceObjectsPresent && len(i.Status.Conditions) > 0
	})
	objects, err := dynamic.NewForConfig(s.Member("east").REST)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, resource := range []string{"serviceimports", "serviceexports"} {
		var seen []*unstructured.Unstructured
		for _, version := range []string{"v1alpha1", "v1beta1"} {
			kind := schema.GroupVersionResource{Group: mcsv1beta1.GroupVersion.Group, Version: version, Resource: resource}
			o, err := objects.Resource(kind).Namespace("shop").Get(s.t.Context(), "web", metav1.GetOptions{})
			if err != nil {
				s.t.Fatal(err)
			}
			if o.GroupVersionKind().Version != version {
				s.t.Errorf("asked for %s, got %s", version, o.GroupVersionKind())
			}
			o.SetAPIVersion("")
			o.SetManagedFields(nil)
			seen = append(seen, o)
		}
		if !reflect.DeepEqual(seen[0], seen[1]) {
			s.t.Errorf("%s web is one thing to v1alpha1 and another to v1beta1:\n%v\n%v", resource, seen[0], seen[1])
		}
	}
}

func newerDefinition(s *story) {
	rule.Covers(s.t, "#59")
	s.relabel(importsCRD, "v0.6.0", "0", func(*apiextensionsv1.CustomResourceDefinition) {})
	before := s.definition(importsCRD)
	s.restart()
	awaitLog(s.t, s.Member("east"), `it is newer than ours" cluster=east crd=`+importsCRD+` release="v0.5.2 revision 0" installed="v0.6.0 revision 0"`)
	if after := s.definition(importsCRD); after.ResourceVersion != before.ResourceVersion {
		s.t.Errorf("the CRD was written: %v", after)
	}
}

// olderDefinition: v0.5.1 was shipped with the labels of v0.5.0, whose schema lacks a field.
func olderDefinition(s *story) {
	rule.Covers(s.t, "#59", "I12")
	before := s.awaitImport("east", "web", "east")
	s.relabel(importsCRD, "v0.5.0", "1", func(d *apiextensionsv1.CustomResourceDefinition) {
		d.Labels["team"] = "platform"
		for _, v := range d.Spec.Versions {
			delete(v.Schema.OpenAPIV3Schema.Properties["status"].Properties, "endpointSliceObjects")
		}
	})
	s.restart()
	d := s.definition(importsCRD)
	if got := releaseOf(d); got != "v0.5.2/0" || d.Labels["team"] != "platform" {
		s.t.Errorf("labels %v, want those of v0.5.2 and the other's", d.Labels)
	}
	for _, v := range d.Spec.Versions {
		if _, ok := v.Schema.OpenAPIV3Schema.Properties["status"].Properties["endpointSliceObjects"]; !ok {
			s.t.Errorf("%s still has the older schema", v.Name)
		}
	}
	awaitLog(s.t, s.Member("east"), `from="v0.5.0 revision 1"`)
	if after := s.awaitImport("east", "web", "east"); after.UID != before.UID {
		s.t.Error("the import was made anew")
	}
}

func oddDefinition(s *story) {
	rule.Covers(s.t, "#59")
	s.relabel(exportsCRD, "main", "0", func(*apiextensionsv1.CustomResourceDefinition) {})
	before := s.definition(exportsCRD)
	s.restart()
	awaitLog(s.t, s.Member("east"), `its release cannot be told" cluster=east crd=`+exportsCRD)
	if after := s.definition(exportsCRD); after.ResourceVersion != before.ResourceVersion {
		s.t.Errorf("the CRD was written: %v", after)
	}
}

// restart starts the agent of east again.
func (s *story) restart() {
	s.t.Helper()
	if err := s.Member("east").RestartAgent(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// definition returns a CRD of east.
func (s *story) definition(name string) *apiextensionsv1.CustomResourceDefinition {
	s.t.Helper()
	d := &apiextensionsv1.CustomResourceDefinition{}
	if err := s.Member("east").Client.Get(s.t.Context(), client.ObjectKey{Name: name}, d); err != nil {
		s.t.Fatal(err)
	}
	return d
}

// relabel makes a CRD of east one of another release, and changes it besides.
func (s *story) relabel(name, version, revision string, change func(*apiextensionsv1.CustomResourceDefinition)) {
	s.t.Helper()
	d := s.definition(name)
	if d.Labels == nil {
		d.Labels = map[string]string{}
	}
	d.Labels[crd.ReleaseVersionLabel] = version
	d.Labels[crd.CustomResourceDefinitionSchemaRevisionLabel] = revision
	change(d)
	if err := s.Member("east").Client.Update(s.t.Context(), d); err != nil {
		s.t.Fatal(err)
	}
}

// define creates a CRD and waits until it is served.
func (s *story) define(cluster string, d *apiextensionsv1.CustomResourceDefinition) {
	s.t.Helper()
	s.create(cluster, d)
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	_, err := clusterset.Await(ctx, s.Member(cluster).Client, &apiextensionsv1.CustomResourceDefinitionList{}, func(d *apiextensionsv1.CustomResourceDefinition) bool {
		return slices.ContainsFunc(d.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
			return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
		})
	}, clusterset.Named(d.Name))
	if err != nil {
		s.t.Fatalf("%s: waiting for CRD %s: %v", cluster, d.Name, err)
	}
}

// definitionOf reads the CRD in a manifest.
func definitionOf(t *testing.T, text []byte) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	d := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(text, d); err != nil {
		t.Fatal(err)
	}
	return d
}

func releaseOf(d *apiextensionsv1.CustomResourceDefinition) string {
	return d.Labels[crd.ReleaseVersionLabel] + "/" + d.Labels[crd.CustomResourceDefinitionSchemaRevisionLabel]
}
