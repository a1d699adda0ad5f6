package state

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// nextTerm returns the term of a leader that starts at now: beyond the remembered one, at least atLeast, and by
// the clock. A remembered term that cannot be, which the error tells, counts for nothing: every peer refuses
// what is more than a day ahead of its clock, so going on from it would silence this cluster until somebody
// repairs it, for one bad write. What is taken instead peers accept if this machine's clock is right; if it is
// the clock that is wrong, they refuse the term as older, and tell theirs when it is right again.
func nextTerm(data map[string]string, atLeast uint64, now time.Time) (uint64, error) {
	last, err := decodeTerm(data)
	if err == nil && last > federation.MaxTerm(now) {
		err = fmt.Errorf("%s %d: more than a day ahead of this machine's clock, %s", termKey, last, now.UTC().Format(time.RFC3339))
	}
	if err != nil {
		last = 0
	}
	return max(atLeast, federation.NextTerm(last, now)), err
}

// plan returns the keys to write so that data remembers what was noted, and the term if it is greater. None
// need be written at once if they differ in when clusters were heard alone. A key is written too if something
// in it cannot be read. An empty value removes a key. The error tells which clusters are too many to be remembered.
func plan(data map[string]string, term uint64, noted []Cluster) (changes map[string]string, urgent bool, err error) {
	changes = map[string]string{}
	if last, _ := decodeTerm(data); last < term {
		changes[termKey], urgent = strconv.FormatUint(term, 10), true
	}
	count := known(data)
	var surplus problems
	for _, n := range noted {
		text, there := data[clusterKey(n.ID)]
		if n.Left {
			if there {
				changes[clusterKey(n.ID)], urgent = "", true
				count--
			}
			continue
		}
		if !there && count == MaxClusters {
			surplus.add(tooMany(n.ID))
			continue
		}
		before, faults := Cluster{ID: n.ID}, []error(nil)
		if !there {
			count++
		} else {
			before, faults = decodeCluster(n.ID, text)
		}
		after := merge(before, n)
		moved := !there || len(faults) > 0 || before.UID != after.UID || !slices.Equal(before.Addresses, after.Addresses)
		if moved || !before.Heard.Equal(after.Heard) {
			changes[clusterKey(n.ID)] = encodeCluster(after)
			urgent = urgent || moved
		}
	}
	return changes, urgent, surplus.join()
}

func tooMany(id federation.ClusterID) error {
	return fmt.Errorf("cluster %q: %d clusters are remembered already: remove the keys of those that are gone for good", id, MaxClusters)
}

// known counts the clusters that data remembers.
func known(data map[string]string) int {
	count := 0
	for key := range data {
		if id, err := clusterOf(key); err == nil && id != "" {
			count++
		}
	}
	return count
}
