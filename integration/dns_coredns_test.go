package integration

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/hansa-mcs/hansa/integration/coredns"
)

// coreDNSAccount is the service account of CoreDNS as kubeadm and most others install it.
const coreDNSAccount = "system:serviceaccount:kube-system:coredns"

// coreDNSRole is what kubeadm lets it do.
const coreDNSRole = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "system:coredns"}
rules:
  - {apiGroups: [""], resources: [endpoints, services, pods, namespaces], verbs: [list, watch]}
  - {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "system:coredns"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:coredns"}
subjects: [{kind: ServiceAccount, name: coredns, namespace: kube-system}]
`

// clusterLocal is the server block of the cluster's own zone, as kubeadm writes it but for the ways out of the cluster.
const clusterLocal = `cluster.local:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    cache 30 {
        disable success cluster.local
        disable denial cluster.local
    }
    loadbalance
}
`

func buildCoreDNS(t *testing.T) string {
	t.Helper()
	binary, err := coredns.Build(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// startCoreDNS starts a CoreDNS that ends with the test.
func startCoreDNS(t *testing.T, config coredns.Config) *coredns.Server {
	t.Helper()
	server, err := coredns.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// asCoreDNS writes a kubeconfig by which its account comes to a cluster's API server.
func (s *story) asCoreDNS(cluster string) (path string) {
	s.t.Helper()
	config, err := clientcmd.LoadFromFile(s.ControlPlane(cluster).Kubeconfig)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, user := range config.AuthInfos {
		user.Impersonate = coreDNSAccount
	}
	path = filepath.Join(s.t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// createAll makes the objects of a YAML text.
func (s *story) createAll(cluster, text string) {
	s.t.Helper()
	for decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), len(text)); ; {
		o := &unstructured.Unstructured{}
		if err := decoder.Decode(&o.Object); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			s.t.Fatal(err)
		}
		s.create(cluster, o)
	}
}

// exchange asks a server, by UDP with EDNS as stub resolvers have it, or by TCP.
func exchange(t *testing.T, network, address, name string, qtype uint16) *dns.Msg {
	t.Helper()
	request := new(dns.Msg).SetQuestion(name, qtype).SetEdns0(1232, false)
	client := dns.Client{Net: network, Timeout: 10 * time.Second}
	reply, _, err := client.ExchangeContext(t.Context(), request, address)
	if err != nil {
		t.Fatalf("asking %s by %s for %s %s: %v", address, network, name, dns.Type(qtype), err)
	}
	reply.Compress = true // which its length is to be told with
	return reply
}

// answers are the whole messages to many questions about the cluster's own zone, without what differs from one question
// to the next: the message's number, and the zone's serial, which is the time of the last change of anything.
func answers(t *testing.T, address string) []byte {
	t.Helper()
	var all bytes.Buffer
	for _, name := range []string{
		"web.shop.svc.cluster.local.", "_http._tcp.web.shop.svc.cluster.local.", "10-1-0-1.web.shop.svc.cluster.local.",
		"db.shop.svc.cluster.local.", "_http._tcp.db.shop.svc.cluster.local.", "db-0.db.shop.svc.cluster.local.", "db-0.west.db.shop.svc.cluster.local.",
		"away.shop.svc.cluster.local.", "10-2-0-1.web.shop.svc.cluster.local.", "shop.svc.cluster.local.", "cluster.local.", "dns-version.cluster.local.",
		"10-1-0-1.shop.pod.cluster.local.",
		"1.0.1.10.in-addr.arpa.", "1.0.2.10.in-addr.arpa.", "web.shop.svc.clusterset.local.cluster.local.",
	} {
		for _, qtype := range append(usualTypes, dns.TypeSOA, dns.TypePTR, dns.TypeHTTPS, dns.TypeNS) {
			for _, network := range []string{"udp", "tcp"} {
				reply := exchange(t, network, address, name, qtype)
				reply.Id = 0
				for _, record := range append(reply.Answer, reply.Ns...) {
					if soa, ok := record.(*dns.SOA); ok {
						soa.Serial = 0
					}
				}
				wire, err := reply.Pack()
				if err != nil {
					t.Fatal(err)
				}
				all.Write(wire)
			}
		}
	}
	return all.Bytes()
}
