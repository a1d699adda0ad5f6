package importer

import "github.com/hansa-mcs/hansa/federation"

// KeptOut returns how many services are not, or not wholly, imported because Config.Admit keeps out what other clusters
// export of them; of those alone whose namespace is here, as the others could not be imported anyway. It is for people
// that ask now and then: it looks at all exports.
func (i *Importer) KeptOut() int {
	if len(i.config.Admit.Allow)+len(i.config.Admit.Deny) == 0 {
		return 0
	}
	out := map[federation.ServiceName]bool{}
	for _, o := range i.store.Owners() {
		if o.Cluster == i.store.Self() {
			continue
		}
		for _, name := range i.store.NamesOf(o.Cluster) {
			if !i.config.Admit.Admits(o.Cluster, name.Namespace) && i.facts.here(name.Namespace) {
				out[name] = true
			}
		}
	}
	return len(out)
}

// here reports whether this cluster has a namespace.
func (f *facts) here(namespace string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.namespaces[namespace]
}
