package agent

import (
	"errors"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/hansa-mcs/hansa/integration/rule"
)

// serving returns a CRD that is established with those versions, of which "!v1" is not served.
func serving(versions ...string) *apiextensionsv1.CustomResourceDefinition {
	d := &apiextensionsv1.CustomResourceDefinition{}
	d.Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{{Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionTrue}}
	for _, v := range versions {
		name := strings.TrimPrefix(v, "!")
		d.Spec.Versions = append(d.Spec.Versions, apiextensionsv1.CustomResourceDefinitionVersion{Name: name, Served: name == v})
	}
	return d
}

func TestTheAgentSaysWhatItLacks(t *testing.T) {
	rule.Covers(t, "I12")
	refused := serving("v1alpha1", "v1beta1")
	refused.Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{
		{Type: apiextensionsv1.NamesAccepted, Status: apiextensionsv1.ConditionFalse, Message: `"svcex" is already in use`},
	}
	kind := func(kind string, fields ...string) *apiextensionsv1.CustomResourceDefinition {
		d := serving("v1beta1")
		d.Spec.Names.Kind = kind
		status := apiextensionsv1.JSONSchemaProps{Properties: map[string]apiextensionsv1.JSONSchemaProps{}}
		for _, f := range fields {
			status.Properties[f] = apiextensionsv1.JSONSchemaProps{Type: "string"}
		}
		d.Spec.Versions[0].Schema = &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
			Properties: map[string]apiextensionsv1.JSONSchemaProps{"status": status},
		}}
		return d
	}
	forbidden := errors.New("no such right")
	for _, test := range []struct {
		what       string
		definition *apiextensionsv1.CustomResourceDefinition
		failed     error
		want       []string
	}{
		{"none", nil, nil, []string{"apply CRD exports of sigs.k8s.io/mcs-api v0.5.2", "--install-crds"}},
		{"none, and none installed", nil, forbidden, []string{"apply CRD exports", "--install-crds failed: no such right"}},
		{"before v0.5", serving("v1alpha1"), nil, []string{"exports is too old, as it serves v1alpha1 and not v1beta1", "v0.5.2", "or start the agent with --install-crds"}},
		{"before v0.5, and not upgraded", serving("v1alpha1"), forbidden, []string{"too old", "--install-crds failed: no such right"}},
		{"v1beta1 turned off", serving("v1alpha1", "!v1beta1"), nil, []string{"too old", "serves v1alpha1 and not"}},
		{"v0.5.0", kind("ServiceImport", "clusters"), nil, []string{"too old, as it knows no status.endpointSliceObjects", "v0.5.2"}},
		{"v0.5.1", kind("ServiceImport", "clusters", "endpointSliceObjects"), nil, nil},
		{"the other kind", kind("ServiceExport", "conditions"), nil, nil},
		{"names taken", refused, nil, []string{"not established it", "svcex"}},
		{"v0.5", serving("v1alpha1", "v1beta1"), forbidden, nil},
		{"a later release without v1alpha1", serving("v1", "v1beta1"), nil, nil},
	} {
		t.Run(test.what, func(t *testing.T) {
			got := lacks("exports", test.definition, test.failed)
			if (got == "") != (test.want == nil) {
				t.Errorf("lacks %q", got)
			}
			for _, want := range test.want {
				if !strings.Contains(got, want) {
					t.Errorf("lacks %q, want %q", got, want)
				}
			}
		})
	}
}

func TestClusterPropertiesAreReadAtAVersionThatIsServed(t *testing.T) {
	for _, test := range []struct {
		what string
		obj  any
		want string
	}{
		{"no CRD", nil, ""},
		{"not established", &apiextensionsv1.CustomResourceDefinition{}, ""},
		{"both", serving("v1alpha1", "v1beta1"), "v1beta1"},
		{"the old one", serving("v1alpha1", "!v1beta1"), "v1alpha1"},
		{"one that is to come", serving("!v1beta1", "v1"), "v1"},
		{"none", serving("!v1"), ""},
	} {
		if got := propertyVersion(test.obj); got != test.want {
			t.Errorf("%s: read at %q, want %q", test.what, got, test.want)
		}
	}
}
