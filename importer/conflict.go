package importer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hansa-mcs/hansa/federation"
)

// Conflict is one property on which the exports of a service disagree (KEP-1645, "Constraints and Conflict
// Resolution"). It concerns all of them, whoever wins.
type Conflict struct {
	Reason string // of the condition Conflict, in the words of the MCS API

	Field     string // in a user's words
	Value     string // the one in use, clipped to maxShown
	United    bool   // the others' values are in use too, as far as they fit
	Cluster   federation.ClusterID
	Disagree  int // clusters whose value is another
	Exporting int // clusters in all
}

// Message says what is in conflict, which value is used and why, and how many disagree, in at most 1,000
// bytes whatever the exports say, so that it fits into an Event (checklist 30).
func (c Conflict) Message() string {
	value := "none"
	if c.Value != "" {
		value = strconv.Quote(c.Value)
	}
	use := fmt.Sprintf("Using %s from the oldest service export in cluster %q.", value, c.Cluster)
	if c.United {
		use = fmt.Sprintf("Using the union, in which %s from the oldest service export in cluster %q goes first.", value, c.Cluster)
	}
	return fmt.Sprintf("Conflicting %s. %s %d/%d clusters disagree.", c.Field, use, c.Disagree, c.Exporting)
}

// Opinion is what one cluster says on the property of a Conflict.
type Opinion struct {
	Cluster federation.ClusterID
	Value   string // clipped to maxShown
	Differs bool   // from what the oldest export says
}

// Opinions returns what each of the exports that c is of says, the oldest first.
func (c Conflict) Opinions(exports []*federation.Export) (list []Opinion) {
	byAge := slices.SortedFunc(slices.Values(exports), (*federation.Export).CompareAge)
	for _, p := range properties {
		if p.reason != c.Reason {
			continue
		}
		for _, e := range byAge {
			list = append(list, Opinion{e.Cluster, clip(p.show(e)), p.differs(byAge[0], e)})
		}
	}
	return list
}

// maxShown bounds what of a value a message shows, in bytes; quoting makes at most four of one.
const maxShown = 160

// property is a row of the table of what may be in conflict.
type property struct {
	reason, field string
	united        bool
	// show returns the value for people.
	show func(*federation.Export) string
	// differs reports whether e says another thing than the oldest export. It is asked for every change of
	// an endpoint, so it is cheap.
	differs func(oldest, e *federation.Export) bool
}

// properties are in the order in which the MCS API lists their reasons; those of Steering, which it does not know, come
// last: who says nothing there has nothing against what another says.
var properties = []property{
	{"PortConflict", "ports", true, showPorts, differentPorts},
	{"TypeConflict", "type", false,
		func(e *federation.Export) string { return string(e.Type) },
		func(oldest, e *federation.Export) bool { return e.Type != oldest.Type }},
	{"SessionAffinityConflict", "session affinity", false,
		func(e *federation.Export) string { return e.SessionAffinity },
		func(oldest, e *federation.Export) bool { return e.SessionAffinity != oldest.SessionAffinity }},
	{"SessionAffinityConfigConflict", "session affinity timeout", false,
		func(e *federation.Export) string { return fmt.Sprintf("%d s", affinitySeconds(e)) },
		func(oldest, e *federation.Export) bool { // where only one has an affinity, that is the conflict
			return e.SessionAffinity == oldest.SessionAffinity && affinitySeconds(e) != affinitySeconds(oldest)
		}},
	{"LabelsConflict", "exported labels", false,
		func(e *federation.Export) string { return showPairs(e.Labels) },
		func(oldest, e *federation.Export) bool { return !maps.Equal(e.Labels, oldest.Labels) }},
	{"AnnotationsConflict", "exported annotations", false,
		func(e *federation.Export) string { return showPairs(e.Annotations) },
		func(oldest, e *federation.Export) bool { return !maps.Equal(e.Annotations, oldest.Annotations) }},
	{"InternalTrafficPolicyConflict", "internal traffic policy", false, internalPolicy,
		func(oldest, e *federation.Export) bool { return internalPolicy(e) != internalPolicy(oldest) }},
	{"TrafficDistributionConflict", "traffic distribution", false,
		func(e *federation.Export) string { return e.TrafficDistribution },
		func(oldest, e *federation.Export) bool { return e.TrafficDistribution != oldest.TrafficDistribution }},
	{"IPFamilyConflict", "IP families", false, showFamilies, fewerFamilies},
	{"PreferenceConflict", "preference of clusters", false,
		func(e *federation.Export) string { return strings.Join(e.Steering.Prefer, ",") },
		func(oldest, e *federation.Export) bool {
			return len(e.Steering.Prefer) > 0 && !slices.Equal(e.Steering.Prefer, oldest.Steering.Prefer)
		}},
	{"WeightsConflict", "weights of clusters", false,
		func(e *federation.Export) string { return federation.ShowWeights(e.Steering.Weights) },
		func(oldest, e *federation.Export) bool {
			return len(e.Steering.Weights) > 0 && !slices.Equal(e.Steering.Weights, oldest.Steering.Weights)
		}},
	{"MinHealthyConflict", "healthy share", false,
		func(e *federation.Export) string { return showShare(e.Steering.MinHealthy) },
		func(oldest, e *federation.Export) bool {
			return e.Steering.MinHealthy > 0 && e.Steering.MinHealthy != oldest.Steering.MinHealthy
		}},
}

func showShare(percent uint8) string {
	if percent == 0 {
		return ""
	}
	return fmt.Sprintf("%d%%", percent)
}

// conflicts returns what the exports disagree on, in the table's order. byAge has the oldest first.
func conflicts(byAge []*federation.Export) []Conflict {
	oldest, others := byAge[0], byAge[1:]
	var list []Conflict
	for _, p := range properties {
		disagree := 0
		for _, e := range others {
			if p.differs(oldest, e) {
				disagree++
			}
		}
		if disagree > 0 {
			list = append(list, Conflict{
				Reason: p.reason, Field: p.field, Value: clip(p.show(oldest)), United: p.united,
				Cluster: oldest.Cluster, Disagree: disagree, Exporting: len(byAge),
			})
		}
	}
	return list
}

// differentPorts compares the sets of ports: their order means nothing, a difference in appProtocol alone
// does.
func differentPorts(oldest, e *federation.Export) bool {
	return !slices.Equal(oldest.Ports, e.Ports) &&
		!slices.Equal(slices.SortedFunc(slices.Values(oldest.Ports), comparePorts), slices.SortedFunc(slices.Values(e.Ports), comparePorts))
}

func comparePorts(a, b federation.Port) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(string(a.Protocol), string(b.Protocol)),
		cmp.Compare(a.Number, b.Number), strings.Compare(a.AppProtocol, b.AppProtocol))
}

// fewerFamilies reports whether a client could reach only some of the backends, depending on the family
// that it uses. A clusterset IP has the oldest export's families, so another export must have each of
// them; the addresses of a headless service are resolved for every family that an endpoint has.
func fewerFamilies(oldest, e *federation.Export) bool {
	lacks := func(a, b []federation.IPFamily) bool {
		return slices.ContainsFunc(b, func(f federation.IPFamily) bool { return !slices.Contains(a, f) })
	}
	if len(e.IPFamilies) == 0 || len(oldest.IPFamilies) == 0 {
		return false // not said
	}
	return lacks(e.IPFamilies, oldest.IPFamilies) || oldest.Type == federation.Headless && lacks(oldest.IPFamilies, e.IPFamilies)
}

// affinitySeconds and internalPolicy are as Kubernetes defaults them, so that a default which is written
// out contradicts none that is not.
func affinitySeconds(e *federation.Export) int32 {
	if e.SessionAffinity == "ClientIP" {
		return cmp.Or(e.SessionAffinitySeconds, 10800)
	}
	return 0
}

func internalPolicy(e *federation.Export) string { return cmp.Or(e.InternalTrafficPolicy, "Cluster") }

func showPorts(e *federation.Export) string {
	var list []string
	for _, p := range e.Ports {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %d/%s %s", p.Name, p.Number, p.Protocol, p.AppProtocol)))
	}
	return strings.Join(list, ", ")
}

func showPairs(pairs map[string]string) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(pairs)) {
		list = append(list, k+"="+pairs[k])
	}
	return strings.Join(list, ",")
}

func showFamilies(e *federation.Export) string {
	var list []string
	for _, f := range e.IPFamilies {
		list = append(list, string(f))
	}
	return strings.Join(list, ",")
}

// clip cuts s to maxShown bytes, between runes.
func clip(s string) string {
	if len(s) <= maxShown {
		return s
	}
	end := maxShown - len("…")
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
