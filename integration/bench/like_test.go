package main

import (
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func TestLikeIsTheSameWithoutIdentityAndAddress(t *testing.T) {
	for name, c := range map[string]struct{ made, like string }{
		"a Service gets another address": {
			`{apiVersion: v1, kind: Service, metadata: {name: a, namespace: thousand, uid: x, resourceVersion: "7", managedFields: [{manager: m}],
			   labels: {hansa.dev/managed-by: hansa-agent, other: b}},
			  spec: {clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], type: ClusterIP}, status: {loadBalancer: {}}}`,
			`{apiVersion: v1, kind: Service, metadata: {name: a, namespace: like, labels: {hansa.dev/managed-by: bench, other: b}}, spec: {type: ClusterIP}}`,
		},
		"an EndpointSlice has no spec": {
			`{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, endpoints: [], ports: [],
			  metadata: {name: a, namespace: thousand, annotations: {hansa.dev/export: "{}"}, labels: {endpointslice.kubernetes.io/managed-by: hansa.dev}}}`,
			`{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, endpoints: [], ports: [],
			  metadata: {name: a, namespace: like, annotations: {hansa.dev/export: "{}"}, labels: {endpointslice.kubernetes.io/managed-by: bench}}}`,
		},
		"a ServiceImport keeps its status": {
			`{apiVersion: multicluster.x-k8s.io/v1beta1, kind: ServiceImport, metadata: {name: a, namespace: thousand}, spec: {ips: [10.0.0.1]}, status: {clusters: [{cluster: east}]}}`,
			`{apiVersion: multicluster.x-k8s.io/v1beta1, kind: ServiceImport, metadata: {name: a, namespace: like}, spec: {ips: [10.0.0.1]}, status: {clusters: [{cluster: east}]}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got, want := like(object(t, c.made)), object(t, c.like); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %v\nwant %v", got.Object, want.Object)
			}
		})
	}
}

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}
