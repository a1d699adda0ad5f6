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
// that are ClusterRoles and ClusterRoleBindings.
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
// each kind in order: so it is asked, again and again, about a role and a binding that are written last.
func awaitObeyed(ctx context.Context, c client.Client) error {
	name := metav1.ObjectMeta{Name: "written-last-" + strings.ToLower(rand.Text())} // never seen before
	path := "/" + name.Name
	role := &rbacv1.ClusterRole{ObjectMeta: name, Rules: []rbacv1.PolicyRule{{Verbs: []string{"get"}, NonResourceURLs: []string{path}}}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: name,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: Account}},
	}
	if err := errors.Join(c.Create(ctx, role), c.Create(ctx, binding)); err != nil {
		return err
	}
	for {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: Account, NonResourceAttributes: &authorizationv1.NonResourceAttributes{Verb: "get", Path: path},
		}}
		if err := c.Create(ctx, review); err != nil {
			return err
		}
		if review.Status.Allowed {
			return errors.Join(c.Delete(ctx, binding), c.Delete(ctx, role))
		}
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
