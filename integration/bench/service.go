package main

import (
	"context"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/clusterset"
)

const (
	namespace   = "shop"
	serviceName = "db"
	serviceHost = serviceName + "." + namespace + ".svc.clusterset.local"
	servicePort = 5432
	endpoints   = 10
)

// service is a headless Service of one cluster, exported, with one EndpointSlice. Nobody connects to its
// endpoints, so they need not exist. Not for use by several goroutines.
type service struct {
	client client.Client
	slice  *discoveryv1.EndpointSlice
	used   int // addresses so far
}

// exportService makes the service in owner, and its namespace in every member.
func exportService(ctx context.Context, set *clusterset.Clusterset, owner *clusterset.Member) (*service, error) {
	if err := createNamespace(ctx, namespace, set.Members()...); err != nil {
		return nil, err
	}
	name := metav1.ObjectMeta{Namespace: namespace, Name: serviceName}
	s := &service{client: owner.Client, slice: newSlice()}
	for range endpoints {
		s.slice.Endpoints = append(s.slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{s.fresh().String()}})
	}
	return s, create(ctx, owner,
		&corev1.Service{ObjectMeta: name, Spec: corev1.ServiceSpec{
			ClusterIP: corev1.ClusterIPNone, Ports: []corev1.ServicePort{{Name: "sql", Port: servicePort}},
		}},
		s.slice,
		&mcsv1beta1.ServiceExport{ObjectMeta: name},
	)
}

func createNamespace(ctx context.Context, name string, members ...*clusterset.Member) error {
	for _, m := range members {
		if err := create(ctx, m, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return err
		}
	}
	return nil
}

// create makes the objects in a member, one after the other.
func create(ctx context.Context, m *clusterset.Member, objects ...client.Object) error {
	for _, o := range objects {
		if err := m.Client.Create(ctx, o); err != nil {
			return fmt.Errorf("creating %T %s in %s: %w", o, o.GetName(), m.Name, err)
		}
	}
	return nil
}

// remove deletes the objects of a member, one after the other.
func remove(ctx context.Context, m *clusterset.Member, objects ...client.Object) error {
	for _, o := range objects {
		if err := m.Client.Delete(ctx, o); err != nil {
			return fmt.Errorf("deleting %T %s of %s: %w", o, o.GetName(), m.Name, err)
		}
	}
	return nil
}

func newSlice() *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: serviceName + "-1",
			Labels: map[string]string{discoveryv1.LabelServiceName: serviceName},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new("sql"), Port: new(int32(servicePort))}},
	}
}

// fresh returns an address that was never returned before.
func (s *service) fresh() netip.Addr {
	s.used++
	return netip.AddrFrom4([4]byte{10, 200, byte(s.used >> 8), byte(s.used)})
}

// replace replaces the oldest address of the slice by a fresh one, which it returns, without writing it.
func (s *service) replace() netip.Addr {
	address := s.fresh()
	s.slice.Endpoints[(s.used-1)%endpoints].Addresses[0] = address.String()
	return address
}

// write writes the slice to the API server, and returns when that has answered.
func (s *service) write(ctx context.Context) error {
	if err := s.client.Update(ctx, s.slice); err != nil {
		return fmt.Errorf("updating EndpointSlice %s: %w", s.slice.Name, err)
	}
	return nil
}
