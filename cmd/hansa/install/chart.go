package install

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/typed/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/hansa-mcs/hansa/charts"
)

// load returns the chart that this program has inside.
func load() (*chartv2.Chart, error) {
	var files []*archive.BufferedFile
	all := charts.Hansa()
	err := fs.WalkDir(all, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(all, path)
		files = append(files, &archive.BufferedFile{Name: path, Data: data})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the chart: %w", err)
	}
	chart, err := loader.LoadFiles(files)
	if err != nil {
		return nil, fmt.Errorf("loading the chart: %w", err)
	}
	return chart, nil
}

// crds is the folder of a chart from which Helm installs CRDs that are not there.
const crds = "crds/"

// withoutPresentCRDs returns the chart without those CRDs that the cluster has: Helm would apply its own over them, which may
// be older. Nothing that is there is changed; the agents upgrade, if they are told to.
func (i *Installer) withoutPresentCRDs(ctx context.Context) (*chartv2.Chart, error) {
	config, err := i.getter.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	clients, err := apiextensions.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client of CustomResourceDefinitions: %w", err)
	}
	chart, err := load()
	if err != nil {
		return nil, err
	}
	var kept []*common.File
	for _, f := range chart.Files {
		if strings.HasPrefix(f.Name, crds) {
			var definition apiextensionsv1.CustomResourceDefinition
			if err := yaml.Unmarshal(f.Data, &definition); err != nil {
				return nil, fmt.Errorf("reading %s of the chart: %w", f.Name, err)
			}
			_, err := clients.CustomResourceDefinitions().Get(ctx, definition.Name, metav1.GetOptions{})
			if err == nil {
				continue
			}
			if !apierrors.IsNotFound(err) {
				return nil, explain(fmt.Errorf("looking for CRD %s: %w", definition.Name, err))
			}
			i.tell("installing CRD " + definition.Name)
		}
		kept = append(kept, f)
	}
	chart.Files = kept
	return chart, nil
}

// Render returns what Apply would make in a new cluster, as YAML, and what to do next, as text. It asks no cluster.
func Render(namespace string, values map[string]any) (manifest, notes string, err error) {
	chart, err := load()
	if err != nil {
		return "", "", err
	}
	client := action.NewInstall(action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler)))
	client.DryRunStrategy = action.DryRunClient
	client.ReleaseName, client.Namespace = Name, namespace
	client.IncludeCRDs = true
	client.KubeVersion = &common.KubeVersion{Version: "v1.33.0", Major: "1", Minor: "33"} // the oldest that is supported
	client.APIVersions = common.VersionSet{"about.k8s.io/v1beta1/ClusterProperty"}        // as its CRD is part of the chart
	made, err := client.Run(chart, merge(nil, values))
	if err != nil {
		return "", "", explain(err)
	}
	r, err := read(made)
	if err != nil {
		return "", "", err
	}
	return r.Manifest, r.Info.Notes, nil
}
