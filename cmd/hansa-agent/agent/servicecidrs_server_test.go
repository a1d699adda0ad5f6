package agent

import (
	"net/netip"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/lab/labtest"
)

// TestServiceRangesOnAnAPIServer asks a real one for the ranges that it was started with, and gives it others.
func TestServiceRangesOnAnAPIServer(t *testing.T) {
	unleaked(t)
	l := labtest.Start(t, lab.Config{Clusters: []string{"east"}, DualStack: []string{"east"}})
	admin, err := kubernetes.NewForConfig(l.Cluster("east").RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("ServiceCIDRs come and go", func(t *testing.T) { followRanges(t, l.Cluster("east"), admin) })
	t.Run("the right to read comes later", func(t *testing.T) { allowRanges(t, l.Cluster("east"), admin) })
}

const (
	lab96   = "[10.96.0.0/16 172.20.0.0/16 fd00:10:96::/112]"
	lab9697 = "[10.96.0.0/16 10.97.0.0/16 172.20.0.0/16 fd00:10:96::/112]"
)

func followRanges(t *testing.T, cluster *lab.Cluster, admin *kubernetes.Clientset) {
	r, log := watched(t, cluster.RESTConfig(), "172.20.0.0/16")
	<-r.Known()
	log.awaits(t, lab96) // the API server makes its first ServiceCIDR only when it is there
	cidrs := admin.NetworkingV1().ServiceCIDRs()
	if _, err := cidrs.Create(t.Context(), cidr("more", "10.97.0.0/16"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	log.awaits(t, lab9697)
	owns(t, r, "10.96.0.1 10.97.0.1 172.20.0.1 fd00:10:96::1", "10.98.0.1 fd00:10:97::1")
	if err := cidrs.Delete(t.Context(), "more", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	log.awaits(t, lab96)
	owns(t, r, "10.96.0.1 172.20.0.1 fd00:10:96::1", "10.97.0.1")
}

// allowRanges is an agent that starts before its role is there.
func allowRanges(t *testing.T, cluster *lab.Cluster, admin *kubernetes.Clientset) {
	config := cluster.RESTConfig()
	config.Impersonate.UserName = "system:serviceaccount:hansa-system:hansa-agent"
	r, log := watched(t, config, "172.20.0.0/16")
	<-r.Known()
	log.awaits(t, "is forbidden")
	owns(t, r, "172.20.0.1", "10.96.0.1 fd00:10:96::1")
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "ranges"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"servicecidrs"}, Verbs: []string{"get", "list", "watch"}},
	}}
	if _, err := admin.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "ranges"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "ranges"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "hansa-system", Name: "hansa-agent"}},
	}
	if _, err := admin.RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	log.awaits(t, lab96)
	owns(t, r, "10.96.0.1 172.20.0.1 fd00:10:96::1", "10.97.0.1")
}

// owns checks which addresses are ours and which are not.
func owns(t *testing.T, r *serviceRanges, ours, theirs string) {
	t.Helper()
	for address := range strings.FieldsSeq(ours) {
		if !r.Own(netip.MustParseAddr(address)) {
			t.Errorf("%s is not ours", address)
		}
	}
	for address := range strings.FieldsSeq(theirs) {
		if r.Own(netip.MustParseAddr(address)) {
			t.Errorf("%s is ours", address)
		}
	}
}
