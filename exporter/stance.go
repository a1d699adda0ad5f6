package exporter

// Stance is how a cluster stands to the others.
type Stance int

// The stances.
const (
	// Speaks exports what ServiceExports say.
	Speaks Stance = iota
	// Withholds is of a member that exports nothing for now, as MCSServiceDiscovery is off.
	Withholds
	// Leaves is of a cluster that is about to be no member any more, or is none.
	Leaves
)

// stillness says, for a ServiceExport, why nothing is exported whatever is asked for; "" if something is.
func (x *exporter) stillness() string {
	switch {
	case x.Store.Left():
		return "this cluster has left the clusterset"
	case x.Store.Silent():
		return "MCSServiceDiscovery is off in this cluster: nothing is announced"
	}
	return ""
}
