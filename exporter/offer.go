package exporter

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hansa-mcs/hansa/federation"
)

// audience is whom a service was offered to, of all other clusters that are known.
type audience struct {
	members, all []federation.ClusterID // by cluster ID
	who          string                 // which ones members are; "" for each of all
	astray       []string               // of the consumers that the owner names, those that are none of the clusters
	left         bool                   // clusters were known that have left
}

// audienceOf tells, of the clusters that are known, those that may see what e says. Who is remembered from before a
// restart is known, and who has left is not: so the number is neither less after a restart nor too great after that.
func audienceOf(e *federation.Export, policy federation.Namespaces, known []federation.Owner) audience {
	a, may := audience{who: who(e, policy)}, policy.Audience(e)
	for _, o := range known {
		switch {
		case o.Cluster == e.Cluster:
		case o.Left:
			a.left = true
		default:
			a.all = append(a.all, o.Cluster)
			if may.Has(o.Cluster) {
				a.members = append(a.members, o.Cluster)
			}
		}
	}
	for _, glob := range e.Consumers {
		if !namesAny(e, glob, a.all) {
			a.astray = append(a.astray, glob)
		}
	}
	return a
}

// namesAny reports whether a consumer of an export is one of the other clusters, whatever the policy says, or its own.
func namesAny(e *federation.Export, glob string, all []federation.ClusterID) bool {
	one := (&federation.Namespaces{}).Audience(&federation.Export{Name: e.Name, Consumers: []string{glob}})
	return one.Has(e.Cluster) || slices.ContainsFunc(all, one.Has)
}

// who says which clusters may see what e says, whoever is known.
func who(e *federation.Export, policy federation.Namespaces) string {
	var by []string
	if len(e.Consumers) > 0 {
		by = append(by, fmt.Sprintf("%q names", clip(strings.Join(e.Consumers, ","), maxKeys)))
	}
	if policy.Parts(e.Name.Namespace) {
		by = append(by, "the export policy admits")
	}
	if len(by) == 0 {
		return ""
	}
	return "those that " + strings.Join(by, " and ")
}

// String is the first part of the message of Ready=True.
func (a audience) String() string {
	clusters := "clusters"
	if len(a.all) == 1 {
		clusters = "cluster"
	}
	switch {
	case len(a.all) == 0 && a.who != "":
		return "announced for " + a.who + "; no other cluster has joined yet"
	case len(a.all) == 0:
		return "announced; no other cluster has joined yet"
	case a.who == "":
		return fmt.Sprintf("offered to %d other %s of the clusterset", len(a.all), clusters)
	}
	text := fmt.Sprintf("offered to %d of %d other %s of the clusterset", len(a.members), len(a.all), clusters)
	if len(a.members) > 0 {
		text += " (" + first(a.members) + ")"
	}
	text += ": " + a.who
	if len(a.astray) > 0 {
		text += fmt.Sprintf("; %q of annotation %s names none of them (%s)", clip(strings.Join(a.astray, ","), maxNamed), ConsumersAnnotation, first(a.all))
	}
	return text
}

// maxNamed bounds how many bytes of a message name clusters.
const maxNamed = 150

// first names the first few clusters, at least one, and says how many more there are.
func first(list []federation.ClusterID) string {
	text := string(list[0])
	for i, id := range list[1:] {
		if len(text)+len(id) > maxNamed {
			return fmt.Sprintf("%s and %d more", text, len(list)-1-i)
		}
		text += ", " + string(id)
	}
	return text
}

// offer puts before what Ready=True says whom the service was offered to. That it was stays true while nobody is known,
// as when nothing is remembered after a restart: then the message stays as long as the rest of the condition. It never
// changes for what a cluster did with the offer.
func offer(old *metav1.Condition, ready metav1.Condition, now audience) metav1.Condition {
	rest := ""
	if ready.Message != "" {
		rest = "; " + ready.Message
	}
	ready.Message = now.String() + rest
	if len(now.all) == 0 && !now.left && old != nil && exported(*old) && old.ObservedGeneration == ready.ObservedGeneration && now.before(old.Message, rest) {
		ready.Message = old.Message
	}
	return ready
}

// before reports whether a message may be one of String, for the same who and with the same rest, of a time when
// clusters were known.
func (a audience) before(message, rest string) bool {
	said, ends := strings.CutSuffix(message, rest)
	if !ends || !strings.HasPrefix(said, "offered to ") {
		return false
	}
	_, after, found := strings.Cut(said, " of the clusterset")
	if a.who == "" {
		return found && after == ""
	}
	return strings.Contains(after, ": "+a.who)
}
