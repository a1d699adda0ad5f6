package exporter

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/lab/labtest"
)

const account = "system:serviceaccount:hansa-system:hansa-agent"

// grant lets the account read resources of a group.
func (s *ownScene) grant(name, group string, resources ...string) {
	s.Helper()
	s.create(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{group}, Resources: resources, Verbs: []string{"get", "list", "watch"}},
	}}, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: account}},
	})
}

// saidWhere writes down where the endpoints of a Service are said to be.
func (s *ownScene) saidWhere(name federation.ServiceName, e *federation.Export) {
	if name.Namespace != "shop" || e == nil {
		return
	}
	var list []string
	for _, subset := range e.Subsets {
		for _, ep := range subset.Endpoints {
			list = append(list, fmt.Sprintf("%s in %s/%s", ep.Address, ep.Region, ep.Zone))
		}
	}
	s.told <- name.Name + ": " + strings.Join(list, ", ")
}

// runPlaces runs AddOwn and AddNodes with the rights of the account until the test ends.
func (s *ownScene) runPlaces(api *rest.Config, log *slog.Logger) {
	s.Helper()
	api = rest.CopyConfig(api)
	api.Impersonate.UserName = account
	mgr, err := ctrl.NewManager(api, ctrl.Options{
		Logger: logr.Discard(), Metrics: server.Options{BindAddress: "0"}, Controller: config.Controller{SkipNameValidation: new(true)},
	})
	s.must(err)
	ctx, stop := context.WithCancel(s.Context())
	s.must(indexSlices(ctx, mgr.GetFieldIndexer()))
	nodes, err := AddNodes(mgr, log)
	s.must(err)
	_, err = AddOwn(mgr, OwnConfig{Cluster: "east", Say: s.saidWhere, Nodes: nodes})
	s.must(err)
	s.start(ctx, stop, mgr)
}

// An agent whose role is of before says all but where endpoints are, and that as soon as it may know it; from then on it
// follows the Nodes.
func TestNodesOnAnAPIServer(t *testing.T) {
	api := labtest.Start(t, lab.Config{Clusters: []string{"east"}}).Cluster("east").RESTConfig()
	s := &ownScene{T: t, told: make(chan string, 1000)}
	var err error
	s.client, err = client.New(api, client.Options{Scheme: scheme.Scheme})
	s.must(err)
	s.grant("services", "", "services")
	s.grant("slices", discoveryv1.GroupName, "endpointslices")
	near := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "near", Labels: map[string]string{
		corev1.LabelTopologyRegion: "r1", corev1.LabelTopologyZone: "r1-a",
	}}}
	s.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, near)
	slice := ownSlice("web", "web-1", "10.1.0.1")
	slice.Endpoints = []discoveryv1.Endpoint{
		{Addresses: []string{"10.1.0.1"}, NodeName: new("near")},
		{Addresses: []string{"10.1.0.2"}, NodeName: new("near"), Zone: new("own")},
		{Addresses: []string{"10.1.0.3"}, NodeName: new("far")},
		{Addresses: []string{"10.1.0.4"}},
	}
	s.create(ownService("web"), slice)

	var log syncWriter
	s.runPlaces(api, slog.New(slog.NewTextHandler(&log, nil)))
	s.expect("without the right to read Nodes", "web: 10.1.0.1 in /, 10.1.0.2 in /own, 10.1.0.3 in /, 10.1.0.4 in /")
	if log.count("level=WARN") != 1 || log.count("forbidden") != 1 {
		t.Error("nobody was told that there is no right")
	}
	s.grant("nodes", "", "nodes")
	s.expect("with the right", "web: 10.1.0.1 in r1/r1-a, 10.1.0.2 in r1/own, 10.1.0.3 in /, 10.1.0.4 in /")

	far := near.DeepCopy()
	far.Name, far.ResourceVersion, far.UID = "far", "", ""
	far.Labels[corev1.LabelTopologyRegion] = "r2"
	s.create(far)
	s.expect("a Node comes", "web: 10.1.0.1 in r1/r1-a, 10.1.0.2 in r1/own, 10.1.0.3 in r2/r1-a, 10.1.0.4 in /")
	near.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.Unix(time.Now().Unix(), 0)}}
	s.must(s.client.Status().Update(t.Context(), near))
	near.Labels[corev1.LabelTopologyRegion] = "r3"
	s.must(s.client.Update(t.Context(), near))
	s.expect("a heartbeat, and a change", "web: 10.1.0.1 in r3/r1-a, 10.1.0.2 in r3/own, 10.1.0.3 in r2/r1-a, 10.1.0.4 in /")
	s.must(s.client.Delete(t.Context(), near))
	s.expect("a Node goes", "web: 10.1.0.1 in /, 10.1.0.2 in /own, 10.1.0.3 in r2/r1-a, 10.1.0.4 in /")
}
