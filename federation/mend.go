package federation

import "slices"

// Fault is a part of an Export that Check refused.
type Fault struct {
	Err error
	// Instead is what the Export says now, in words that go on "it is exported": "with the former exportedLabels".
	Instead string
}

// Mend makes of an Export that Check refuses one that it takes, so that a mistake in one part costs none of the others: of
// a part that is refused stands what former says, which is nil if nothing was said before, and else it is left out; of
// ports and endpoints each stands for itself. What cannot do without a part, as a ClusterSetIP cannot without a port, and
// whom it is for, is not mended: then Check still refuses it. It returns what was wrong, and leaves the Export normalized.
// It is to be called before the Export is shared.
func (e *Export) Mend(former *Export) (faults []Fault) {
	for _, p := range parts {
		if err := p.check(e); err != nil {
			faults = append(faults, Fault{Err: err, Instead: p.replace(e, former)})
		}
	}
	e.Normalize()
	return faults
}

// part is one of the things that an Export says beside its name: it is right or wrong on its own.
type part struct {
	name  string
	check func(e *Export) error
	// take makes the part of e that of another; nil for what nothing else can stand for.
	take func(e, other *Export)
	// mend is there instead where the part is a list, whose elements stand each for itself.
	mend func(e, former *Export)
}

// parts are all that Check looks at beside the name: what it is to look at too has a place here, and so a way to be
// mended, or none.
var parts = []part{
	{name: "type", check: (*Export).checkType},
	{name: "session affinity", check: (*Export).checkAffinity, take: func(e, o *Export) {
		e.SessionAffinity, e.SessionAffinitySeconds = o.SessionAffinity, o.SessionAffinitySeconds
	}},
	{name: "creation time", check: (*Export).checkCreated},
	{name: "IP families", check: (*Export).checkFamilies, take: func(e, o *Export) { e.IPFamilies = o.IPFamilies }},
	{name: "internal traffic policy", check: (*Export).checkPolicy, take: func(e, o *Export) { e.InternalTrafficPolicy = o.InternalTrafficPolicy }},
	{
		name: "traffic distribution", check: func(e *Export) error { return checkText("traffic distribution", e.TrafficDistribution) },
		take: func(e, o *Export) { e.TrafficDistribution = o.TrafficDistribution },
	},
	{name: "network", check: func(e *Export) error { return checkText("network", e.Network) }},
	{name: "consumers", check: (*Export).checkConsumers},
	{name: "times", check: func(e *Export) error { return e.Quiet.check() }},
	{
		name: "steering", check: func(e *Export) error { return e.Steering.check() },
		take: func(e, o *Export) { e.Steering = o.Steering },
	},
	{
		name: "drain", check: func(e *Export) error { return e.Drain.check() },
		take: func(e, o *Export) { e.Drain = o.Drain },
	},
	{name: "ports", check: (*Export).checkPorts, mend: (*Export).mendPorts},
	{name: "endpoints", check: (*Export).checkSubsets, mend: func(e, _ *Export) { e.mendSubsets() }},
	{
		name: "exportedLabels", check: func(e *Export) error { return checkPairs("exportedLabels", e.Labels, checkLabelPair) },
		take: func(e, o *Export) { e.Labels = o.Labels },
	},
	{
		name: "exportedAnnotations", check: func(e *Export) error { return checkPairs("exportedAnnotations", e.Annotations, checkAnnotation) },
		take: func(e, o *Export) { e.Annotations = o.Annotations },
	},
}

// plain is an Export that leaves out what can be.
var plain = Export{SessionAffinity: "None"}

// replace mends a part that is wrong, and says what stands instead.
func (p *part) replace(e, former *Export) (instead string) {
	switch {
	case p.mend != nil:
		if former == nil {
			former = &plain
		}
		p.mend(e, former)
		return "with the other " + p.name
	case p.take == nil:
		return "with the same " + p.name
	}
	without := *e
	p.take(&without, &plain)
	if former != nil {
		if p.take(e, former); p.check(e) == nil && !e.sameShape(&without) {
			return "with the former " + p.name
		}
	}
	p.take(e, &plain)
	return "without " + p.name
}

// mendPorts puts in the place of each port that is wrong the former one of that name, and leaves it out if there is none. Of
// too many those stay first that were there before. Endpoints serve no port that is left out.
func (e *Export) mendPorts(former *Export) {
	var list []Port
	for _, p := range e.Ports {
		if p.check() != nil {
			i := indexPort(former.Ports, p.Name)
			if i < 0 {
				continue
			}
			p = former.Ports[i]
		}
		if indexPort(list, p.Name) < 0 {
			list = append(list, p)
		}
	}
	isNew := func(p Port) bool { return indexPort(former.Ports, p.Name) < 0 }
	for i := len(list) - 1; i >= 0 && len(list) > MaxPorts; i-- {
		if isNew(list[i]) {
			list = slices.Delete(list, i, i+1)
		}
	}
	e.Ports = list
	for i := range e.Subsets {
		s := &e.Subsets[i]
		s.Ports = slices.DeleteFunc(s.Ports, func(t TargetPort) bool {
			i := indexPort(list, t.Name)
			return i < 0 || list[i].Protocol != t.Protocol
		})
	}
}

func indexPort(list []Port, name string) int {
	return slices.IndexFunc(list, func(p Port) bool { return p.Name == name })
}

// mendSubsets leaves out the endpoints and target ports that are wrong, and of too many the last ones.
func (e *Export) mendSubsets() {
	e.Subsets = e.Subsets[:min(len(e.Subsets), MaxSubsets)]
	room := MaxEndpoints
	for i := range e.Subsets {
		s := &e.Subsets[i]
		s.Ports = slices.DeleteFunc(s.Ports, func(t TargetPort) bool { return checkPort(t.Name, t.Protocol, t.Number) != nil })
		s.Ports = s.Ports[:min(len(s.Ports), MaxPorts)]
		s.Endpoints = slices.DeleteFunc(s.Endpoints, func(ep Endpoint) bool { return ep.check() != nil })
		s.Endpoints = s.Endpoints[:min(len(s.Endpoints), room)]
		room -= len(s.Endpoints)
	}
}
