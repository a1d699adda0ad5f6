package state

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hansa-mcs/hansa/federation"
)

// MaxClusters is how many clusters are remembered: well beyond any clusterset, and with the bounds of one
// cluster what fits into a ConfigMap whatever they are called.
const MaxClusters = 1024

const (
	selfKey       = "self"
	termKey       = "term"
	leftKey       = "left"
	frozenKey     = "frozen"
	withdrawnKey  = "withdrawn"
	clusterPrefix = "cluster." // no cluster ID has a dot
)

// State is what outlives a restart.
type State struct {
	Self federation.ClusterID // whose state it is, "" if that is not known

	Term     uint64    // of the last leader of this cluster, 0 for none
	Clusters []Cluster // sorted by ID, at most MaxClusters

	rest map[string]string // keys of which nothing is known, or nothing can be read
}

// Decode reads the data of a ConfigMap, which anybody may have edited. What cannot be read is left out and
// named in the error, a line for each, and the rest stays: of a cluster whose document is broken at least the
// ID. Of too many clusters those that were heard last are read. So the State is to be used whatever the error is.
func Decode(data map[string]string) (State, error) {
	var s State
	var wrong problems
	var err error
	s.Self, err = decodeSelf(data)
	wrong.add(err)
	s.Term, err = decodeTerm(data)
	wrong.add(err)
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if key == selfKey || key == termKey {
			continue
		}
		id, err := clusterOf(key)
		wrong.add(err)
		if err != nil || id == "" {
			s.leave(key, data[key])
			continue
		}
		c, faults := decodeCluster(id, data[key])
		s.Clusters = append(s.Clusters, c)
		wrong.add(faults...)
	}
	slices.SortFunc(s.Clusters, byHeard)
	for len(s.Clusters) > MaxClusters {
		last := s.Clusters[len(s.Clusters)-1]
		s.Clusters = s.Clusters[:len(s.Clusters)-1]
		s.leave(clusterKey(last.ID), data[clusterKey(last.ID)])
		wrong.add(tooMany(last.ID))
	}
	slices.SortFunc(s.Clusters, byID)
	return s, wrong.join()
}

// leave keeps a key as it is.
func (s *State) leave(key, value string) {
	if s.rest == nil {
		s.rest = map[string]string{}
	}
	s.rest[key] = value
}

// Encode returns the data that Decode reads as s. Clusters without a valid ID are left out, and so is of a
// cluster what Decode would not read.
func Encode(s State) map[string]string {
	data := maps.Clone(s.rest)
	if data == nil {
		data = map[string]string{}
	}
	if s.Self != "" {
		data[selfKey] = string(s.Self)
	}
	if s.Term != 0 {
		data[termKey] = strconv.FormatUint(s.Term, 10)
	}
	for _, c := range s.Clusters {
		if _, err := federation.ParseClusterID(string(c.ID)); err == nil {
			data[clusterKey(c.ID)] = encodeCluster(c)
		}
	}
	return data
}

func decodeSelf(data map[string]string) (federation.ClusterID, error) {
	text, ok := data[selfKey]
	if !ok {
		return "", nil
	}
	id, err := federation.ParseClusterID(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", selfKey, err)
	}
	return id, nil
}

func decodeTerm(data map[string]string) (uint64, error) {
	text, ok := data[termKey]
	if !ok {
		return 0, nil
	}
	term, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s %q: want a whole number below 2^64", termKey, clip(text))
	}
	return term, nil
}

func clusterKey(id federation.ClusterID) string { return clusterPrefix + string(id) }

// clusterOf returns the cluster that a key is about, "" if it is about something else.
func clusterOf(key string) (federation.ClusterID, error) {
	name, ok := strings.CutPrefix(key, clusterPrefix)
	if !ok {
		return "", nil
	}
	id, err := federation.ParseClusterID(name)
	if err != nil {
		return "", fmt.Errorf("key %q: %w", clip(key), err)
	}
	return id, nil
}

func byID(a, b Cluster) int { return cmp.Compare(a.ID, b.ID) }

// byHeard puts those first that were heard last.
func byHeard(a, b Cluster) int { return cmp.Or(b.Heard.Compare(a.Heard), byID(a, b)) }

// maxProblems is how many mistakes are told by name: a person repairs one after the other.
const maxProblems = 10

// problems collects mistakes, of which a hostile ConfigMap has any number.
type problems struct {
	list []error
	more int
}

func (p *problems) add(errs ...error) {
	for _, err := range errs {
		switch {
		case err == nil:
		case len(p.list) == maxProblems:
			p.more++
		default:
			p.list = append(p.list, err)
		}
	}
}

func (p *problems) join() error {
	if p.more > 0 {
		return errors.Join(append(p.list, andMore(p.more))...)
	}
	return errors.Join(p.list...)
}

// andMore stands for so many mistakes that are not told by name.
type andMore int

// Error implements error.
func (n andMore) Error() string { return fmt.Sprintf("and %d more", int(n)) }

// count returns how many mistakes were joined, and the first.
func count(err error) (n int, first error) {
	list := lines(err)
	for _, fault := range list {
		if more, ok := errors.AsType[andMore](fault); ok {
			n += int(more) - 1
		}
		n++
	}
	if n > 0 {
		first = list[0]
	}
	return n, first
}

// clip keeps what somebody wrote from filling a message.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
