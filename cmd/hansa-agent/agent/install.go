package agent

import (
	"context"
	"fmt"
	"log/slog"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/typed/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/mcs-api/config/crd"
	"sigs.k8s.io/yaml"
)

// fieldManager returns whose fields of a CRD are those that a release of the agent applied. It names the
// release, so that of two agents which find no CRD at the same time the second conflicts with the first and
// looks again, instead of taking its own older word for the newer.
func fieldManager(ours *unstructured.Unstructured) string {
	mine, _ := releaseOf(ours.GetLabels()) // a test reads them
	return "hansa-agent " + mine.String()
}

// installRole names what lets the agent write CRDs, in docs/roles.yaml.
const installRole = "hansa-agent-install-crds"

// attempts bounds how often an installation looks again because somebody else wrote the CRD meanwhile,
// such as this agent's sibling.
const attempts = 5

// bundled returns the CRDs of the MCS API that this build has.
func bundled() ([]*unstructured.Unstructured, error) {
	var list []*unstructured.Unstructured
	for _, text := range [][]byte{crd.ServiceExportCRD, crd.ServiceImportCRD} {
		definition := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &definition.Object); err != nil {
			return nil, fmt.Errorf("reading the CRDs of this build: %w", err)
		}
		list = append(list, definition)
	}
	return list, nil
}

// installCRDs brings the CRDs of the MCS API to at least our release. What fails is logged and returned by
// the CRD's name, and is no end: somebody else may bring the CRD.
func installCRDs(ctx context.Context, c *rest.Config, log *slog.Logger) (failed map[string]error, err error) {
	clients, err := apiextensions.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("making a client for CustomResourceDefinitions: %w", err)
	}
	definitions, err := bundled()
	if err != nil {
		return nil, err
	}
	failed = map[string]error{}
	for _, ours := range definitions {
		if err := installCRD(ctx, clients.CustomResourceDefinitions(), ours, log); err != nil && ctx.Err() == nil {
			failed[ours.GetName()] = hinted(err)
			log.Error("--install-crds failed; going on with what is there", "crd", ours.GetName(), "error", hinted(err))
		}
	}
	return failed, nil
}

// hinted adds what to do about an error of writing CRDs.
func hinted(err error) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("%w: bind ClusterRole %s of docs/roles.yaml to the agent's account and start it again, or apply the CRDs of sigs.k8s.io/mcs-api %s yourself", err, installRole, mcsRelease)
	}
	return fmt.Errorf("%w: apply the CRDs of sigs.k8s.io/mcs-api %s yourself, or start the agent again", err, mcsRelease)
}

// installCRD installs or upgrades one CRD, or leaves it alone.
func installCRD(ctx context.Context, crds apiextensions.CustomResourceDefinitionInterface, ours *unstructured.Unstructured, log *slog.Logger) error {
	log = log.With("crd", ours.GetName())
	var err error
	for range attempts {
		var installed *apiextensionsv1.CustomResourceDefinition
		installed, err = crds.Get(ctx, ours.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			installed, err = nil, nil
		}
		if err != nil {
			return fmt.Errorf("reading CRD %s: %w", ours.GetName(), err)
		}
		if err = settle(ctx, crds, installed, ours, log); !apierrors.IsConflict(err) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("applying CRD %s: %w", ours.GetName(), err)
	}
	return nil
}

// settle does what the release of an installed CRD, nil for none, asks for.
func settle(ctx context.Context, crds apiextensions.CustomResourceDefinitionInterface, installed *apiextensionsv1.CustomResourceDefinition, ours *unstructured.Unstructured, log *slog.Logger) error {
	mine, _ := releaseOf(ours.GetLabels()) // a test reads them
	log = log.With("release", mine.String())
	if installed == nil {
		err := applyCRD(ctx, crds, ours, "")
		if err == nil {
			log.Info("installed a CRD")
		}
		return err
	}
	what, odd := judge(installed.Labels, ours.GetLabels())
	theirs, _ := releaseOf(installed.Labels) // judge says what is odd
	switch what {
	case upgrade:
		err := applyCRD(ctx, crds, ours, installed.ResourceVersion)
		if err == nil {
			log.Info("upgraded a CRD", "from", theirs.String())
		}
		return err
	case leaveNewer:
		log.Info("left a CRD alone: it is newer than ours", "installed", theirs.String())
	case leaveOdd:
		log.Warn("left a CRD alone: its release cannot be told", "error", odd)
	case leaveSame:
		log.Info("left a CRD alone: it is of our release")
	}
	return nil
}

// applyCRD applies ours; over the CRD at a resource version it takes the fields that others have set, and
// it does nothing over any other.
func applyCRD(ctx context.Context, crds apiextensions.CustomResourceDefinitionInterface, ours *unstructured.Unstructured, over string) error {
	ours = ours.DeepCopy()
	ours.SetResourceVersion(over)
	body, err := ours.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = crds.Patch(ctx, ours.GetName(), types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: fieldManager(ours), Force: new(over != "")})
	return err
}
