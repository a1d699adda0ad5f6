package clusterset

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Account is the user that agents are with Config.Roles: the service account that they have in a pod. RBAC
// binds it by name, and the API server itself adds the groups of a service account.
const Account = "system:serviceaccount:hansa-system:hansa-agent"

// readRoles reads the objects of a YAML file; none if there is no path.
func readRoles(path string) ([]*unstructured.Unstructured, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading roles: %w", err)
	}
	var objects []*unstructured.Unstructured
	for decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), len(text)); ; {
		var content map[string]any
		if err := decoder.Decode(&content); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("reading roles %s: %w", path, err)
		}
		if content != nil { // not comments alone
			objects = append(objects, &unstructured.Unstructured{Object: content})
		}
	}
	if len(objects) == 0 {
		return nil, fmt.Errorf("reading roles %s: it has no object, want those that let %s work", path, Account)
	}
	return objects, nil
}

// grant makes a cluster have the objects, one after the other, and returns when its API server obeys those
// that are roles and bindings.
func grant(ctx context.Context, c client.Client, objects []*unstructured.Unstructured) error {
	for _, o := range objects {
		copied := o.DeepCopy() // it is written to, and shared by all clusters
		err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(copied), client.FieldOwner("clusterset"), client.ForceOwnership)
		if err != nil {
			return fmt.Errorf("applying %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	if len(objects) == 0 {
		return nil
	}
	if err := awaitObeyed(ctx, c); err != nil {
		return fmt.Errorf("waiting for the roles to be obeyed: %w", err)
	}
	return nil
}

// awaitObeyed waits until the API server obeys what was written of each kind before. It tells nobody, but sees
// each kind in order: so it is asked, again and again, about a role and a binding of each that are written last.
func awaitObeyed(ctx context.Context, c client.Client) error {
	last, asks := writtenLast("written-last-" + strings.ToLower(rand.Text())) // never seen before
	for _, o := range last {
		if err := c.Create(ctx, o); err != nil {
			return err
		}
	}
	for _, ask := range asks {
		ask.User = Account
		for obeyed := false; !obeyed; {
			review := &authorizationv1.SubjectAccessReview{Spec: ask}
			if err := c.Create(ctx, review); err != nil {
				return err
			}
			obeyed = review.Status.Allowed
		}
	}
	slices.Reverse(last)
	for _, o := range last {
		if err := c.Delete(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// writtenLast returns a role of each kind and its binding, and what they let Account do.
func writtenLast(name string) ([]client.Object, []authorizationv1.SubjectAccessReviewSpec) {
	of := metav1.ObjectMeta{Name: name}
	in := metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault}
	agents := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: Account}}
	ref := func(kind string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
	}
	return []client.Object{
			&rbacv1.ClusterRole{ObjectMeta: of, Rules: []rbacv1.PolicyRule{{Verbs: []string{"get"}, NonResourceURLs: []string{"/" + name}}}},
			&rbacv1.ClusterRoleBinding{ObjectMeta: of, RoleRef: ref("ClusterRole"), Subjects: agents},
			&rbacv1.Role{ObjectMeta: in, Rules: []rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{name}}}},
			&rbacv1.RoleBinding{ObjectMeta: in, RoleRef: ref("Role"), Subjects: agents},
		}, []authorizationv1.SubjectAccessReviewSpec{
			{NonResourceAttributes: &authorizationv1.NonResourceAttributes{Verb: "get", Path: "/" + name}},
			{ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: name, Namespace: in.Namespace}},
		}
}

// impersonate has the agent come to its API server as Account, by a kubeconfig of its own.
func (m *Member) impersonate() error {
	config, err := clientcmd.LoadFromFile(m.kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig of %s: %w", m.Name, err)
	}
	for _, user := range config.AuthInfos {
		user.Impersonate = Account
	}
	m.kubeconfig = filepath.Join(m.dir, "kubeconfig")
	if err := clientcmd.WriteToFile(*config, m.kubeconfig); err != nil { // with mode 0600
		return fmt.Errorf("writing the kubeconfig of the agent of %s: %w", m.Name, err)
	}
	return nil
}
