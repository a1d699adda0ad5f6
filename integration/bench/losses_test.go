package main

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

func TestLossesAreWhatUsersRelyOn(t *testing.T) {
	named := metav1.ObjectMeta{Name: "web", UID: "1"}
	imported := func(clusters []string, ips ...string) client.Object {
		si := &mcsv1beta1.ServiceImport{ObjectMeta: named, Spec: mcsv1beta1.ServiceImportSpec{IPs: ips}}
		for _, c := range clusters {
			si.Status.Clusters = append(si.Status.Clusters, mcsv1beta1.ClusterStatus{Cluster: c})
		}
		return si
	}
	slice := func(ready bool, addresses ...string) client.Object {
		s := &discoveryv1.EndpointSlice{ObjectMeta: named}
		for _, a := range addresses {
			s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{a}, Conditions: discoveryv1.EndpointConditions{Ready: new(ready)}})
		}
		return s
	}
	for _, c := range []struct {
		name          string
		before, after client.Object
		kind          watch.EventType
		want          string
	}{
		{"first seen", nil, slice(true), watch.Added, ""},
		{"an address more", imported(nil), imported(nil, "10.0.0.1"), watch.Modified, ""},
		{"another address", imported(nil, "10.0.0.1"), imported(nil, "10.0.0.2"), watch.Modified, "*v1beta1.ServiceImport web lost 10.0.0.1"},
		{"a cluster less", imported([]string{"east", "west"}), imported([]string{"east"}), watch.Modified, "*v1beta1.ServiceImport web lost cluster west"},
		{"the order of endpoints", slice(true, "10.1.0.1", "10.1.0.2"), slice(true, "10.1.0.2", "10.1.0.1"), watch.Modified, ""},
		{"an endpoint less", slice(true, "10.1.0.1", "10.1.0.2"), slice(true, "10.1.0.2"), watch.Modified, "*v1.EndpointSlice web lost 10.1.0.1"},
		{"an endpoint that is not ready any more", slice(true, "10.1.0.1"), slice(false, "10.1.0.1"), watch.Modified, "*v1.EndpointSlice web lost 10.1.0.1"},
		{"one that never was", slice(false, "10.1.0.1"), slice(false), watch.Modified, ""},
		{"deleted", slice(true), slice(true), watch.Deleted, "*v1.EndpointSlice web was deleted"},
		{
			"a derived Service's address",
			&corev1.Service{ObjectMeta: named, Spec: corev1.ServiceSpec{ClusterIPs: []string{"10.0.0.1"}}},
			&corev1.Service{ObjectMeta: named, Spec: corev1.ServiceSpec{ClusterIPs: []string{"10.0.0.2"}}},
			watch.Modified, "*v1.Service web lost 10.0.0.1",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := map[types.UID]client.Object{}
			if c.before != nil {
				before[c.before.GetUID()] = c.before
			}
			if got := lossIn(before, watch.Event{Type: c.kind, Object: c.after}); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if before["1"] != c.after {
				t.Error("the object is not taken down as it is now")
			}
		})
	}
}
