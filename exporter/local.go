package exporter

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/hansa-mcs/hansa/federation"
)

// Locals say which Services stay in this cluster: auto-export leaves them out, and their cluster.local never stands for
// other clusters' endpoints. What a person exports by hand they do not touch. The zero Locals keep none.
type Locals struct {
	domain   string
	patterns []local // the most specific first
}

// local is a host pattern, or one of the defaults.
type local struct {
	service   string // "*" for all of the namespaces
	namespace string // a glob
	stays     bool
	given     bool // by a person
}

// ParseLocals reads host patterns, each with =true or nothing after it for what stays in this cluster, or with =false for
// what does not. Where several are of one Service, the most specific one counts: a host before a namespace, that before a
// glob of namespaces, of which the one with more letters goes first, and that before all. Of two that are as specific, one
// that keeps it goes first; but what is given goes before what stays by default: namespaces kube-*, default/kubernetes, and
// the namespace of the agents. The order of patterns means nothing.
func ParseLocals(clusterDomain, agents string, patterns []string) (Locals, error) {
	l := Locals{domain: clusterDomain, patterns: []local{
		{service: "*", namespace: "kube-*", stays: true},
		{service: "kubernetes", namespace: "default", stays: true},
	}}
	if agents != "" {
		l.patterns = append(l.patterns, local{service: "*", namespace: agents, stays: true})
	}
	said := map[local]string{}
	for _, text := range patterns {
		p, err := l.parse(text)
		if err != nil {
			return Locals{}, err
		}
		other := p
		if other.stays = !p.stays; said[other] != "" {
			first, second := min(text, said[other]), max(text, said[other])
			return Locals{}, fmt.Errorf("patterns %q and %q contradict one another: want one of them", first, second)
		}
		if said[p] == "" {
			said[p], l.patterns = text, append(l.patterns, p)
		}
	}
	slices.SortFunc(l.patterns, func(a, b local) int { return b.specific(a) })
	return l, nil
}

// parse reads one pattern.
func (l Locals) parse(text string) (local, error) {
	host, value, valued := strings.Cut(text, "=")
	rest, ours := strings.CutSuffix(host, ".svc."+l.domain)
	p := local{service: "*", namespace: "*", stays: !valued || value == "true", given: true}
	if rest != "*" {
		p.service, p.namespace, _ = strings.Cut(rest, ".")
	}
	if !ours || valued && value != "true" && value != "false" || !p.check() {
		return local{}, fmt.Errorf("pattern %q: want SERVICE.NAMESPACE.svc.%[2]s, *.NAMESPACE.svc.%[2]s in whose namespace * stands for any characters, or *.svc.%[2]s for all, and =true, =false or nothing after it", clip(text, maxKeys), l.domain)
	}
	return p, nil
}

// check reports whether the parts are names, and globs where those may be.
func (p local) check() bool {
	isName := func(s string) bool { return len(validation.IsDNS1123Label(s)) == 0 }
	if p.service == "*" {
		return isName(strings.ReplaceAll(p.namespace, "*", "x"))
	}
	return isName(p.service) && isName(p.namespace)
}

// specific compares how specific two patterns are. It is 0 for equal ones alone, if both are of the same Services.
func (p local) specific(other local) int {
	return cmp.Or(
		cmp.Compare(p.kind(), other.kind()),
		cmp.Compare(p.letters(), other.letters()),
		compareBool(p.given, other.given),
		compareBool(p.stays, other.stays),
		strings.Compare(other.namespace, p.namespace),
		strings.Compare(other.service, p.service),
	)
}

// kind is greater for a host than for a namespace, than for a glob, than for all.
func (p local) kind() int {
	switch {
	case p.service != "*":
		return 3
	case !strings.Contains(p.namespace, "*"):
		return 2
	case p.letters() > 0:
		return 1
	}
	return 0
}

// letters counts what a namespace has to have literally.
func (p local) letters() int { return len(p.namespace) - strings.Count(p.namespace, "*") }

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func (p local) covers(name federation.ServiceName) bool {
	if p.service != "*" && p.service != name.Name {
		return false
	}
	ok, _ := path.Match(p.namespace, name.Namespace) // check let no bad glob in
	return ok
}

// Stays reports whether a Service stays in this cluster.
func (l Locals) Stays(name federation.ServiceName) bool {
	p, found := l.of(name)
	return found && p.stays
}

// of returns the pattern that counts for a Service.
func (l Locals) of(name federation.ServiceName) (local, bool) {
	i := slices.IndexFunc(l.patterns, func(p local) bool { return p.covers(name) })
	if i < 0 {
		return local{}, false
	}
	return l.patterns[i], true
}

// why says which pattern keeps a Service in this cluster, "" if it does not stay.
func (l Locals) why(name federation.ServiceName) string {
	p, found := l.of(name)
	switch {
	case !found || !p.stays:
		return ""
	case p.given:
		return fmt.Sprintf("stays in this cluster by --cluster-local %s", l.text(p))
	}
	return fmt.Sprintf("stays in this cluster by default (unless --cluster-local %s=false)", l.text(p))
}

// text writes a pattern's hosts.
func (l Locals) text(p local) string {
	if p.service == "*" && p.namespace == "*" {
		return "*.svc." + l.domain
	}
	return p.service + "." + p.namespace + ".svc." + l.domain
}
