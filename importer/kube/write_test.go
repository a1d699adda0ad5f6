package kube

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

var stamp = metav1.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// sent returns the JSON that the API server would get.
func sent(t *testing.T, o client.Object, status bool) string {
	t.Helper()
	config, err := applyConfig(o, status, stamp)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func merged(t *testing.T, exports string) *importer.Service {
	t.Helper()
	return importer.Merge(parseExports(t, []byte(exports)))
}

const fullExport = `
- cluster: a
  ports: [http 80/TCP h2c]
  families: [IPv6]
  affinity: ClientIP
  affinitySeconds: 600
  internalTrafficPolicy: Local
  trafficDistribution: PreferClose
  subsets:
  - ports: [http 8080/TCP]
    endpoints: ["fd00::1 host=web-0 zone=z1", "fd00::2 -ready -serving terminating"]
`

// TestASliceIsSentAsItIs: the JSON says all that Plan does, and nothing beside it.
func TestASliceIsSentAsItIs(t *testing.T) {
	slice := slicesOf(t, parseExports(t, []byte(fullExport))...)[0]
	memory, err := json.Marshal(slice.Annotations[exportAnnotation])
	if err != nil {
		t.Fatal(err)
	}
	name := DerivedName(web)
	want := `{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"` + name + `-a-ipv6-0","namespace":"shop",` +
		`"labels":{"endpointslice.kubernetes.io/managed-by":"hansa.dev","kubernetes.io/service-name":"` + name + `",` +
		`"multicluster.kubernetes.io/service-name":"web","multicluster.kubernetes.io/source-cluster":"a"},` +
		`"annotations":{"hansa.dev/export":` + string(memory) + `}},"addressType":"IPv6","endpoints":[` +
		`{"addresses":["fd00::1"],"conditions":{"ready":true,"serving":true,"terminating":false},"hostname":"web-0","zone":"z1","hints":{"forZones":[{"name":"z1"}]}},` +
		`{"addresses":["fd00::2"],"conditions":{"ready":false,"serving":false,"terminating":true}}],` +
		`"ports":[{"name":"http","protocol":"TCP","port":8080,"appProtocol":"h2c"}]}`
	if got := sent(t, slice, false); got != want {
		t.Errorf("sent is\n%s\nwant\n%s", got, want)
	}
}

// TestAnEmptySliceSaysThatItIsEmpty: what is not said stays as somebody made it.
func TestAnEmptySliceSaysThatItIsEmpty(t *testing.T) {
	got := sent(t, slicesOf(t, parseExports(t, []byte("[{cluster: a, ports: [http 80/TCP]}]"))...)[0], false)
	if !strings.HasSuffix(got, `"addressType":"IPv4","endpoints":[],"ports":[]}`) {
		t.Errorf("sent is %s", got)
	}
}

func TestTheDerivedServiceIsSentAsItIs(t *testing.T) {
	want := `{"kind":"Service","apiVersion":"v1","metadata":{"name":"` + DerivedName(web) + `","namespace":"shop",` +
		`"labels":{"endpointslice.kubernetes.io/skip-mirror":"true","hansa.dev/managed-by":"hansa-agent","multicluster.kubernetes.io/service-name":"web"}},` +
		`"spec":{"ports":[{"name":"http","protocol":"TCP","appProtocol":"h2c","port":80,"targetPort":80}],"type":"ClusterIP",` +
		`"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":600}},` +
		`"ipFamilies":["IPv6"],"ipFamilyPolicy":"SingleStack","internalTrafficPolicy":"Local","trafficDistribution":"PreferClose"}}`
	if got := sent(t, derivedService(merged(t, fullExport), "", Scene{Refused: func(string) bool { return false }}), false); got != want {
		t.Errorf("sent is\n%s\nwant\n%s", got, want)
	}
}

// TestAServiceImportIsSentInTwo: spec and status apart, as the API server takes them.
func TestAServiceImportIsSentInTwo(t *testing.T) {
	want := merged(t, fullExport)
	si := ServiceImport(want)
	si.Status = importStatus(want, nil, mcsv1beta1.ServiceImportStatus{}, "")
	const head = `{"kind":"ServiceImport","apiVersion":"multicluster.x-k8s.io/v1beta1","metadata":{"name":"web","namespace":"shop"`
	spec := head + `,"labels":{"hansa.dev/managed-by":"hansa-agent","multicluster.kubernetes.io/service-name":"web"},` +
		`"annotations":{"multicluster.kubernetes.io/derived-service":"` + DerivedName(web) + `"}},` +
		`"spec":{"ports":[{"name":"http","protocol":"TCP","appProtocol":"h2c","port":80}],"type":"ClusterSetIP",` +
		`"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":600}},` +
		`"ipFamilies":["IPv6"],"internalTrafficPolicy":"Local","trafficDistribution":"PreferClose"}}`
	if got := sent(t, si, false); got != spec {
		t.Errorf("sent is\n%s\nwant\n%s", got, spec)
	}
	status := head + `},"status":{"endpointSliceObjects":"Present","clusters":[{"cluster":"a"}],"conditions":[` +
		`{"type":"Ready","status":"True","lastTransitionTime":"2026-03-01T00:00:00Z","reason":"Ready","message":"the service can be used"}]}}`
	if got := sent(t, si, true); got != status {
		t.Errorf("sent is\n%s\nwant\n%s", got, status)
	}
	if !si.Status.Conditions[0].LastTransitionTime.IsZero() {
		t.Error("the stamp went into the object that Plan made")
	}
}

// TestPortsAreNeverNull is checklist 12: the CRD requires the list.
func TestPortsAreNeverNull(t *testing.T) {
	got := sent(t, ServiceImport(merged(t, "[{cluster: a, type: Headless}]")), false)
	if !strings.Contains(got, `"spec":{"ports":[],"type":"Headless","sessionAffinity":"None","ipFamilies":["IPv4"]}`) {
		t.Errorf("sent is %s", got)
	}
}

func TestTheTransitionTimeOfReadyStays(t *testing.T) {
	want := merged(t, fullExport)
	before := importStatus(want, nil, mcsv1beta1.ServiceImportStatus{}, "")
	before.Conditions[0].LastTransitionTime = stamp
	for status, stays := range map[metav1.ConditionStatus]bool{metav1.ConditionTrue: true, metav1.ConditionFalse: false} {
		before.Conditions[0].Status = status
		if got := importStatus(want, nil, before, "").Conditions[0].LastTransitionTime; (got == stamp) != stays {
			t.Errorf("from Ready=%s: %v", status, got)
		}
	}
}

func TestNothingIsSentOfAnUnknownKind(t *testing.T) {
	if _, err := applyConfig(&corev1.Pod{}, false, stamp); err == nil {
		t.Fatal("a Pod was taken")
	}
}

// TestNamesFollowTheConvention of the MCS API's reference controllers, which others look for; no two slices
// share a name, and the longest fits.
func TestNamesFollowTheConvention(t *testing.T) {
	if got := DerivedName(federation.ServiceName{Namespace: "shop", Name: "web"}); got != "derived-isrlchlhrq" {
		t.Errorf("derived name %s", got)
	}
	seen := map[string]bool{}
	for _, cluster := range []federation.ClusterID{"a", "a-ipv4", "a-ipv4-1", "a-1", federation.ClusterID(strings.Repeat("x", 63))} {
		for _, family := range []discoveryv1.AddressType{"IPv4", "IPv6"} {
			for _, n := range []int{0, 1, 11, 100_000} {
				name := sliceName(web, cluster, family, n)
				if seen[name] || len(name) > 253 {
					t.Errorf("slice name %s", name)
				}
				seen[name] = true
			}
		}
	}
}
