package exporter

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hansa-mcs/hansa/federation"
)

// audience is whom a service was offered to: so many of all other clusters that are known.
type audience struct {
	members, all int
	who          string // which ones those are; "" for each of them
}

// audienceOf counts, of the clusters that are known, those that may see what e says.
func audienceOf(e *federation.Export, policy federation.Namespaces, known []federation.ClusterID) audience {
	a, may := audience{who: who(e, policy)}, policy.Audience(e)
	for _, id := range known {
		if id == e.Cluster {
			continue
		}
		a.all++
		if may.Has(id) {
			a.members++
		}
	}
	return a
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
	if a.all == 1 {
		clusters = "cluster"
	}
	switch {
	case a.all == 0 && a.who != "":
		return "announced for " + a.who + "; no other cluster has joined yet"
	case a.all == 0:
		return "announced; no other cluster has joined yet"
	case a.who != "":
		return fmt.Sprintf("offered to %d of %d other %s of the clusterset: %s", a.members, a.all, clusters, a.who)
	}
	return fmt.Sprintf("offered to %d other %s of the clusterset", a.all, clusters)
}

// read sets the numbers to those of a message, and reports whether it is one that String writes, with the same who
// and rest.
func (a *audience) read(message, rest string) bool {
	if a.who != "" {
		_, _ = fmt.Sscanf(message, "offered to %d of %d", &a.members, &a.all) // 0 where there is no number
	} else {
		_, _ = fmt.Sscanf(message, "offered to %d", &a.all)
		a.members = a.all
	}
	return a.members <= a.all && a.String()+rest == message
}

// offer puts before what Ready=True says whom the service was offered to. That it was stays true when fewer
// are known, as after a restart: while the condition is otherwise what it was, its message changes only for a number
// that grew, and never for what a cluster did with the offer.
func offer(old *metav1.Condition, ready metav1.Condition, now audience) metav1.Condition {
	rest := ""
	if ready.Message != "" {
		rest = "; " + ready.Message
	}
	before := audience{who: now.who}
	if old != nil && exported(*old) && old.ObservedGeneration == ready.ObservedGeneration && before.read(old.Message, rest) {
		now.members, now.all = max(now.members, before.members), max(now.all, before.all)
	}
	ready.Message = now.String() + rest
	return ready
}
