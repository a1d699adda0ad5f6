package agent

import (
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/integration/rule"
)

func TestAClusterPropertyAndItsFlagMustAgree(t *testing.T) {
	rule.Covers(t, "C3", "C4", "#44")
	const cluster, set = "cluster.clusterset.k8s.io", "clusterset.k8s.io"
	for _, test := range []struct{ what, property, says, want string }{
		{"no property, or one without a value", cluster, "", ""},
		{"the same", cluster, "east", ""},
		{"another ID", cluster, "west",
			`ClusterProperty "cluster.clusterset.k8s.io" says "west", --cluster says "east": start the agent with --cluster west, or, if this cluster is to be "east", edit the ClusterProperty (a new ID is leaving and joining anew)`},
		{"an ID of two labels", cluster, "east.eu",
			`ClusterProperty "cluster.clusterset.k8s.io" says "east.eu", --cluster says "east": edit the ClusterProperty, as Hansa cannot use its value: cluster ID "east.eu": want an RFC 1123 label`},
		{"an ID in capitals", cluster, "EAST", `edit the ClusterProperty, as Hansa cannot use its value: cluster ID "EAST"`},
		{"an ID with a space", cluster, "east ", `says "east ", --cluster says "east": edit the ClusterProperty`},
		{"an ID beyond all measure", cluster, strings.Repeat("e", 5000), `says "` + strings.Repeat("e", 64) + `…", --cluster`},
		{"an ID in several lines", cluster, "a\nb", `says "a\nb", --cluster`},
		{"the same clusterset", set, "acme", ""},
		{"another clusterset", set, "default",
			`ClusterProperty "clusterset.k8s.io" says "default", --clusterset says "acme": start the agent with --clusterset default, or, if this cluster is to be a member of "acme", edit the ClusterProperty (another clusterset is leaving the one and joining the other)`},
		{"no name of a clusterset", set, "Acme Inc", `--clusterset says "acme": edit the ClusterProperty, as Hansa cannot use its value: clusterset "Acme Inc"`},
	} {
		t.Run(test.what, func(t *testing.T) {
			for _, c := range claims(Options{Cluster: "east", Clusterset: "acme"}) {
				if c.property != test.property {
					continue
				}
				got := c.contradiction(test.says)
				if test.want == "" && got != "" || !strings.Contains(got, test.want) {
					t.Errorf("says %q, want %q", got, test.want)
				}
				if strings.Contains(got, "\n") || len(got) > 500 {
					t.Errorf("want one readable line: %q", got)
				}
			}
		})
	}
}
