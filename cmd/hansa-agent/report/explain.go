package report

import (
	"fmt"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// Explanation answers /v1/explain: all that is known of one service, and why it is so.
type Explanation struct {
	At      time.Time            `json:"at"`
	Cluster federation.ClusterID `json:"cluster"`
	Verdict Verdict              `json:"verdict"` // failed for a service that cannot be used here
	Summary string               `json:"summary"` // in a sentence
	Service Service              `json:"service"`
	// Settings are what the oldest export decides, Patience is for how long clusters may be silent; both null for a
	// service that is not imported.
	Settings  *Settings  `json:"settings"`
	Patience  *Patience  `json:"patience"`
	Exports   []Export   `json:"exports"` // by cluster ID
	Conflicts []Conflict `json:"conflicts"`
	Endpoints []Endpoint `json:"endpoints"` // at most MaxEndpoints
	More      int        `json:"more"`      // how many other endpoints there are
	// Acknowledgements are of what this cluster exports; none of an agent that does not lead, which cannot know.
	Acknowledgements []Acknowledgement `json:"acknowledgements"`
	// Unheard are clusters that were not heard whole since this agent started, and may export it too.
	Unheard []federation.ClusterID `json:"unheard"`
}

// Settings are what is said of a service beside its type and ports.
type Settings struct {
	IPFamilies             []federation.IPFamily `json:"ipFamilies"`
	SessionAffinity        string                `json:"sessionAffinity"`
	SessionAffinitySeconds int32                 `json:"sessionAffinitySeconds"` // 0 where not given
	InternalTrafficPolicy  string                `json:"internalTrafficPolicy"`  // "" where not given
	TrafficDistribution    string                `json:"trafficDistribution"`    // "" where not given
	Prefer                 []string              `json:"prefer"`                 // as hansa.dev/prefer has it; none where not given
	Weights                map[string]uint16     `json:"weights"`                // by cluster
	MinHealthy             uint8                 `json:"minHealthy"`             // percent; 0 where not given
	Labels                 map[string]string     `json:"labels"`
	Annotations            map[string]string     `json:"annotations"`
}

// Patience is how long a cluster may be silent.
type Patience struct {
	DemoteAfter   float64 `json:"demoteAfterSeconds"`
	WithdrawAfter float64 `json:"withdrawAfterSeconds"` // 0 for never
}

// Export is what one cluster says of the service.
type Export struct {
	Cluster   federation.ClusterID   `json:"cluster"`
	Admitted  bool                   `json:"admitted"` // policy lets it be imported
	Oldest    bool                   `json:"oldest"`   // it decides where the clusters disagree
	Created   time.Time              `json:"created,omitzero"`
	Type      federation.ServiceType `json:"type"` // "" while no word of the cluster could be read
	Ports     []Port                 `json:"ports"`
	Settings  *Settings              `json:"settings"`
	Consumers []string               `json:"consumers"` // who may see it; none for all
	Endpoints Counts                 `json:"endpoints"`

	State State  `json:"state"`
	Fate  string `json:"fate"` // served, demoted or withdrawn; "" for what is not imported
	Why   string `json:"why"`  // in words, where there is anything to say

	Version   string    `json:"version"`            // of the cluster, of which the word is; "" for what is only remembered
	LearnedAt time.Time `json:"learnedAt,omitzero"` // when it came to this agent
	Age       *float64  `json:"ageSeconds"`         // since the cluster was heard; null for not since the start
}

// Conflict is one property on which the clusters disagree.
type Conflict struct {
	Reason   string    `json:"reason"`
	Message  string    `json:"message"` // as in the condition Conflict
	Field    string    `json:"field"`
	Opinions []Opinion `json:"opinions"` // the oldest export's first
}

// Opinion is what one cluster says on a property.
type Opinion struct {
	Cluster federation.ClusterID `json:"cluster"`
	Value   string               `json:"value"`
	Differs bool                 `json:"differs"` // from what the oldest export says
}

// Explain returns the answer to /v1/explain. There is one for every name, also for one that nobody exports.
func (s *Scene) Explain(name federation.ServiceName) *Explanation {
	d := s.inquire().look(name)
	list := d.endpoints()
	answer := &Explanation{
		At: utc(s.Now), Cluster: s.self(), Service: d.row(list), Exports: []Export{}, Conflicts: []Conflict{}, Endpoints: []Endpoint{},
		Acknowledgements: d.acknowledgements(), Unheard: append([]federation.ClusterID{}, d.unheard()...),
	}
	answer.Endpoints = append(answer.Endpoints, list[:min(len(list), MaxEndpoints)]...)
	answer.More = len(list) - len(answer.Endpoints)
	for i := range d.words {
		answer.Exports = append(answer.Exports, d.export(&d.words[i], list))
	}
	if d.service != nil {
		answer.Settings = settings(d.service)
		answer.Patience = &Patience{seconds(d.service.Patience.Demote), seconds(d.service.Patience.Withdraw)}
		for _, c := range d.service.Conflicts {
			answer.Conflicts = append(answer.Conflicts, ConflictOf(c, d.service.Exports))
		}
	}
	answer.Verdict, answer.Summary = d.summary(answer)
	return answer
}

func settings(s *importer.Service) *Settings {
	return &Settings{
		IPFamilies:      append([]federation.IPFamily{}, s.IPFamilies...),
		SessionAffinity: s.SessionAffinity, SessionAffinitySeconds: s.SessionAffinitySeconds,
		InternalTrafficPolicy: s.InternalTrafficPolicy, TrafficDistribution: s.TrafficDistribution,
		Prefer: append([]string{}, s.Steering.Prefer...), Weights: weights(s.Steering.Weights), MinHealthy: s.Steering.MinHealthy,
		Labels: pairs(s.Labels), Annotations: pairs(s.Annotations),
	}
}

func weights(list []federation.Weight) map[string]uint16 {
	m := map[string]uint16{}
	for _, w := range list {
		m[string(w.Cluster)] = w.Weight
	}
	return m
}

// pairs returns them as answers have them, where none are not null.
func pairs(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// export tells of what one cluster says, and what becomes of it.
func (d *dossier) export(w *word, list []Endpoint) Export {
	x := Export{
		Cluster: w.cluster, Admitted: w.bar == "", State: w.hearing.state(), Why: w.text(d), Ports: []Port{}, Consumers: []string{},
		Version: w.version(d), LearnedAt: utc(w.said.Learned), Age: ago(w.hearing.heard, d.Now),
	}
	if e := w.export(); e != nil {
		x.Created, x.Type = e.Created, e.Type
		x.Settings = settings(importer.Merge([]*federation.Export{e}))
		x.Consumers = append(x.Consumers, e.Consumers...)
		for _, p := range e.Ports {
			x.Ports = append(x.Ports, Port{p.Name, p.Protocol, p.Number, p.AppProtocol})
		}
	}
	if w.served != nil {
		x.Fate = w.fate.String()
		x.Oldest = w.served == slices.MinFunc(d.service.Exports, (*federation.Export).CompareAge)
	}
	x.Endpoints = count(list, w.cluster)
	return x
}

// ConflictOf puts beside the words of the condition what each cluster says.
func ConflictOf(c importer.Conflict, exports []*federation.Export) Conflict {
	out := Conflict{Reason: c.Reason, Message: c.Message(), Field: c.Field, Opinions: []Opinion{}}
	for _, o := range c.Opinions(exports) {
		out.Opinions = append(out.Opinions, Opinion(o))
	}
	return out
}

// summary says in a sentence how the service is.
func (d *dossier) summary(x *Explanation) (Verdict, string) {
	if d.service == nil {
		return Failed, "not imported: " + d.why
	}
	has := x.Service.Endpoints
	text := fmt.Sprintf("exported by %s, %d of %s served", amount(len(x.Service.Clusters), "cluster"), has.Served, amount(has.Total, "endpoint"))
	if len(x.Conflicts) > 0 {
		text += ", " + amount(len(x.Conflicts), "conflict")
	}
	if g := d.closed(gateHost); g != nil {
		text += fmt.Sprintf("; gate %s is off, by %s: by objects alone, and neither by DNS nor by xDS", g.Name, g.by())
	}
	verdict := Good
	switch {
	case has.Served == 0 && has.Total > 0, d.service.Type == federation.ClusterSetIP && len(d.service.IPs) == 0:
		verdict = Failed
	case len(x.Conflicts) > 0, x.Service.Why != "", slices.ContainsFunc(x.Exports, func(e Export) bool { return e.Why != "" }):
		verdict = Degraded
	}
	return verdict, join(text, x.Service.Why)
}
