package clusterset

import (
	"fmt"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

const inNamespaceYAML = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: NAME, namespace: hansa-system}
rules: [{apiGroups: [""], resources: [NAME], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: NAME, namespace: hansa-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: NAME}
subjects: [{kind: ServiceAccount, name: hansa-agent, namespace: hansa-system}]
`

// What a Role gives, as that of an agent which holds the CA, is obeyed too from the moment that grant returns.
func TestGrantedRolesOfANamespaceAreObeyed(t *testing.T) {
	c := start(t, Config{Clusters: []string{"east"}, InProcess: true, WithoutAPI: true}).Member("east").Client
	for i := range 10 {
		name := fmt.Sprintf("kind-%d", i)
		roles, err := readRoles(write(t, accountYAML+"---"+strings.ReplaceAll(inNamespaceYAML, "NAME", name)))
		if err != nil {
			t.Fatal(err)
		}
		if err := grant(t.Context(), c, roles); err != nil {
			t.Fatal(err)
		}
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: Account, ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: name, Namespace: "hansa-system"},
		}}
		if err := c.Create(t.Context(), review); err != nil || !review.Status.Allowed {
			t.Errorf("%s is granted, but: %v, %+v", name, err, review.Status)
		}
	}
	var bindings rbacv1.RoleBindingList
	if err := c.List(t.Context(), &bindings); err != nil {
		t.Fatal(err)
	}
	for _, b := range bindings.Items {
		if strings.HasPrefix(b.Name, "written-last") {
			t.Errorf("%s is left", b.Name)
		}
	}
}
