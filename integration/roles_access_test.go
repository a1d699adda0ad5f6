package integration

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"

	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// readObjects reads the objects of a YAML file.
func readObjects(t *testing.T, path string) (objects []*unstructured.Unstructured) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), len(text)); ; {
		o := &unstructured.Unstructured{}
		if err := decoder.Decode(&o.Object); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			t.Fatal(err)
		}
		if o.Object != nil { // not comments alone
			objects = append(objects, o)
		}
	}
}

// as reads an object as its type, strictly.
func as[T any](t *testing.T, o *unstructured.Unstructured) (typed T) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &typed, true); err != nil {
		t.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
	}
	return typed
}

// access asks an API server who may do what.
type access struct {
	t       *testing.T
	clients kubernetes.Interface
}

func newAccess(t *testing.T, m *clusterset.Member) access {
	t.Helper()
	clients, err := kubernetes.NewForConfig(m.REST)
	if err != nil {
		t.Fatal(err)
	}
	return access{t, clients}
}

// may asks for one thing, such as "create multicluster.x-k8s.io/serviceexports in shop": a verb, a group and
// a resource, perhaps a name, and perhaps a namespace.
func (a access) may(ctx context.Context, user, what string) (bool, error) {
	what, namespace, _ := strings.Cut(what, " in ")
	words := append(strings.Fields(what), "")
	group, resource, _ := strings.Cut(words[1], "/")
	resource, sub, _ := strings.Cut(resource, "/")
	groups := []string{"system:authenticated"}
	if user == clusterset.Account {
		groups = append(groups, "system:serviceaccounts", "system:serviceaccounts:hansa-system")
	}
	review, err := a.clients.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{User: user, Groups: groups, ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: words[0], Group: group, Resource: resource, Subresource: sub, Name: words[2], Namespace: namespace,
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

func (a access) check(user, what string, want bool) {
	a.t.Helper()
	if got, err := a.may(a.t.Context(), user, what); err != nil || got != want {
		a.t.Errorf("may %s %s: %t (%v), want %t", user, what, got, err, want)
	}
}

// await asks until the answer is as wanted: roles take effect when the API server has seen them, of which
// it tells nobody.
func (a access) await(user, what string, want bool) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	for {
		got, err := a.may(ctx, user, what)
		if err != nil {
			a.t.Fatalf("may %s %s: still %t, want %t: %v", user, what, !want, want, err)
		}
		if got == want {
			return
		}
	}
}
