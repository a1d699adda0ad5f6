package agent

import (
	"fmt"
	"strings"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// claim is what a flag says and a well-known ClusterProperty of about.k8s.io (KEP-2149) must agree with.
type claim struct {
	property    string // its name
	flag, value string
	changed     string // what it means if the value is to be another
	is          string // how the value is put in a sentence on this cluster
	check       func(value string) error
}

// claims returns those of valid Options: the cluster's ID and the clusterset's name (C3, C4).
func claims(o Options) []claim {
	return []claim{
		{
			property: "cluster.clusterset.k8s.io", flag: "cluster", value: o.Cluster,
			is: "be %q", changed: "a new ID is leaving and joining anew",
			check: func(value string) error { _, err := federation.ParseClusterID(value); return err },
		},
		{
			property: "clusterset.k8s.io", flag: "clusterset", value: o.Clusterset,
			is: "be a member of %q", changed: "another clusterset is leaving the one and joining the other",
			check: func(value string) error { _, err := trust.ParseClusterset(value); return err },
		},
	}
}

// contradiction returns how the ClusterProperty's value contradicts the flag and which of the two to
// change, or "". A property without a value, or none at all, contradicts nothing.
func (c claim) contradiction(says string) string {
	if says == "" || says == c.value {
		return ""
	}
	if err := c.check(says); err != nil {
		return fmt.Sprintf("ClusterProperty %q says %q, --%s says %q: edit the ClusterProperty, as Hansa cannot use its value: %v",
			c.property, clip(says), c.flag, c.value, err)
	}
	return fmt.Sprintf("ClusterProperty %q says %q, --%s says %q: start the agent with --%s %s, or, if this cluster is to %s, edit the ClusterProperty (%s)",
		c.property, says, c.flag, c.value, c.flag, says, fmt.Sprintf(c.is, c.value), c.changed)
}

// clip keeps a message readable: a property may hold 128,000 characters.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
