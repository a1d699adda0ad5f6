package integration

import (
	"strings"
	"testing"
	"testing/synctest"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/hansa-mcs/hansa/integration/clusterset"
)

var importKind = schema.GroupVersionKind{Group: "multicluster.x-k8s.io", Version: "v1beta1", Kind: "ServiceImport"}

// importNamed is a ServiceImport of the namespace shop that is not ready.
func importNamed(name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{"type": "Headless"},
		"status": map[string]any{"conditions": []any{
			map[string]any{"type": "Ready", "status": "False", "reason": "Pending", "message": "no address yet"},
		}},
	}}
	o.SetGroupVersionKind(importKind)
	o.SetNamespace("shop")
	o.SetName(name)
	return o
}

// sceneOf is a scene with one cluster, west, whose API server has the objects.
func sceneOf(t *testing.T, objects ...*unstructured.Unstructured) (*scene, *site) {
	t.Helper()
	kinds := meta.NewDefaultRESTMapper(nil)
	kinds.Add(importKind, meta.RESTScopeNamespace)
	var all []runtime.Object
	for _, o := range objects {
		all = append(all, o)
	}
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
		importKind.GroupVersion().WithResource("serviceimports"): "ServiceImportList",
	}, all...)
	// A watch begins with what there is.
	client.PrependWatchReactor("*", func(action clienttesting.Action) (bool, watch.Interface, error) {
		options := action.(clienttesting.WatchActionImpl).ListOptions
		events := watch.NewFakeWithChanSize(len(objects), false)
		for _, o := range objects {
			if options.FieldSelector == "metadata.name="+o.GetName() {
				events.Add(o)
			}
		}
		return true, events, nil
	})
	at := &site{Member: &clusterset.Member{Name: "west"}, objects: client, kinds: kinds}
	return &scene{stage: &stage{sites: []*site{at}}, t: t, ns: "shop"}, at
}

// Whoever reads why a script failed learns what was awaited, for how long, and what there is instead.
func TestWhatIsAwaitedInVainIsTold(t *testing.T) {
	for _, test := range []struct {
		what string
		args []string
		want string
	}{
		{
			"an object that is not as wanted", []string{"serviceimport/web", "{.spec.type}=ClusterSetIP", "Ready=True", "Ready=False/Pending"},
			`awaiting serviceimport/web {.spec.type}=ClusterSetIP Ready=True Ready=False/Pending: not within 1m0s
  want {.spec.type}=ClusterSetIP
  have "Headless"
  want Ready=True
  have Ready=False/Pending, "no address yet"
it was last
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceImport
metadata:
  name: web
`,
		},
		{
			"an object that is not there", []string{"serviceimport/wbe", "Ready=True"},
			"awaiting serviceimport/wbe Ready=True: not within 1m0s\nthere is no serviceimport/wbe; those that there are: [api web]\n",
		},
	} {
		t.Run(test.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, at := sceneOf(t, importNamed("api"), importNamed("web"))
				if err := s.await(at, test.args); err == nil || !strings.HasPrefix(err.Error(), test.want) {
					t.Errorf("it says\n%v\nwant\n%s", err, test.want)
				}
			})
		})
	}
}

func TestWhatDoesNotGoIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, at := sceneOf(t, importNamed("web"))
		err := s.gone(at, []string{"serviceimport/web"})
		const want = "awaiting that there is no serviceimport/web: not within 1m0s; there is\napiVersion: "
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("it says\n%v\nwant\n%s", err, want)
		}
	})
}
