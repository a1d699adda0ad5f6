package sim

import (
	"fmt"
	"io"
	"maps"
	"slices"
)

// Stats counts what happened, by what it is called.
type Stats map[string]uint64

// Add adds what happened elsewhere.
func (s Stats) Add(o Stats) {
	for what, n := range o {
		s[what] += n
	}
}

// Write prints the counts by name.
func (s Stats) Write(out io.Writer) {
	for _, what := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(out, "  %12d  %s\n", s[what], what)
	}
}

// Missing returns what must have happened in a long run and did not: invariants that hold of a clusterset to which
// nothing happens say nothing.
func (s Stats) Missing() (list []string) {
	for _, f := range faults {
		if s["fault: "+f.name] == 0 {
			list = append(list, "fault: "+f.name)
		}
	}
	for _, what := range []string{
		"addresses given back", "announcements", "bytes of frames that were encoded", "clusters gone for long", "clusters that left", "contested terms", "fates that became demoted", "fates that became demoted, as the cluster changed too often",
		"fates that became served", "fates that became withdrawn", "frames overtaken", "frames repeated",
		"half-open streams", "messages of hashes", "namesakes refused", "parcels held by partitions", "parcels lost on half-open streams", "records patched",
		"records withdrawn", "restored exports", "streams ended by a session", "streams given up as silent", "streams replaced by a better one",
		"takeovers",
	} {
		if s[what] == 0 {
			list = append(list, what)
		}
	}
	return list
}
