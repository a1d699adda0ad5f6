package state

import (
	"fmt"
	"maps"
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
	var surplus problems
	kept := 0
	for _, n := range noted {
		text, there := data[clusterKey(n.ID)]
		if n.Left {
			if there {
				changes[clusterKey(n.ID)], urgent = "", true
			}
			continue
		}
		if !n.lost {
			if kept++; kept > MaxClusters {
				surplus.add(tooMany(n.ID))
				continue
			}
		}
		before, faults := Cluster{ID: n.ID}, []error(nil)
		if there {
			before, faults = decodeCluster(n.ID, text)
		}
		after := merge(before, n)
		moved := !there || len(faults) > 0 || before.UID != after.UID || !slices.Equal(before.Addresses, after.Addresses)
		if moved || !before.Heard.Equal(after.Heard) {
			changes[clusterKey(n.ID)] = encodeCluster(after)
			urgent = urgent || moved
		}
	}
	surplus.add(lines(makeRoom(data, changes, noted))...)
	return changes, urgent, surplus.join()
}

// makeRoom takes out of what changes make of data as many clusters as it takes for the others to fit: none that is
// noted, and first those that were heard longest ago. So whoever writes clusters into the ConfigMap that never were pushes
// out none that is heard. Where that is not enough, nothing is taken out. The error tells which are forgotten.
func makeRoom(data, changes map[string]string, noted []Cluster) error {
	if len(changes) == 0 {
		return nil
	}
	after := changed(data, changes)
	clusters := known(after)
	size, count := sizeOf(after), len(clusters)
	for _, n := range noted {
		if !n.lost {
			delete(clusters, n.ID)
		}
	}
	var goes []string
	var forgotten problems
	for _, c := range slices.Backward(slices.SortedFunc(maps.Values(clusters), byHeard)) {
		if size <= maxBytes && count <= MaxClusters {
			break
		}
		key := clusterKey(c.ID)
		size -= len(key) + len(after[key])
		count--
		goes = append(goes, key)
		forgotten.add(tooMany(c.ID))
	}
	if size > maxBytes {
		return nil // something else is too large, which is told where it is written
	}
	for _, key := range goes {
		if changes[key] = ""; !has(data, key) {
			delete(changes, key)
		}
	}
	return forgotten.join()
}

// changed returns what data says once it is changed.
func changed(data, changes map[string]string) map[string]string {
	after := maps.Clone(changes)
	maps.DeleteFunc(after, func(_, value string) bool { return value == "" })
	for key, value := range data {
		if !has(changes, key) {
			after[key] = value
		}
	}
	return after
}

func has(data map[string]string, key string) bool { _, there := data[key]; return there }

func sizeOf(data map[string]string) (size int) {
	for key, value := range data {
		size += len(key) + len(value)
	}
	return size
}

// known returns the clusters that data remembers.
func known(data map[string]string) map[federation.ClusterID]Cluster {
	clusters := map[federation.ClusterID]Cluster{}
	for key, text := range data {
		if id, err := clusterOf(key); err == nil && id != "" {
			clusters[id], _ = decodeCluster(id, text)
		}
	}
	return clusters
}

func tooMany(id federation.ClusterID) error {
	return fmt.Errorf("cluster %q: one too many: want at most %d clusters, and %d bytes; those stay that were heard last", id, MaxClusters, maxBytes)
}
