package agent

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/typed/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"
)

// mcsRelease is the release of sigs.k8s.io/mcs-api whose CRDs this build has.
const mcsRelease = "v0.5.2"

// crds are the definitions without which the agent does not speak.
var crds = []string{exportsCRD, importsCRD}

const (
	exportsCRD = "serviceexports.multicluster.x-k8s.io"
	importsCRD = "serviceimports.multicluster.x-k8s.io"
)

// greet asks the API server once, and says what is wrong if it does not answer as it should.
func greet(ctx context.Context, c *rest.Config, log *slog.Logger, tell func(waiting string)) error {
	tell("waiting for an answer of the API server " + c.Host)
	clients, err := apiextensions.NewForConfig(c)
	if err != nil {
		return fmt.Errorf("making a client for CustomResourceDefinitions: %w", err)
	}
	_, err = clients.CustomResourceDefinitions().Get(ctx, crds[0], metav1.GetOptions{})
	if err == nil || apierrors.IsNotFound(err) || ctx.Err() != nil {
		return nil
	}
	if apierrors.IsForbidden(err) {
		err = fmt.Errorf("%w: docs/roles.yaml has what the agent's account may do", err)
	}
	tell(fmt.Sprintf("waiting for the API server: %v", err))
	log.Warn("the API server does not answer as it should; trying for ever", "server", c.Host, "error", err)
	return nil
}

// waitForCRDs returns once the MCS API is served, or when ctx ends. It logs what it waits for, and tells
// it; failed is why --install-crds could not help, by the CRD's name.
func waitForCRDs(ctx context.Context, c *rest.Config, failed map[string]error, log *slog.Logger, tell func(waiting string)) error {
	clients, err := apiextensions.NewForConfig(c)
	if err != nil {
		return fmt.Errorf("making a client for CustomResourceDefinitions: %w", err)
	}
	for _, name := range crds {
		said := ""
		usable := func(definition *apiextensionsv1.CustomResourceDefinition) bool {
			lack := lacks(name, definition, failed[name])
			if lack != "" && lack != said {
				said = lack
				tell("waiting for the MCS API: " + lack)
				log.Warn("waiting for the MCS API", "crd", name, "lack", lack)
			}
			return lack == ""
		}
		there := func(store toolscache.Store) (bool, error) {
			obj, _, _ := store.GetByKey(name)
			definition, _ := obj.(*apiextensionsv1.CustomResourceDefinition)
			return usable(definition), nil
		}
		appears := func(e watch.Event) (bool, error) {
			definition, ok := e.Object.(*apiextensionsv1.CustomResourceDefinition)
			if !ok || e.Type == watch.Deleted {
				definition = nil
			}
			return usable(definition), nil
		}
		if _, err := toolswatch.UntilWithSync(ctx, oneCRD(clients, name), &apiextensionsv1.CustomResourceDefinition{}, there, appears); err != nil && ctx.Err() == nil {
			return fmt.Errorf("waiting for CRD %s: %w", name, err)
		}
	}
	return nil
}

// oneCRD lists and watches the CRD of a name, and asks for no more than that.
func oneCRD(clients *apiextensions.ApiextensionsV1Client, name string) toolscache.ListerWatcher {
	return toolscache.NewListWatchFromClient(clients.RESTClient(), "customresourcedefinitions", "", fields.OneTermEqualSelector("metadata.name", name))
}

// lacks says why a CRD of the MCS API, nil if it is not there, cannot be used yet and what to do; "" if it
// can (I12). v1beta1 came with v0.5.0, and with v0.5.1 the field that says whether there are EndpointSlices
// (S2): without it the API server refuses the status as a whole.
func lacks(name string, definition *apiextensionsv1.CustomResourceDefinition, failed error) string {
	remedy := "or start the agent with --install-crds"
	if failed != nil {
		remedy = fmt.Sprintf("as --install-crds failed: %v", failed)
	}
	if definition == nil {
		return fmt.Sprintf("apply CRD %s of sigs.k8s.io/mcs-api %s, %s", name, mcsRelease, remedy)
	}
	if old := tooOld(definition); old != "" {
		return fmt.Sprintf("CRD %s is too old, as it %s: apply that of sigs.k8s.io/mcs-api %s, %s", name, old, mcsRelease, remedy)
	}
	if !established(definition) {
		return fmt.Sprintf("CRD %s is there, but the API server has not established it%s", name, refusedNames(definition))
	}
	return ""
}

// tooOld says what a CRD has not that we need, or "".
func tooOld(definition *apiextensionsv1.CustomResourceDefinition) string {
	const version, field = "v1beta1", "endpointSliceObjects"
	versions := servedVersions(definition)
	if !slices.Contains(versions, version) {
		return fmt.Sprintf("serves %s and not %s", strings.Join(versions, " and "), version)
	}
	for _, v := range definition.Spec.Versions {
		if v.Name != version || v.Schema == nil || v.Schema.OpenAPIV3Schema == nil || definition.Spec.Names.Kind != "ServiceImport" {
			continue
		}
		status := v.Schema.OpenAPIV3Schema.Properties["status"]
		if _, ok := status.Properties[field]; !ok && status.XPreserveUnknownFields == nil {
			return "knows no status." + field
		}
	}
	return ""
}

// refusedNames says which of a CRD's names another has, if that is what keeps it from being established.
func refusedNames(definition *apiextensionsv1.CustomResourceDefinition) string {
	for _, c := range definition.Status.Conditions {
		if c.Type == apiextensionsv1.NamesAccepted && c.Status == apiextensionsv1.ConditionFalse {
			return ": " + c.Message
		}
	}
	return ""
}

func servedVersions(definition *apiextensionsv1.CustomResourceDefinition) []string {
	var versions []string
	for _, v := range definition.Spec.Versions {
		if v.Served {
			versions = append(versions, v.Name)
		}
	}
	return versions
}

func established(definition *apiextensionsv1.CustomResourceDefinition) bool {
	return slices.ContainsFunc(definition.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
		return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
	})
}
