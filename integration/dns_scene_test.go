package integration

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// exportsOfEveryKind are what the differential test asks for, a line each: the cluster that exports, the service, its kind
// (ip4, ip6, dual, headless), its ports as name:number/protocol, and its EndpointSlices, which are apart by blanks. An
// endpoint is an address, or hostname=address, with a ! if it is not ready; behind @ are the ports of a slice that has not
// all. A dash stands for none.
const exportsOfEveryKind = `
east  shop/web       ip4  http:80,https:443           10.1.0.1,10.1.0.2 10.1.0.3
east  shop/api       dual http:80,grpc:9000           10.1.1.1 fd00:1::1
west  shop/api6      ip6  http:80                     fd00:2::6
west  shop/resolver  dual dns:53/udp,dns-tcp:53       10.2.0.1 fd00:2::1
west  shop/samename  ip4  dns:53/udp,web:80,alt:81    10.2.0.2
north shop/unnamed   ip4  :80                         10.3.0.1
east  shop/both      ip4  http:80                     10.1.2.1
north shop/both      ip4  http:80                     10.3.2.1,10.3.2.2
east  shop/clash     ip4  http:80,admin:9000          10.1.3.1
west  shop/clash     ip4  http:8080,debug:9000        10.2.3.1
east  shop/union     ip4  http:80                     10.1.4.1
west  shop/union     ip4  metrics:9090                10.2.4.1
north shop/union     dual http:80,metrics:9090        10.3.4.1
east  shop/vacant    ip4  http:80                     -
west  shop/idle      ip4  http:80                     10.2.5.1!,10.2.5.2!
east  shop/db        headless pg:5432                 db-0=10.1.6.1,db-1=10.1.6.2
east  shop/cell      headless pg:5432                 db-0=10.1.7.1,db-1=10.1.7.2
west  shop/cell      headless pg:5432                 db-0=10.2.7.1,db-2=10.2.7.2
north shop/cell      headless pg:5432                 db-0=10.3.7.1 10.3.7.9
north shop/anon      headless http:80                 10.3.8.1,10.3.8.2 10.3.8.3
west  shop/anon6     headless http:80                 fd00:2::8,fd00:2:0:0:8::,fd00::
west  shop/twofold   headless http:80                 a=10.2.9.1,b=10.2.9.2 a=fd00:2::9:1,b=fd00:2::9:2
east  shop/noports   headless -                       a=10.1.10.1,10.1.10.2
west  shop/dead      headless http:80                 a=10.2.11.1!,10.2.11.2!
east  shop/half      headless http:80                 a=10.1.12.1,b=10.1.12.2! 10.1.12.3!,10.1.12.4
west  shop/half      headless http:80                 a=10.2.12.1!
east  shop/nobody    headless http:80                 -
east  shop/several   headless http:80,metrics:9090    a=10.1.13.1@http a=10.1.13.1@metrics b=10.1.13.2
west  shop/several   headless http:80,debug:6060      c=10.2.13.3 10.2.13.4@debug
north shop/nameless  headless :80                     a=10.3.14.1,10.3.14.2
west  shop/seed      headless dns:53/udp,dns-tcp:53   a=10.2.15.1
east  shop/ports     headless http:80                 a=10.1.16.1
west  shop/ports     headless http:81                 a=10.2.16.1
east  shop/shared    headless http:80                 a=10.1.17.1,a=10.1.17.2,b=10.1.17.3
east  shop/mimic     headless http:80                 10-1-18-2=10.1.18.1,10.1.18.2
east  shop/twins     headless http:80                 10.9.0.1
west  shop/twins     headless http:80                 10.9.0.1
east  shop/east      headless http:80                 east=10.1.19.1,west=10.1.19.2
west  shop/svc       ip4  http:80                     10.2.20.1
east  shop/turns     ip4  http:80                     10.1.21.1
west  shop/turns     headless http:80                 a=10.2.21.1
east  svc/svc        ip4  svc:80                      10.1.22.1
east  svc/pod        headless tcp:80                  svc=10.1.22.2
east  2nd/web        headless http:80                 web=10.1.23.1
west  2nd/db         ip4  http:80                     10.2.23.1
west  far/remote     ip4  http:80                     10.2.24.1
west  shop/the-longest-name-of-a-service-has-sixty-three-characters-as-thi ip4 fifteen-letters:80 10.2.25.1
west  shop/another-name-of-a-service-of-sixty-three-characters-has-endpoin headless fifteen-letters:80 an-endpoint-whose-host-name-has-sixty-three-characters-also-x-y=10.2.25.2
`

// manyEndpoints is how many endpoints one more headless service has, so that its SRV records do not fit into UDP.
const manyEndpoints = 60

// farNamespace is in no cluster that is asked.
const farNamespace = "far"

// exported is one line of the scene.
type exported struct {
	cluster, namespace, name, kind string
	ports                          []corev1.ServicePort
	slices                         []*discoveryv1.EndpointSlice
}

// readScene reads lines as in exportsOfEveryKind.
func readScene(t *testing.T, text string) (scene []exported) {
	t.Helper()
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		e := exported{cluster: words[0], kind: words[2]}
		e.namespace, e.name, _ = strings.Cut(words[1], "/")
		if words[3] != "-" {
			for port := range strings.SplitSeq(words[3], ",") {
				e.ports = append(e.ports, readPort(t, port))
			}
		}
		for i, s := range words[4:] {
			if s != "-" {
				e.slices = append(e.slices, e.readSlice(t, fmt.Sprintf("%.50s-%d", e.name, i), s))
			}
		}
		scene = append(scene, e)
	}
	return scene
}

// readPort reads name:number/protocol, in which the name may be empty and TCP left out.
func readPort(t *testing.T, text string) corev1.ServicePort {
	t.Helper()
	name, number, _ := strings.Cut(text, ":")
	number, protocol, _ := strings.Cut(number, "/")
	n, err := strconv.Atoi(number)
	if err != nil {
		t.Fatalf("port %q: %v", text, err)
	}
	p := corev1.ServicePort{Name: name, Port: int32(n), Protocol: corev1.ProtocolTCP}
	if protocol != "" {
		p.Protocol = corev1.Protocol(strings.ToUpper(protocol))
	}
	return p
}

// readSlice reads a list of endpoints. They listen 8000 above the service's ports.
func (e exported) readSlice(t *testing.T, name, text string) *discoveryv1.EndpointSlice {
	t.Helper()
	endpoints, ports, some := strings.Cut(text, "@")
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: e.namespace, Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: e.name},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	for _, p := range e.ports {
		if !some || slices.Contains(strings.Split(ports, ","), p.Name) {
			s.Ports = append(s.Ports, discoveryv1.EndpointPort{Name: new(p.Name), Port: new(8000 + p.Port), Protocol: new(p.Protocol)})
		}
	}
	for one := range strings.SplitSeq(endpoints, ",") {
		hostname, address, named := strings.Cut(one, "=")
		if !named {
			hostname, address = "", one
		}
		address, notReady := strings.CutSuffix(address, "!")
		ip, err := netip.ParseAddr(address)
		if err != nil {
			t.Fatalf("endpoint %q: %v", one, err)
		}
		if ip.Is6() {
			s.AddressType = discoveryv1.AddressTypeIPv6
		}
		endpoint := discoveryv1.Endpoint{Addresses: []string{ip.String()}}
		if named {
			endpoint.Hostname = new(hostname)
		}
		if notReady {
			endpoint.Conditions.Ready = new(false)
		}
		s.Endpoints = append(s.Endpoints, endpoint)
	}
	return s
}

// crowd is a headless service of many endpoints, in slices of twenty.
func crowd(t *testing.T) exported {
	t.Helper()
	text := "north shop/crowd headless http:80"
	for i := range manyEndpoints {
		text += map[bool]string{true: " ", false: ","}[i%20 == 0] + fmt.Sprintf("crowd-%d=10.3.30.%d", i, i+1)
	}
	return readScene(t, text)[0]
}

// objects are what a cluster has of the service.
func (e exported) objects() []client.Object {
	of := metav1.ObjectMeta{Namespace: e.namespace, Name: e.name}
	s := &corev1.Service{ObjectMeta: of, Spec: corev1.ServiceSpec{Ports: e.ports}}
	switch e.kind {
	case "headless":
		s.Spec.ClusterIP = corev1.ClusterIPNone
	case "ip6":
		s.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv6Protocol}
	case "dual":
		s.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicyPreferDualStack)
	}
	all := []client.Object{s}
	for _, slice := range e.slices {
		all = append(all, slice)
	}
	return append(all, &mcsv1beta1.ServiceExport{ObjectMeta: of})
}
