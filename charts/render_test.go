package charts_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	appsv1 "k8s.io/api/apps/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/cmd/hansa/install"
)

// rendered returns the objects of the chart with values, each read strictly: a field that its type has not is a mistake.
func rendered(t *testing.T, values map[string]any) []runtime.Object {
	t.Helper()
	manifest, _, err := install.Render("hansa-system", values)
	if err != nil {
		t.Fatal(err)
	}
	var all []runtime.Object
	for text := range strings.SplitSeq("\n"+manifest, "\n---\n") {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if u.Object == nil {
			continue
		}
		if strings.Contains(text, "helm.sh/hook") {
			t.Errorf("%s %s is a hook, want none", u.GetKind(), u.GetName())
		}
		all = append(all, typed(t, u))
	}
	return all
}

func typed(t *testing.T, u *unstructured.Unstructured) runtime.Object {
	t.Helper()
	var o runtime.Object = &apiextensionsv1.CustomResourceDefinition{}
	if u.GetKind() != "CustomResourceDefinition" {
		var err error
		if o, err = scheme.Scheme.New(u.GroupVersionKind()); runtime.IsNotRegisteredError(err) {
			return u
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(u.Object, o, true); err != nil {
		t.Fatalf("%s %s: %v", u.GetKind(), u.GetName(), err)
	}
	return o
}

// of returns those objects that are of a type.
func of[T runtime.Object](objects []runtime.Object) (found []T) {
	for _, o := range objects {
		if one, ok := o.(T); ok {
			found = append(found, one)
		}
	}
	return found
}

// deployment returns the one of the chart.
func deployment(t *testing.T, values map[string]any) *appsv1.Deployment {
	t.Helper()
	all := of[*appsv1.Deployment](rendered(t, values))
	if len(all) != 1 {
		t.Fatalf("%d Deployments, want one", len(all))
	}
	return all[0]
}

// arguments returns those of the agent in a pod at 10.0.0.7.
func arguments(t *testing.T, values map[string]any) []string {
	t.Helper()
	args := deployment(t, values).Spec.Template.Spec.Containers[0].Args
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "$(POD_IP)", "10.0.0.7")
	}
	return args
}

// told returns the flags of an agent as it reads them.
func told(t *testing.T, values map[string]any) *pflag.FlagSet {
	t.Helper()
	o := agent.Defaults()
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.AddFlags(f)
	if err := f.Parse(arguments(t, values)); err != nil {
		t.Fatal(err)
	}
	if f.NArg() > 0 {
		t.Fatalf("the agent would not take %q", f.Args())
	}
	return f
}

// toText returns a value as a flag shows it.
func toText(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case float64:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprint(value)
}
