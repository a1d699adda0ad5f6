package exporter

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
)

// FuzzDescribe holds whatever objects there are to check's promises. It starts from the golden files.
func FuzzDescribe(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var t testing.T
		export, service, endpoints := parse(&t, archive)
		f.Add(encode(f, export), encode(f, service), encode(f, endpoints))
	}
	f.Fuzz(func(t *testing.T, exportJSON, serviceJSON, endpointsJSON []byte) {
		var export *mcsv1beta1.ServiceExport
		var service *corev1.Service
		var endpoints []discoveryv1.EndpointSlice
		if json.Unmarshal(exportJSON, &export) != nil || export == nil ||
			json.Unmarshal(serviceJSON, &service) != nil || json.Unmarshal(endpointsJSON, &endpoints) != nil {
			return
		}
		list := make([]*discoveryv1.EndpointSlice, len(endpoints))
		for i := range endpoints {
			list[i] = &endpoints[i]
		}
		check(t, export, service, list)
	})
}

func encode(f *testing.F, o any) []byte {
	f.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		f.Fatal(err)
	}
	return text
}

// TestWhatDescribeReturnsIsTakenByEveryMember tries objects as wild as the API server lets pass, and wilder.
func TestWhatDescribeReturnsIsTakenByEveryMember(t *testing.T) {
	refused := 0
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		export := &mcsv1beta1.ServiceExport{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", CreationTimestamp: metav1.Unix(r.Int64N(1<<32), 0), Annotations: randomAnnotations(r)}}
		if e := check(t, export, randomService(r), randomSlices(r)); e == nil {
			refused++
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if refused == 0 || refused > 2700 {
		t.Fatalf("%d of 3000 refused: the objects are too tame or too wild to show anything", refused)
	}
}

// said is what was said before in some tries: to some, with times of its own.
func said() *federation.Export {
	return &federation.Export{
		Cluster: "west", Name: webName, Created: time.Unix(1, 0), Type: federation.Headless, SessionAffinity: "None",
		Consumers: []string{"former-1", "former-2"},
		Quiet: federation.Quiet{
			Demote: federation.Delay{Given: true, After: time.Minute}, Withdraw: federation.Delay{Given: true, After: 10 * time.Minute},
		},
		Steering: federation.Steering{Prefer: []string{"former-1"}, MinHealthy: 50},
	}
}

// check proves of one input, of which nothing was said before, and then something: Describe does not panic, and leaves
// what was said alone; what it returns is normalized and passes Check; it returns something if Ready is True, and
// whatever failed if something was said; who may see it is what the annotation says if that can be read, and else as
// before; its messages are short, and of one line. It returns the first.
func check(t *testing.T, export *mcsv1beta1.ServiceExport, service *corev1.Service, endpoints []*discoveryv1.EndpointSlice) *federation.Export {
	t.Helper()
	for _, former := range []*federation.Export{said(), nil} {
		e, status := Describe("west", federation.Namespaces{}, export, service, endpoints, wild, former)
		if former != nil && !former.Equal(said()) {
			t.Errorf("what was said before is %+v now", former)
		}
		ready, failed := status.Ready.Status == metav1.ConditionTrue, status.Ready.Reason == string(mcsv1beta1.ServiceExportReasonFailed)
		if e == nil && (ready || failed && former != nil) || e != nil && !ready && !failed {
			t.Errorf("export %v with Ready=%s/%s", e, status.Ready.Status, status.Ready.Reason)
		}
		for _, c := range []metav1.Condition{status.Valid, status.Ready} {
			if strings.Contains(c.Message, "\n") || len(c.Message) > 4000 {
				t.Errorf("%s: message of %d bytes: %.5000q", c.Type, len(c.Message), c.Message)
			}
		}
		if e == nil {
			continue
		}
		if err := e.Check(); err != nil {
			t.Errorf("exported is what other members refuse: %v", err)
		}
		again := *e
		again.Normalize()
		if !e.Equal(&again) {
			t.Error("the Export is not normalized")
		}
		if want := maySee(export, former); !slices.Equal(e.Consumers, want) {
			t.Errorf("%q may see it, want %q", e.Consumers, want)
		}
	}
	e, _ := Describe("west", federation.Namespaces{}, export, service, endpoints, wild, nil)
	return e
}

// maySee returns who may see what a ServiceExport exports.
func maySee(export *mcsv1beta1.ServiceExport, former *federation.Export) []string {
	text, given := export.Annotations[ConsumersAnnotation]
	if !given {
		for key := range export.Annotations {
			if former != nil && strings.HasPrefix(key, "hansa.dev/") && !slices.Contains(annotations, key) {
				return former.Consumers
			}
		}
		return nil
	}
	list, err := ParseConsumers(text)
	if err != nil && former != nil {
		return former.Consumers
	}
	return list
}

// TestTheOrderOfSlicesDoesNotMatter: the cache lists them in any order, and an Export that differs only by
// that would be announced for nothing.
func TestTheOrderOfSlicesDoesNotMatter(t *testing.T) {
	export := &mcsv1beta1.ServiceExport{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", CreationTimestamp: metav1.Unix(1, 0)}}
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 2))
		service, endpoints := randomService(r), randomSlices(r)
		before, _ := Describe("west", federation.Namespaces{}, export, service, endpoints, wild, nil)
		r.Shuffle(len(endpoints), func(i, j int) { endpoints[i], endpoints[j] = endpoints[j], endpoints[i] })
		after, _ := Describe("west", federation.Namespaces{}, export, service, endpoints, wild, nil)
		if (before == nil) != (after == nil) || before != nil && !before.Equal(after) {
			t.Fatalf("seed %d: %+v, in another order %+v", seed, before, after)
		}
	}
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func randomAnnotations(r *rand.Rand) map[string]string {
	all := map[string]string{}
	for annotation, values := range map[string][]string{
		ConsumersAnnotation: {"west", " west, eu-* ,west", "west", "*", "", "West", "a\nb,", strings.Repeat("a,", 257) + "a", strings.Repeat("é", 5000)},
		demoteAnnotation:    {"30s", "1m0s", "0", "1h", "30", "-1s", "1ms", "\n", "876000h"},
		preferAnnotation:    {"same-zone,any", "west", ",", "any,any", strings.Repeat("a,", 99)},
		weightsAnnotation:   {"west=1,east=0", "west=1001", "=", "west", "west=1,west=2"},
		healthyAnnotation:   {"70%", "1", "0", "101%", "%", "half"},
		withdrawAnnotation:  {"10m", "1h", "0", "0s", "1h", "9s", "1e3s", strings.Repeat("1", 5000)},
	} {
		if r.IntN(4) == 0 {
			all[annotation] = pick(r, values...)
		}
	}
	return all
}

func randomService(r *rand.Rand) *corev1.Service {
	s := &corev1.Service{Spec: corev1.ServiceSpec{
		Type:            pick(r, corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer),
		ClusterIP:       pick(r, "10.96.0.1", corev1.ClusterIPNone),
		SessionAffinity: pick(r, corev1.ServiceAffinityNone, corev1.ServiceAffinityClientIP),
		IPFamilies:      pick(r, nil, []corev1.IPFamily{"IPv4"}, []corev1.IPFamily{"IPv6", "IPv4"}),
	}}
	if r.IntN(4) == 0 {
		s.Spec.SessionAffinityConfig = &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: pick(r, nil, new(int32(1)), new(int32(86400)), new(int32(-1)))}}
	}
	for i := range pick(r, 0, 1, 2, 5, 5, 5, 101) {
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{
			Name:     pick(r, fmt.Sprintf("p%d", i), fmt.Sprintf("p%d", i), fmt.Sprintf("p%d", i), "p0", ""),
			Protocol: pick(r, corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP),
			Port:     pick[int32](r, 1, 80, 65535, 65535, 80, 80, 80, 70000, 0),
		})
	}
	return s
}

// wild are places of the Nodes of randomSlices, some of which no API server would take.
var wild = map[string]Place{
	"": {"nowhere", "nowhere"}, "node-1": {"r1", "z2"}, "node-\xff": {"r\xff", strings.Repeat("z", 64)}, strings.Repeat("n", 254): {Region: strings.Repeat("r", 64)},
}

func randomSlices(r *rand.Rand) []*discoveryv1.EndpointSlice {
	var list []*discoveryv1.EndpointSlice
	for i := range r.IntN(5) {
		s := &discoveryv1.EndpointSlice{AddressType: pick(r, discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6, discoveryv1.AddressTypeFQDN)}
		s.Name = fmt.Sprintf("web-%d", i)
		for range r.IntN(3) {
			s.Ports = append(s.Ports, discoveryv1.EndpointPort{
				Name:     pick(r, nil, new(""), new("p0"), new("p1")),
				Protocol: pick(r, nil, new(corev1.ProtocolTCP), new(corev1.Protocol("nonsense"))),
				Port:     pick(r, nil, new(int32(8080)), new(int32(-1)), new(int32(65536)), new(int32(0))),
			})
		}
		for range r.IntN(4) {
			s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
				Addresses:  pick(r, nil, []string{"10.1.0.1"}, []string{"10.1.0.2"}, []string{"fd00::1"}, []string{"127.0.0.1"}, []string{"x"}),
				Hostname:   pick(r, nil, nil, nil, new("db-0"), new("db-0"), new("db-1"), new("NOT A LABEL")),
				Zone:       pick(r, nil, new("z1"), new(strings.Repeat("z", 64))),
				NodeName:   pick(r, nil, new("node-1"), new("node-\xff"), new(strings.Repeat("n", 254))),
				Conditions: discoveryv1.EndpointConditions{Ready: pick(r, nil, new(true), new(false)), Serving: pick(r, nil, new(true), new(false))},
			})
		}
		list = append(list, s)
	}
	return list
}
