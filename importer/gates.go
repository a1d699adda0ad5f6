package importer

// Gates are the switches of this cluster's control plane that bear on what is concluded and served (design section 9).
// Doors find them in the View that they serve, so that what is served and how is of one revision.
type Gates struct {
	// Discovery is MCSServiceDiscovery: without it nothing is concluded, whatever clusters export, and no Service is in
	// the View.
	Discovery bool
	// Hosts is MCSHost: without it xDS and DNS serve no name of the clusterset.
	Hosts bool
	// ClusterLocal is MCSClusterLocal: with it the names of cluster.local hold this cluster's endpoints alone.
	ClusterLocal bool
}

// DefaultGates are those of a cluster that is told nothing.
func DefaultGates() Gates { return Gates{Discovery: true, Hosts: true, ClusterLocal: true} }

// SetGates reports how the switches stand; until it is called they stand as DefaultGates. It does not block.
func (i *Importer) SetGates(g Gates) {
	i.facts.set(func() {
		if i.facts.gates.Discovery != g.Discovery {
			i.facts.dirtyAll = true
		}
		i.facts.gates = g
	})
}
