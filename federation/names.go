package federation

import (
	"cmp"
	"slices"
)

// nameIndex finds the exports of a service, by namespace, then name. The slices are sorted by cluster
// ID and never written to, so readers may keep them.
type nameIndex map[string]map[string][]*Export

func (x nameIndex) get(name ServiceName) []*Export { return x[name.Namespace][name.Name] }

func (x nameIndex) put(e *Export) {
	list := slices.Clone(x.get(e.Name))
	i, found := slices.BinarySearchFunc(list, e.Cluster, compareCluster)
	if found {
		list[i] = e
	} else {
		list = slices.Insert(list, i, e)
	}
	if x[e.Name.Namespace] == nil {
		x[e.Name.Namespace] = map[string][]*Export{}
	}
	x[e.Name.Namespace][e.Name.Name] = list
}

func (x nameIndex) drop(name ServiceName, cluster ClusterID) {
	list := slices.Clone(x.get(name))
	if i, found := slices.BinarySearchFunc(list, cluster, compareCluster); found {
		list = slices.Delete(list, i, i+1)
	}
	if len(list) > 0 {
		x[name.Namespace][name.Name] = list
		return
	}
	if delete(x[name.Namespace], name.Name); len(x[name.Namespace]) == 0 {
		delete(x, name.Namespace)
	}
}

func (x nameIndex) in(namespace string) []ServiceName {
	names := make([]ServiceName, 0, len(x[namespace]))
	for name := range x[namespace] {
		names = append(names, ServiceName{Namespace: namespace, Name: name})
	}
	return names
}

func (x nameIndex) all() []ServiceName {
	var names []ServiceName
	for namespace := range x {
		names = append(names, x.in(namespace)...)
	}
	return names
}

func compareCluster(e *Export, id ClusterID) int { return cmp.Compare(e.Cluster, id) }
