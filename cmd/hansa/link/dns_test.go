package link

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

func TestFlagOf(t *testing.T) {
	tests := map[string]struct {
		args []string
		want string
	}{
		"not given":           {[]string{"--cluster=east", "--dns-zone-x=no"}, ""},
		"as the chart has it": {[]string{"--cluster=east", "--dns-zone=mesh.example"}, "mesh.example"},
		"in two words":        {[]string{"--dns-zone", "mesh.example", "--cluster=east"}, "mesh.example"},
		"without its value":   {[]string{"--cluster=east", "--dns-zone"}, ""},
		"twice":               {[]string{"--dns-zone=a.example", "--dns-zone=b.example"}, "b.example"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := &appsv1.Deployment{}
			d.Spec.Template.Spec.Containers = []corev1.Container{{Args: test.args}}
			if got := flagOf(d, "--dns-zone"); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestClusterIPs(t *testing.T) {
	for _, test := range []struct{ has, want []string }{
		{nil, nil},
		{[]string{corev1.ClusterIPNone}, nil},
		{[]string{"10.96.0.53", "fd00::53"}, []string{"10.96.0.53", "fd00::53"}},
	} {
		s := &corev1.Service{Spec: corev1.ServiceSpec{ClusterIPs: test.has}}
		if got := clusterIPs(s); !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.has, got, test.want)
		}
	}
}
