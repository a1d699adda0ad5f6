package agent

import (
	"context"
	"log/slog"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/typed/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/mcs-api/config/crd"

	"github.com/hansa-mcs/hansa/integration/rule"
)

// patched takes every patch, and counts them.
type patched struct {
	apiextensions.CustomResourceDefinitionInterface
	count int
}

func (p *patched) Patch(context.Context, string, types.PatchType, []byte, metav1.PatchOptions, ...string) (*apiextensionsv1.CustomResourceDefinition, error) {
	p.count++
	return nil, nil
}

// Whoever starts the agent with --install-crds reads what came of it, for each CRD and with both releases.
func TestAnInstallationSaysWhatItDid(t *testing.T) {
	rule.Covers(t, "#59")
	labels := func(version, revision string) map[string]string {
		return map[string]string{crd.ReleaseVersionLabel: version, crd.CustomResourceDefinitionSchemaRevisionLabel: revision}
	}
	definitions, err := bundled()
	if err != nil {
		t.Fatal(err)
	}
	ours := definitions[0]
	ours.SetLabels(labels("v0.5.2", "0"))
	const about = ` crd=` + exportsCRD + ` release="v0.5.2 revision 0"`
	for _, test := range []struct {
		what    string
		labels  map[string]string
		patches int
		want    string
	}{
		{"none", nil, 1, `level=INFO msg="installed a CRD"` + about},
		{"older", labels("v0.5.0", "1"), 1, `level=INFO msg="upgraded a CRD"` + about + ` from="v0.5.0 revision 1"`},
		{"before labels", map[string]string{}, 1, `level=INFO msg="upgraded a CRD"` + about + ` from="before v0.5"`},
		{"the same", labels("v0.5.2", "0"), 0, `level=INFO msg="left a CRD alone: it is of our release"` + about},
		{"newer", labels("v0.6.0", "0"), 0, `level=INFO msg="left a CRD alone: it is newer than ours"` + about + ` installed="v0.6.0 revision 0"`},
	} {
		t.Run(test.what, func(t *testing.T) {
			var installed *apiextensionsv1.CustomResourceDefinition
			if test.labels != nil {
				installed = &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Labels: test.labels}}
			}
			log, out := logging(slog.LevelInfo)
			server := &patched{}
			if err := settle(t.Context(), server, installed, ours, log.With("crd", ours.GetName())); err != nil {
				t.Fatal(err)
			}
			if out.String() != test.want+"\n" || server.count != test.patches {
				t.Errorf("%d patches, and it says\n%swant %d and\n%s", server.count, out, test.patches, test.want)
			}
		})
	}
}
