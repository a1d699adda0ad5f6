package install

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/release/common"
	release "helm.sh/helm/v4/pkg/release/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestMergeLaysValuesOverOthers(t *testing.T) {
	type m = map[string]any
	for name, c := range map[string]struct{ values, over, want m }{
		"nothing":         {nil, nil, m{}},
		"one side":        {m{"a": 1}, nil, m{"a": 1}},
		"the other":       {nil, m{"a": 1}, m{"a": 1}},
		"another value":   {m{"a": 1, "b": 2}, m{"b": 3}, m{"a": 1, "b": 3}},
		"deeper":          {m{"a": m{"x": 1, "y": 2}}, m{"a": m{"y": 3}}, m{"a": m{"x": 1, "y": 3}}},
		"a list":          {m{"a": []any{1, 2}}, m{"a": []any{3}}, m{"a": []any{3}}},
		"a map by none":   {m{"a": m{"x": 1}}, m{"a": ""}, m{"a": ""}},
		"none by a map":   {m{"a": ""}, m{"a": m{"x": 1}}, m{"a": m{"x": 1}}},
		"an empty list":   {m{"a": []any{1}}, m{"a": []any{}}, m{"a": []any{}}},
		"what is nothing": {m{"a": 1}, m{"a": nil}, m{"a": nil}},
	} {
		before := fmt.Sprint(c.values, c.over)
		if got := merge(c.values, c.over); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		if after := fmt.Sprint(c.values, c.over); after != before {
			t.Errorf("%s: merge made %s of %s", name, after, before)
		}
	}
}

func TestBusyIsWhoeverBeganNotLongAgo(t *testing.T) {
	for name, c := range map[string]struct {
		status common.Status
		since  time.Duration
		want   time.Duration
	}{
		"well":           {common.StatusDeployed, 0, 0},
		"failed":         {common.StatusFailed, 0, 0},
		"just begun":     {common.StatusPendingInstall, 0, abandoned},
		"an upgrade":     {common.StatusPendingUpgrade, time.Minute, abandoned - time.Minute},
		"a rollback":     {common.StatusPendingRollback, abandoned - 1, 1},
		"uninstalling":   {common.StatusUninstalling, abandoned, 0},
		"long forgotten": {common.StatusPendingInstall, 24 * time.Hour, 0},
		"another clock":  {common.StatusPendingInstall, -time.Hour, abandoned + time.Hour},
	} {
		if got := busy(c.status, c.since); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestRolloutSaysHowManyAgentsAreReady(t *testing.T) {
	for name, c := range map[string]struct {
		seen   int64
		status appsv1.DeploymentStatus
		want   string
		done   bool
	}{
		"not heeded":       {1, appsv1.DeploymentStatus{UpdatedReplicas: 2, AvailableReplicas: 2, Replicas: 2}, "waiting for Kubernetes to heed the Deployment", false},
		"none":             {2, appsv1.DeploymentStatus{}, "0 of 2 agents are ready", false},
		"one":              {2, appsv1.DeploymentStatus{UpdatedReplicas: 2, AvailableReplicas: 1, Replicas: 2}, "1 of 2 agents are ready", false},
		"former revision":  {2, appsv1.DeploymentStatus{UpdatedReplicas: 1, AvailableReplicas: 2, Replicas: 3}, "1 of 2 agents are ready, 2 of the former revision are left", false},
		"one too many":     {2, appsv1.DeploymentStatus{UpdatedReplicas: 2, AvailableReplicas: 3, Replicas: 3}, "2 of 2 agents are ready, 1 of the former revision are left", false},
		"all of them":      {2, appsv1.DeploymentStatus{UpdatedReplicas: 2, AvailableReplicas: 2, Replicas: 2}, "2 of 2 agents are ready", true},
		"a later heed too": {3, appsv1.DeploymentStatus{UpdatedReplicas: 2, AvailableReplicas: 2, Replicas: 2}, "2 of 2 agents are ready", true},
	} {
		c.status.ObservedGeneration = c.seen
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Generation: 2}, Spec: appsv1.DeploymentSpec{Replicas: new(int32(2))}, Status: c.status}
		if line, done := rollout(d); line != c.want || done != c.done {
			t.Errorf("%s: %q %t, want %q %t", name, line, done, c.want, c.done)
		}
	}
}

func TestObstacleSaysWhatKeepsAPod(t *testing.T) {
	waiting := func(reason, message string) corev1.ContainerStatus {
		return corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}
	}
	crashed := waiting("CrashLoopBackOff", "back-off")
	crashed.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1}
	condition := func(kind corev1.PodConditionType, status corev1.ConditionStatus, message string) []corev1.PodCondition {
		return []corev1.PodCondition{{Type: kind, Status: status, Message: message}}
	}
	for name, c := range map[string]struct {
		status corev1.PodStatus
		want   string
	}{
		"ready":        {corev1.PodStatus{Conditions: condition(corev1.PodReady, corev1.ConditionTrue, "")}, ""},
		"no node":      {corev1.PodStatus{Conditions: condition(corev1.PodScheduled, corev1.ConditionFalse, "0/3 nodes are available")}, "pod a has no node: 0/3 nodes are available"},
		"no image":     {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{waiting("ImagePullBackOff", "not found")}}, "pod a: ImagePullBackOff: not found"},
		"no Secret":    {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{waiting("ContainerCreating", "")}}, "pod a is being made: kubectl -n b describe pod a says what it waits for, such as the Secret with its identity"},
		"ending":       {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{crashed}}, "pod a ends again and again: kubectl -n b logs a --previous says why"},
		"merely waits": {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{}}}, "pod a is not ready: kubectl -n b logs a says what it waits for"},
	} {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "b"}, Status: c.status}
		if got := obstacle(p); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestAddressIsTheLoadBalancers(t *testing.T) {
	at := func(i ...corev1.LoadBalancerIngress) corev1.ServiceStatus {
		return corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: i}}
	}
	for name, c := range map[string]struct {
		kind   corev1.ServiceType
		status corev1.ServiceStatus
		want   string
		done   bool
	}{
		"no load balancer": {corev1.ServiceTypeClusterIP, at(), "", true},
		"none yet":         {corev1.ServiceTypeLoadBalancer, at(), "", false},
		"without address":  {corev1.ServiceTypeLoadBalancer, at(corev1.LoadBalancerIngress{}), "", false},
		"an address":       {corev1.ServiceTypeLoadBalancer, at(corev1.LoadBalancerIngress{IP: "192.0.2.1"}), "192.0.2.1:8443", true},
		"of IPv6":          {corev1.ServiceTypeLoadBalancer, at(corev1.LoadBalancerIngress{IP: "2001:db8::1"}), "[2001:db8::1]:8443", true},
		"a name":           {corev1.ServiceTypeLoadBalancer, at(corev1.LoadBalancerIngress{}, corev1.LoadBalancerIngress{Hostname: "lb.example", IP: "192.0.2.1"}), "lb.example:8443", true},
	} {
		s := &corev1.Service{Spec: corev1.ServiceSpec{Type: c.kind, Ports: []corev1.ServicePort{{Port: 8443}}}, Status: c.status}
		if got, done := address(s); got != c.want || done != c.done {
			t.Errorf("%s: %q %t, want %q %t", name, got, done, c.want, c.done)
		}
	}
}

// A mistake in values is one line that names the value, whoever found it.
func TestMistakesAreOneLine(t *testing.T) {
	for name, c := range map[string]struct {
		values map[string]any
		want   string
	}{
		"unknown":      {map[string]any{"cluster": "east", "clustre": "x"}, "values of the chart: additional properties 'clustre' not allowed"},
		"another type": {map[string]any{"cluster": "east", "memberService": map[string]any{"port": "x"}}, "values of the chart: memberService.port: got string, want integer"},
		"another form": {map[string]any{"cluster": "east", "dnsZone": "a..b"}, `values of the chart: dnsZone "a..b": want a DNS name of at most 63 characters, in lower case and without a final dot, such as clusterset.local`},
		"in a list":    {map[string]any{"cluster": "east", "peer": []any{"a:1", "b"}}, `values of the chart: peer.1 "b": want host:port with a port of at most 65535`},
		"several":      {map[string]any{"cluster": "east", "peer": []any{`a's "x"`, "b"}}, `values of the chart: peer.0 "a's \"x\"": want host:port with a port of at most 65535; peer.1 "b": want host:port with a port of at most 65535`},
		"below others": {map[string]any{"cluster": "east", "dnsService": map[string]any{"clusterIP": "None"}}, `values of the chart: dnsService.clusterIP "None": want an IP address of the range of this cluster's Services, such as 10.96.0.53`},
		"not said how": {map[string]any{"cluster": "East"}, "values of the chart: cluster: 'East' does not match pattern '^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$'"},
		"without unit": {map[string]any{"cluster": "east", "dnsTtl": 5}, "value dnsTtl 5: want a time with its unit, such as 5s"},
		"missing":      {nil, "value cluster: want the ID of this cluster, unique in the clusterset, such as --set cluster=east"},
		"contradicted": {map[string]any{"cluster": "east", "xdsTls": "none"}, "value xdsTls: want xdsAddress too, without which there is no xDS"},
	} {
		if _, _, err := Render(DefaultNamespace, c.values); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if err := explain(errors.New("some other thing")); err.Error() != "some other thing" {
		t.Errorf("got %v", err)
	}
}

// What is rendered is the whole: CRDs, namespaced objects in the wanted namespace, and no values that the caller did not say.
func TestRenderLeavesValuesAlone(t *testing.T) {
	values := map[string]any{"cluster": "east", "image": map[string]any{"tag": "x"}}
	manifest, notes, err := Render("elsewhere", values)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"name: serviceexports.multicluster.x-k8s.io", "namespace: elsewhere", `"--namespace=elsewhere"`, `image: "hansa-agent:x"`} {
		if !strings.Contains(manifest, want) {
			t.Errorf("the manifest has no %s", want)
		}
	}
	if strings.Contains(manifest, DefaultNamespace) || !strings.Contains(notes, "kubectl -n elsewhere") {
		t.Errorf("another namespace than the wanted one:\n%s", notes)
	}
	if !reflect.DeepEqual(values, map[string]any{"cluster": "east", "image": map[string]any{"tag": "x"}}) {
		t.Errorf("the values became %v", values)
	}
}

// A zone is answered for where the agents answer DNS.
func TestTheZoneIsThatOfTheValues(t *testing.T) {
	chart, err := load()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		config map[string]any
		want   string
	}{
		"defaults":     {nil, "clusterset.local"},
		"another zone": {map[string]any{"dnsZone": "set.example"}, "set.example"},
		"no DNS":       {map[string]any{"dnsAddress": "", "dnsZone": "set.example"}, ""},
		"none at all":  {map[string]any{"dnsAddress": nil}, ""},
	} {
		r := &release.Release{Chart: chart, Config: c.config, Info: &release.Info{}}
		if got := resultOf(Installed, r).Zone; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
