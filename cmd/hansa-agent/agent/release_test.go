package agent

import (
	"strings"
	"testing"

	"sigs.k8s.io/mcs-api/config/crd"

	"github.com/hansa-mcs/hansa/integration/rule"
)

// labelled returns the labels of a CRD; "" leaves one out.
func labelled(version, revision string) map[string]string {
	labels := map[string]string{"app.kubernetes.io/part-of": "something"}
	if version != "" {
		labels[crd.ReleaseVersionLabel] = version
	}
	if revision != "" {
		labels[crd.CustomResourceDefinitionSchemaRevisionLabel] = revision
	}
	return labels
}

func TestACRDIsNeverDowngraded(t *testing.T) {
	rule.Covers(t, "#59")
	for _, test := range []struct {
		what              string
		version, revision string // installed
		want              verdict
		text              string
	}{
		{"no labels: before v0.5", "", "", upgrade, "before v0.5"},
		{"v0.5.0", "v0.5.0", "0", upgrade, "v0.5.0 revision 0"},
		{"v0.5.1, which was shipped under another name", "v0.5.0", "1", upgrade, "v0.5.0 revision 1"},
		{"an older minor version with a longer number", "v0.4.10", "7", upgrade, "v0.4.10 revision 7"},
		{"a candidate of ours", "v0.5.2-rc.1", "3", upgrade, "v0.5.2-rc.1 revision 3"},
		{"ours", "v0.5.2", "0", leaveSame, "v0.5.2 revision 0"},
		{"ours, without the v", "0.5.2", "0", leaveSame, "v0.5.2 revision 0"},
		{"ours, built by somebody else", "v0.5.2+vendor", "0", leaveSame, "v0.5.2+vendor revision 0"},
		{"a later schema on the way from ours", "v0.5.2", "1", leaveNewer, "v0.5.2 revision 1"},
		{"a later patch", "v0.5.10", "0", leaveNewer, "v0.5.10 revision 0"},
		{"a candidate of a later minor version", "v0.6.0-alpha.1", "0", leaveNewer, "v0.6.0-alpha.1 revision 0"},
		{"a later major version", "v1.0.0", "0", leaveNewer, "v1.0.0 revision 0"},
		{"a word for a version", "main", "0", leaveOdd, ""},
		{"a version of two numbers", "v0.5", "0", leaveOdd, ""},
		{"a word for a revision", "v0.5.0", "first", leaveOdd, ""},
		{"a revision below 0", "v0.5.0", "-1", leaveOdd, ""},
		{"a version alone", "v0.5.0", "", leaveOdd, ""},
		{"a revision alone", "", "1", leaveOdd, ""},
	} {
		t.Run(test.what, func(t *testing.T) {
			installed := labelled(test.version, test.revision)
			got, err := judge(installed, labelled("v0.5.2", "0"))
			if got != test.want || (err != nil) != (test.want == leaveOdd) {
				t.Errorf("judged %v (%v), want %v", got, err, test.want)
			}
			if err != nil {
				if !strings.Contains(err.Error(), crd.ReleaseVersionLabel) || strings.Contains(err.Error(), "\n") {
					t.Errorf("error %q, want one line that names the label", err)
				}
				return
			}
			if r, _ := releaseOf(installed); r.String() != test.text {
				t.Errorf("called %q, want %q", r, test.text)
			}
		})
	}
}

// What the build brings, and says that it brings, is the release that go.mod chose.
func TestTheBundledCRDsAreOfOneRelease(t *testing.T) {
	definitions, err := bundled()
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range definitions {
		r, err := releaseOf(d.GetLabels())
		if err != nil || "v"+r.version.String() != mcsRelease {
			t.Errorf("%s is of release %v (%v), want %s", d.GetName(), r, err, mcsRelease)
		}
		if d.GetName() != crds[i] {
			t.Errorf("CRD %d is %s, want %s", i, d.GetName(), crds[i])
		}
	}
	if len(definitions) != len(crds) {
		t.Errorf("%d CRDs, want %d", len(definitions), len(crds))
	}
}
