package agent

import (
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/mcs-api/config/crd"
)

// release says which CRDs of the MCS API these are. The zero value is any release before v0.5, whose CRDs
// do not say.
type release struct {
	version  *version.Version
	revision uint64 // counts the changes of the schemas within a version
}

// releaseOf reads a CRD's labels. CRDs with one label of the two, or with words that are no version, are
// somebody's own: nobody can tell how old they are.
func releaseOf(labels map[string]string) (release, error) {
	name, named := labels[crd.ReleaseVersionLabel]
	revision, revised := labels[crd.CustomResourceDefinitionSchemaRevisionLabel]
	if !named && !revised {
		return release{}, nil
	}
	v, badVersion := version.ParseSemantic(name)
	n, badRevision := strconv.ParseUint(revision, 10, 64)
	if badVersion != nil || badRevision != nil {
		return release{}, fmt.Errorf("labels %s=%q and %s=%q: want a version such as v0.5.2 and a number",
			crd.ReleaseVersionLabel, name, crd.CustomResourceDefinitionSchemaRevisionLabel, revision)
	}
	return release{v, n}, nil
}

// String names the release for people.
func (r release) String() string {
	if r.version == nil {
		return "before v0.5"
	}
	return fmt.Sprintf("v%s revision %d", r.version, r.revision)
}

// newer reports whether r is newer than o, by version and then by revision: v0.5.1 was shipped under
// v0.5.0's name, as its revision 1.
func (r release) newer(o release) bool {
	switch {
	case r.version == nil || o.version == nil:
		return r.version != nil && o.version == nil
	case r.version.LessThan(o.version) || o.version.LessThan(r.version):
		return o.version.LessThan(r.version)
	}
	return r.revision > o.revision
}

// verdict is what --install-crds does with a CRD that is there.
type verdict int

const (
	leaveOdd verdict = iota // its release cannot be told
	leaveNewer
	leaveSame
	upgrade
)

// judge compares the labels of an installed CRD with those of ours. A CRD is never downgraded (#59), and
// one whose release cannot be told, the error says why, is not touched.
func judge(installed, ours map[string]string) (verdict, error) {
	mine, err := releaseOf(ours)
	if err != nil {
		return leaveOdd, fmt.Errorf("the CRD of this build: %w", err)
	}
	theirs, err := releaseOf(installed)
	switch {
	case err != nil:
		return leaveOdd, err
	case mine.newer(theirs):
		return upgrade, nil
	case theirs.newer(mine):
		return leaveNewer, nil
	}
	return leaveSame, nil
}
