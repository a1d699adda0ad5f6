package federation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Namespaces is a policy on what may pass between this cluster and others, by namespace and by cluster: what is
// denied may not, and where anything is allowed, nothing else may. The zero value lets everything pass.
type Namespaces struct{ Allow, Deny []NamespaceRule }

// NamespaceRule speaks of the namespaces that a glob stands for, in dealings with the clusters that another one
// stands for.
type NamespaceRule struct {
	Cluster   string // "*" for every one
	Namespace string
}

var errRule = errors.New("want a namespace, or <cluster>=<namespace>, in both of which * stands for any characters")

// ParseNamespaceRule returns the rule that a text such as "kube-*" or "west=shop" stands for.
func ParseNamespaceRule(text string) (NamespaceRule, error) {
	r := NamespaceRule{Cluster: "*", Namespace: text}
	if cluster, namespace, found := strings.Cut(text, "="); found {
		r = NamespaceRule{cluster, namespace}
	}
	if !isGlob(r.Cluster) || !isGlob(r.Namespace) {
		return NamespaceRule{}, fmt.Errorf("rule %q: %w", clip(text), errRule)
	}
	return r, nil
}

// String returns the text that ParseNamespaceRule reads.
func (r NamespaceRule) String() string {
	if r.Cluster == "*" {
		return r.Namespace
	}
	return r.Cluster + "=" + r.Namespace
}

func (r NamespaceRule) covers(cluster ClusterID, namespace string) bool {
	return matches(r.Cluster, string(cluster)) && matches(r.Namespace, namespace)
}

// Admits reports whether what is in a namespace may pass between this cluster and another one.
func (n Namespaces) Admits(cluster ClusterID, namespace string) bool {
	covers := func(r NamespaceRule) bool { return r.covers(cluster, namespace) }
	return !slices.ContainsFunc(n.Deny, covers) && (len(n.Allow) == 0 || slices.ContainsFunc(n.Allow, covers))
}

// Closed returns the rule, or the lack of one, by which nothing in a namespace passes whatever the other cluster is; ""
// if something may.
func (n Namespaces) Closed(namespace string) string {
	for _, r := range n.Deny {
		if r.Cluster == "*" && matches(r.Namespace, namespace) {
			return "denied by " + r.String()
		}
	}
	if len(n.Allow) > 0 && !slices.ContainsFunc(n.Allow, func(r NamespaceRule) bool { return matches(r.Namespace, namespace) }) {
		return "not among those allowed"
	}
	return ""
}

// Bars returns the rule, or the lack of one, by which nothing in a namespace passes between this cluster and another one;
// "" if it may.
func (n Namespaces) Bars(cluster ClusterID, namespace string) string {
	for _, r := range n.Deny {
		if r.covers(cluster, namespace) {
			return "denied by " + r.String()
		}
	}
	if !n.Admits(cluster, namespace) {
		return "not among those allowed"
	}
	return ""
}

// Parts reports whether the policy has a rule on a namespace that is not for every cluster.
func (n Namespaces) Parts(namespace string) bool {
	tells := func(r NamespaceRule) bool { return r.Cluster != "*" && matches(r.Namespace, namespace) }
	return slices.ContainsFunc(n.Allow, tells) || slices.ContainsFunc(n.Deny, tells)
}

// Audience is who may see what an export says: whom it names as consumers, as far as its owner's policy admits them.
type Audience struct {
	owner     ClusterID
	namespace string
	consumers []string
	policy    *Namespaces
	nobody    bool
}

// Audience returns who may see what e says, where n is the policy of its owner.
func (n *Namespaces) Audience(e *Export) *Audience {
	return &Audience{owner: e.Cluster, namespace: e.Name.Namespace, consumers: e.Consumers, policy: n}
}

// Has reports whether a cluster is of the audience; every one is of none.
func (a *Audience) Has(viewer ClusterID) bool {
	switch {
	case a == nil, a.owner == viewer && !a.nobody:
		return true
	case a.nobody, !a.policy.Admits(viewer, a.namespace):
		return false
	}
	return len(a.consumers) == 0 || slices.ContainsFunc(a.consumers, func(glob string) bool { return matches(glob, string(viewer)) })
}

// isGlob reports whether s is a label in which * stands for any characters.
func isGlob(s string) bool { return checkLabel(strings.ReplaceAll(s, "*", "x")) == nil }

// matches reports whether a text is what a glob stands for.
func matches(glob, text string) bool {
	parts := strings.Split(glob, "*")
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return glob == text
	}
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return true
}
