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
	dnsNamespace = "dns"
	// dnsServices are so many services with an address, each of one cluster, in turn.
	dnsServices = 1000
	// dnsHeadless are so many services of all clusters, each with dnsEndpoints in all of them together.
	dnsHeadless  = 100
	dnsEndpoints = 50
)

func dnsName(i int) string { return fmt.Sprintf("web-%d", i) }

func dnsHeadlessName(i int) string { return fmt.Sprintf("db-%d", i) }

// dnsOwner is the cluster that the i-th service, or the i-th endpoint of a headless service, is of.
func dnsOwner(i int) string { return clusters[i%len(clusters)] }

// dnsHostname is what the i-th endpoint of a headless service is called in its cluster, as the Pod of a StatefulSet.
func dnsHostname(i int) string { return fmt.Sprintf("db-%d", i/len(clusters)) }

// makeDNSScene exports all services, and returns when the agents have nothing more to write in west, and all that
// there is to import is there.
func makeDNSScene(ctx context.Context, b *bench, set *clusterset.Clusterset) error {
	if err := createNamespace(ctx, dnsNamespace, set.Members()...); err != nil {
		return err
	}
	west := set.Member("west")
	export := func(ctx context.Context) error {
		err := each(ctx, dnsServices, manyWriters, func(ctx context.Context, i int) error {
			return create(ctx, set.Member(dnsOwner(i)), dnsService(i)...)
		})
		if err != nil {
			return err
		}
		return each(ctx, dnsHeadless*len(clusters), manyWriters, func(ctx context.Context, i int) error {
			owner := clusters[i%len(clusters)]
			return create(ctx, set.Member(owner), dnsHeadlessService(i/len(clusters), owner)...)
		})
	}
	_, seen, err := race(ctx, export,
		view{west, &mcsv1beta1.ServiceImportList{}, dnsNamespace, clusterset.Made, counting(dnsServices+dnsHeadless, anyImport)},
		view{west, &mcsv1beta1.ServiceImportList{}, dnsNamespace, clusterset.Made, counting(dnsServices, isReady)},
	)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.progress, "dns: west imports %d services after %.1f s, all have addresses after %.1f s\n",
		dnsServices+dnsHeadless, seen[0].Seconds(), seen[1].Seconds())
	for _, m := range set.Members() {
		if err := awaitSilence(ctx, m); err != nil {
			return fmt.Errorf("waiting until the agent of %s has nothing more to write: %w", m.Name, err)
		}
	}
	return nil
}

func anyImport(*mcsv1beta1.ServiceImport) bool { return true }

// dnsService is an exported Service with an address, and one endpoint.
func dnsService(i int) []client.Object {
	objects := exportedIn(dnsNamespace, dnsName(i), 80, netip.AddrFrom4([4]byte{10, 204, byte(i >> 8), byte(i)}))
	return append(objects, exportOf(dnsNamespace, dnsName(i)))
}

// dnsHeadlessService is an exported headless Service, with those of its endpoints that are of one cluster.
func dnsHeadlessService(i int, owner string) []client.Object {
	name := metav1.ObjectMeta{Namespace: dnsNamespace, Name: dnsHeadlessName(i)}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: dnsNamespace, Name: name.Name, Labels: map[string]string{discoveryv1.LabelServiceName: name.Name},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new("sql"), Port: new(int32(servicePort))}},
	}
	for k := range dnsEndpoints {
		if dnsOwner(k) == owner {
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
				Addresses: []string{dnsAddress(i, k).String()}, Hostname: new(dnsHostname(k)),
			})
		}
	}
	return []client.Object{
		&corev1.Service{ObjectMeta: name, Spec: corev1.ServiceSpec{
			ClusterIP: corev1.ClusterIPNone, Ports: []corev1.ServicePort{{Name: "sql", Port: servicePort}},
		}},
		slice, exportOf(dnsNamespace, name.Name),
	}
}

// dnsAddress is the address of an endpoint of a headless service, which no other has.
func dnsAddress(service, endpoint int) netip.Addr {
	n := service*dnsEndpoints + endpoint
	return netip.AddrFrom4([4]byte{10, 205, byte(n >> 8), byte(n)})
}
