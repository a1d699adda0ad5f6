package main

import (
	"regexp"
	"slices"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/cmd/hansa/install"
)

// again returns the flags by which a further command looks where this one did, with a space before each; "" for none.
func (l *looking) again() string {
	namespace := l.namespace
	if namespace == install.DefaultNamespace {
		namespace = ""
	}
	flags := [][2]string{{"kubeconfig", l.kubeconfig}, {"context", l.context}, {"agent-namespace", namespace}, {"agent", l.agent}}
	for _, f := range l.flags() {
		flags = append(flags, [2]string{f.name, *f.path})
	}
	return typed(flags)
}

// typed returns flags as one types them, without those that are not set.
func typed(flags [][2]string) (text string) {
	for _, f := range flags {
		if f[1] != "" {
			text += " --" + f[0] + " " + quoted(f[1])
		}
	}
	return text
}

// The commands that an agent advises: it does not know how it was reached.
var (
	advisedExplain = regexp.MustCompile(`hansa explain [a-z0-9.-]+/[a-z0-9.-]+`)
	advisedKubectl = regexp.MustCompile(`kubectl -n`)
)

// advise puts into what an agent says the flags that its commands need to lead to the same cluster.
func (l *looking) advise(text string) string {
	text = advisedExplain.ReplaceAllStringFunc(text, func(command string) string { return command + l.again() })
	return advisedKubectl.ReplaceAllLiteralString(text, "kubectl"+typed([][2]string{{"kubeconfig", l.kubeconfig}, {"context", l.context}})+" -n")
}

// advised returns an answer with advice for people.
func (l *looking) advised(r *report.XDSResources) *report.XDSResources {
	all := *r
	all.Lacks, all.Resources = slices.Clone(r.Lacks), slices.Clone(r.Resources)
	for i := range all.Lacks {
		all.Lacks[i] = l.advise(all.Lacks[i])
	}
	for i := range all.Resources {
		all.Resources[i].Hint = l.advise(all.Resources[i].Hint)
	}
	return &all
}
