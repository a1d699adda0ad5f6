package federation

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Steering is what an owner wishes of how the traffic of a service finds its way among the clusters that serve it. Its
// zero value says nothing. It is normalized: Prefer as it was given, Weights by cluster.
type Steering struct {
	// Prefer is who serves first: the Near words and IDs of clusters; nil for DefaultPrefer. Who is not named comes where
	// NearAny is, and at last if that is not named either.
	Prefer []string
	// Weights are what the endpoints of a cluster count for beside DefaultWeight, which those of all others do.
	Weights []Weight
	// MinHealthy is how many percent of the endpoints that are preferred have to be ready, or those that come next serve
	// beside them; 0 where not given.
	MinHealthy uint8
}

// Weight is what each endpoint of a cluster counts for: 0 for none, while others count for something.
type Weight struct {
	Cluster ClusterID
	Weight  uint16
}

// DefaultWeight is the Weight of a cluster that is not named.
const DefaultWeight = 100

// What a preference may name beside clusters. A word is never a cluster, so a cluster that has one as its ID cannot be
// preferred by name.
const (
	NearZone    = "same-zone"    // of the client, in its own cluster
	NearCluster = "same-cluster" // as the client
	NearRegion  = "same-region"  // as the client
	NearAny     = "any"
)

// DefaultPrefer is the preference where an owner gives none.
func DefaultPrefer() []string { return []string{NearZone, NearCluster, NearRegion, NearAny} }

// The bounds of a Steering.
const (
	MaxPrefer  = 64
	MaxWeights = 256
	MaxWeight  = 1000
)

// Given reports whether anything is said.
func (s *Steering) Given() bool { return len(s.Prefer) > 0 || len(s.Weights) > 0 || s.MinHealthy > 0 }

// Equal reports whether both say the same.
func (s *Steering) Equal(o *Steering) bool {
	return s.MinHealthy == o.MinHealthy && slices.Equal(s.Prefer, o.Prefer) && slices.Equal(s.Weights, o.Weights)
}

// Of returns what each endpoint of a cluster counts for.
func (s *Steering) Of(cluster ClusterID) uint16 {
	i, found := slices.BinarySearchFunc(s.Weights, Weight{Cluster: cluster}, compareWeights)
	if !found {
		return DefaultWeight
	}
	return s.Weights[i].Weight
}

// check is for what came from outside.
func (s *Steering) check() error {
	return errors.Join(checkPrefer(s.Prefer), checkWeights(s.Weights), checkShare(int(s.MinHealthy)))
}

func checkPrefer(list []string) error {
	if len(list) > MaxPrefer {
		return fmt.Errorf("%d preferences: want at most %d", len(list), MaxPrefer)
	}
	for i, p := range list {
		if _, err := ParseClusterID(p); err != nil {
			return fmt.Errorf("preference %q: want %s, or cluster IDs", clip(p), strings.Join(DefaultPrefer(), ", "))
		}
		if slices.Contains(list[:i], p) {
			return fmt.Errorf("preference %q: given twice", p)
		}
	}
	return nil
}

func checkWeights(list []Weight) error {
	if len(list) > MaxWeights {
		return fmt.Errorf("%d weights: want at most %d", len(list), MaxWeights)
	}
	for i, w := range list {
		if _, err := ParseClusterID(string(w.Cluster)); err != nil {
			return fmt.Errorf("weight: %w", err)
		}
		if w.Weight > MaxWeight {
			return fmt.Errorf("weight %d of cluster %q: want 0 to %d", w.Weight, w.Cluster, MaxWeight)
		}
		if i > 0 && list[i-1].Cluster >= w.Cluster {
			return fmt.Errorf("weight of cluster %q: given twice, or out of order", w.Cluster)
		}
	}
	return nil
}

func checkShare(percent int) error {
	if percent < 0 || percent > 100 {
		return fmt.Errorf("healthy share %d: want 1 to 100 percent", percent)
	}
	return nil
}

// ParsePrefer reads a preference as people write it: "same-cluster,west,any".
func ParsePrefer(text string) ([]string, error) {
	list := fields(text)
	if err := checkPrefer(list); err != nil {
		return nil, err
	}
	return list, nil
}

// ParseWeights reads weights as people write them: "east=100,west=0".
func ParseWeights(text string) ([]Weight, error) {
	var list []Weight
	for _, field := range fields(text) {
		cluster, number, _ := strings.Cut(field, "=")
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 16)
		if err != nil || n > MaxWeight {
			return nil, fmt.Errorf("%q: want <cluster ID>=<weight of 0 to %d>, separated by commas", clip(field), MaxWeight)
		}
		list = append(list, Weight{ClusterID(strings.TrimSpace(cluster)), uint16(n)})
	}
	slices.SortFunc(list, compareWeights)
	if err := checkWeights(list); err != nil {
		return nil, err
	}
	return list, nil
}

// ParseShare reads a share as people write it: "70%".
func ParseShare(text string) (uint8, error) {
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(text), "%"))
	if err != nil || n < 1 || n > 100 {
		return 0, errors.New("want a share from 1% to 100%")
	}
	return uint8(n), nil
}

// ShowWeights writes weights as ParseWeights reads them.
func ShowWeights(list []Weight) string {
	var texts []string
	for _, w := range list {
		texts = append(texts, fmt.Sprintf("%s=%d", w.Cluster, w.Weight))
	}
	return strings.Join(texts, ",")
}

func compareWeights(a, b Weight) int { return cmp.Compare(a.Cluster, b.Cluster) }

func fields(text string) []string {
	list := strings.Split(text, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}
