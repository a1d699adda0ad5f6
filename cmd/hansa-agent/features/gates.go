package features

import (
	"fmt"
	"slices"
	"strings"
)

// Gate is the name of a switch (design section 9).
type Gate string

// The gates.
const (
	ServiceDiscovery Gate = "MCSServiceDiscovery"
	Host             Gate = "MCSHost"
	ClusterLocal     Gate = "MCSClusterLocal"
	AutoExport       Gate = "MCSAutoExport"
)

// ConfigMap is the name of the one that turns gates at run time, in the agents' namespace: each key is a gate, and its
// value true or false.
const ConfigMap = "hansa-features"

// Flag is the one that turns gates at the start.
const Flag = "feature-gates"

// Definition is what there is to know of a gate.
type Definition struct {
	Gate    Gate
	Default bool
	// Environment are the variables that turn it, the present spelling first.
	Environment []string
	// On and Off say what the gate means, in words for people.
	On, Off string

	// needs is how the gate must stand to have an effect of which MCSServiceDiscovery is the condition; nil if none.
	needs *bool
}

// Definitions returns all gates, in the order in which people are told of them.
func Definitions() []Definition { return slices.Clone(definitions) }

var definitions = []Definition{
	{
		Gate: ServiceDiscovery, Default: true, Environment: []string{"ENABLE_MCS_SERVICE_DISCOVERY"},
		On:  "what this cluster exports is announced, and what others export is imported and served",
		Off: "nothing is announced, imported, or served beyond cluster.local",
	},
	{
		Gate: Host, Default: true, Environment: []string{"ENABLE_MCS_HOST"}, needs: new(true),
		On:  "DNS and xDS serve the names of the clusterset",
		Off: "DNS and xDS serve no name of the clusterset",
	},
	{
		Gate: ClusterLocal, Default: true, Environment: []string{"ENABLE_MCS_CLUSTER_LOCAL"}, needs: new(false),
		On:  "the names of cluster.local in xDS hold this cluster's endpoints alone",
		Off: "the names of cluster.local in xDS also hold the endpoints that other clusters export",
	},
	{
		Gate: AutoExport, Default: false, Environment: []string{"ENABLE_MCS_AUTO_EXPORT", "ENABLE_MCS_AUTOEXPORT"}, needs: new(true),
		On:  "a ServiceExport is made for every Service that qualifies",
		Off: "nothing is exported but what people export",
	},
}

// Meaning says what a gate means that is on, or off; "" of one that is none.
func Meaning(g Gate, on bool) string {
	switch d := definitionOf(g); {
	case d == nil:
		return ""
	case on:
		return d.On
	default:
		return d.Off
	}
}

func definitionOf(g Gate) *Definition {
	for i := range definitions {
		if definitions[i].Gate == g {
			return &definitions[i]
		}
	}
	return nil
}

// known lists the gates for a message.
func known() string {
	var names []string
	for _, d := range definitions {
		names = append(names, string(d.Gate))
	}
	return strings.Join(names, ", ")
}

func errUnknown(name string) error {
	return fmt.Errorf("gate %q is not known: want %s", clip(name), known())
}

// clip keeps what somebody wrote from filling a message.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
