package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// namespace is that of all services of the faults.
const namespace = "shop"

func newNamespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// newService has port 80, named http; one whose name begins with db is headless.
func newService(name string) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: servicePort}}},
	}
	if headless(name) {
		s.Spec.ClusterIP = corev1.ClusterIPNone
	}
	return s
}

func headless(service string) bool { return strings.HasPrefix(service, "db") }

// newSlice has ready endpoints of a service.
func newSlice(service, name string, addresses ...string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new("http"), Port: new(int32(8080))}},
	}
	for _, a := range addresses {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{a}, Conditions: discoveryv1.EndpointConditions{Ready: new(true), Serving: new(true), Terminating: new(false)}})
	}
	return s
}

func newExport(service string) *mcsv1beta1.ServiceExport {
	return &mcsv1beta1.ServiceExport{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: service}}
}

// create makes objects in a cluster; those that are there already are left as they are.
func (r *run) create(ctx context.Context, cluster string, objects ...client.Object) error {
	for _, o := range objects {
		if err := r.pairs[cluster][0].Client.Create(ctx, o); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating %T %s in %s: %w", o, o.GetName(), cluster, err)
		}
	}
	return nil
}

func (r *run) delete(ctx context.Context, cluster string, objects ...client.Object) error {
	for _, o := range objects {
		if err := r.pairs[cluster][0].Client.Delete(ctx, o); err != nil {
			return fmt.Errorf("deleting %T %s in %s: %w", o, o.GetName(), cluster, err)
		}
	}
	return nil
}

// exports makes a service with endpoints in a cluster, and exports it.
func exports(cluster, service string, addresses ...string) step {
	return func(ctx context.Context, r *run) error {
		return r.create(ctx, cluster, newNamespace(namespace), newService(service), newSlice(service, service+"-1", addresses...), newExport(service))
	}
}

// hasNamespace makes the namespace of the services in a cluster that exports none.
func hasNamespace(cluster string) step {
	return func(ctx context.Context, r *run) error { return r.create(ctx, cluster, newNamespace(namespace)) }
}

// adds gives a service one more endpoint in a cluster, in a slice of its own.
func adds(cluster, service, address string) step {
	return func(ctx context.Context, r *run) error {
		return r.create(ctx, cluster, newSlice(service, service+"-"+address, address))
	}
}

// removes takes an endpoint away that adds gave.
func removes(cluster, service, address string) step {
	return func(ctx context.Context, r *run) error {
		return r.delete(ctx, cluster, newSlice(service, service+"-"+address, address))
	}
}

func unexports(cluster, service string) step {
	return func(ctx context.Context, r *run) error { return r.delete(ctx, cluster, newExport(service)) }
}

// imports waits until a cluster has a ServiceImport of just these clusters.
func imports(cluster, service string, from ...string) step {
	return func(ctx context.Context, r *run) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		var last []string
		_, err := clusterset.Await(ctx, r.pairs[cluster][0].Client, &mcsv1beta1.ServiceImportList{}, func(si *mcsv1beta1.ServiceImport) bool {
			if si.Name != service {
				return false
			}
			last = nil
			for _, c := range si.Status.Clusters {
				last = append(last, c.Cluster)
			}
			return slices.Equal(last, from)
		}, client.InNamespace(namespace))
		if err != nil {
			return fmt.Errorf("ServiceImport %s in %s is of %v, want %v: %w", service, cluster, last, from, err)
		}
		return nil
	}
}

// withdrawn waits until a cluster has neither a ServiceImport nor slices of a service.
func withdrawn(cluster, service string) step {
	return func(ctx context.Context, r *run) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if err := r.pairs[cluster][0].AwaitWithdrawn(ctx, namespace, service); err != nil {
			return fmt.Errorf("%s in %s: %w", service, cluster, err)
		}
		return nil
	}
}

// held returns what is in the slices that a cluster has of the others' services: service, cluster and address.
func (r *run) held(ctx context.Context, cluster string) ([]string, error) {
	var list discoveryv1.EndpointSliceList
	if err := r.pairs[cluster][0].Client.List(ctx, &list, client.InNamespace(namespace), clusterset.Made); err != nil {
		return nil, err
	}
	var all []string
	for _, s := range list.Items {
		for _, ep := range s.Endpoints {
			all = append(all, strings.Join([]string{s.Labels[mcsv1beta1.LabelServiceName], s.Labels[mcsv1beta1.LabelSourceCluster], ep.Addresses[0]}, " "))
		}
	}
	slices.Sort(all)
	return all, nil
}

// truth returns what all clusters export, as held would have it: exported services and the endpoints of their slices.
func (r *run) truth(ctx context.Context) ([]string, error) {
	var all []string
	for _, cluster := range r.clusters {
		c := r.pairs[cluster][0].Client
		var exported mcsv1beta1.ServiceExportList
		var list discoveryv1.EndpointSliceList
		if err := errors.Join(c.List(ctx, &exported, client.InNamespace(namespace)), c.List(ctx, &list, client.InNamespace(namespace))); err != nil {
			return nil, err
		}
		for _, s := range list.Items {
			service := s.Labels[discoveryv1.LabelServiceName]
			if !slices.ContainsFunc(exported.Items, func(e mcsv1beta1.ServiceExport) bool { return e.Name == service }) {
				continue
			}
			for _, ep := range s.Endpoints {
				all = append(all, strings.Join([]string{service, cluster, ep.Addresses[0]}, " "))
			}
		}
	}
	for _, n := range r.nodes {
		all = append(all, n.holds(n.name)...)
	}
	slices.Sort(all)
	return all, nil
}

// agree waits until the slices of these clusters hold just what all clusters export: nothing is missing, nothing is
// there twice, nothing is left over. Nodes agree too.
func agree(clusters ...string) step {
	return func(ctx context.Context, r *run) error {
		ctx, cancel := context.WithTimeout(ctx, 2*patience)
		defer cancel()
		for {
			want, err := r.truth(ctx)
			if err != nil {
				return err
			}
			wrong, err := r.disagreement(ctx, clusters, want)
			if err != nil || wrong == "" {
				return err
			}
			if !sleep(ctx, 4*glance) {
				return fmt.Errorf("%s: %w", wrong, ctx.Err())
			}
		}
	}
}

// disagreement says who holds what it should not, or lacks it; "" if nobody.
func (r *run) disagreement(ctx context.Context, clusters []string, want []string) (wrong string, err error) {
	holds := map[string][]string{}
	for _, cluster := range clusters {
		if holds[cluster], err = r.held(ctx, cluster); err != nil {
			return "", err
		}
	}
	for _, n := range r.nodes {
		holds[n.name] = n.holds("")
	}
	for name, got := range holds {
		if !slices.Equal(got, want) {
			wrong = fmt.Sprintf("%s holds %d endpoints, want %d; first difference: %s", name, len(got), len(want), difference(got, want))
		}
	}
	return wrong, nil
}

// difference names the first place where two sorted lists differ.
func difference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i == len(got):
			return "lacks " + want[i]
		case i == len(want):
			return "has " + got[i]
		case got[i] != want[i]:
			return fmt.Sprintf("has %s, not %s", got[i], want[i])
		}
	}
	return "none"
}

// uid returns that of kube-system, by which members tell clusters of one ID apart.
func (r *run) uid(ctx context.Context, cluster string) (string, error) {
	var system corev1.Namespace
	if err := r.pairs[cluster][0].Client.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, &system); err != nil {
		return "", fmt.Errorf("reading the UID of kube-system in %s: %w", cluster, err)
	}
	return string(system.UID), nil
}
