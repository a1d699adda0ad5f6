package state

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/hansa-mcs/hansa/federation"
)

// DrainAnnotation on the ConfigMap lists the clusters that are drained: "west=2026-01-02T03:04:05Z/5m0s", separated by commas.
// That of the own cluster is told to the others; those of others are for this cluster alone.
const DrainAnnotation = "hansa.dev/drain"

// Drains are by cluster.
type Drains map[federation.ClusterID]federation.Drain

// DrainsOf reads a ConfigMap, nil for none. What cannot be read is left out and named in the errors.
func DrainsOf(cm *corev1.ConfigMap) (Drains, []error) {
	if cm == nil {
		return nil, nil
	}
	return ParseDrains(cm.Annotations[DrainAnnotation])
}

// ParseDrains reads what String writes, as DrainsOf does.
func ParseDrains(text string) (list Drains, wrong []error) {
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		name, rest, _ := strings.Cut(item, "=")
		cluster, err := federation.ParseClusterID(name)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		drain, err := federation.ParseDrain(rest)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("cluster %s: %w", cluster, err))
			continue
		}
		if list == nil {
			list = Drains{}
		}
		list[cluster] = drain
	}
	return list, wrong
}

// String writes the drains by cluster ID.
func (d Drains) String() string {
	var items []string
	for _, cluster := range slices.Sorted(maps.Keys(d)) {
		items = append(items, fmt.Sprintf("%s=%s", cluster, d[cluster]))
	}
	return strings.Join(items, ",")
}
