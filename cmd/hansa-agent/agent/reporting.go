package agent

import (
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/election"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
	"github.com/hansa-mcs/hansa/federation"
)

// scenery returns what this agent knows at a time, as people are told of it.
func (m *member) scenery(now time.Time) *report.Scene {
	held, _ := m.holding.now()
	gates, faults, _ := m.switches.now()
	said, _ := m.departure.now()
	course, _ := m.steering.course.now()
	drains, _ := state.ParseDrains(said.drains)
	return &report.Scene{
		Drains:     drains,
		Now:        now,
		Clusterset: m.options.Clusterset,
		Agent:      m.itself(),
		Gates:      gatesOf(gates),
		Faults:     faults,
		Underway:   m.underway(course),
		Frozen:     frozenSince(m.importer.View().Frozen, said.freeze, now),
		AutoExport: m.autoExport(),
		Store:      m.store,
		View:       m.importer.View(),
		Here:       m.importer.Here,
		Blocked:    m.blocked.Why,
		Patience:   m.options.patience(),
		Import:     m.options.importPolicy(),
		Export:     m.options.exportPolicy(),
		Held:       held,
		Seeds:      m.options.Peers,
		Streams:    m.exchange.Streams(),
		Totals:     m.exchange.Totals(),
		Failures:   m.exchange.Failures(),
		Gossip:     m.hearsay(),
		Remembered: m.remembered(),
		XDS:        m.discovery(),
	}
}

// gatesOf returns how the gates stand, for people.
func gatesOf(set features.Set) (list []report.Gate) {
	for _, st := range set.List() {
		since := st.Since.UTC().Truncate(time.Second)
		list = append(list, report.Gate{Name: string(st.Gate), On: st.On, Origin: string(st.Origin), Where: st.Where, Since: since, Idle: st.Idle, Means: features.Meaning(st.Gate, st.On)})
	}
	return list
}

// underway says what was asked of this cluster and is not so yet, "" for nothing.
func (m *member) underway(c course) (text string) {
	frozen := c.freeze.Asked != !c.freeze.Since.IsZero() && c.leaving.Phase() == state.Inside
	switch gate := string(features.ServiceDiscovery); {
	case c.withholding.Asked && !c.withholding.Left:
		text = "gate " + gate + " is off: the others are being told, and what is imported stays until that is written down"
	case !c.withholding.Asked && c.withholding.Left:
		text = "gate " + gate + " is on, and nothing is exported or imported until that is written down"
	case frozen && c.freeze.Asked:
		text = "what is imported is frozen, which is not written down yet"
	case frozen:
		text = "what is imported is released, which is not written down yet"
	default:
		return ""
	}
	text += ", in ConfigMap " + m.options.Namespace + "/" + state.DefaultName
	if why := m.unwritten.why(); why != "" {
		text += ", which fails: " + why
	}
	return text
}

// frozenSince returns since when what is imported is frozen, nil if it is not. Until the leader has noted it, it is so
// since now.
func frozenSince(is bool, f state.Freeze, now time.Time) *time.Time {
	switch {
	case !is:
		return nil
	case f.Since.IsZero():
		return new(now.UTC().Truncate(time.Second))
	}
	return new(f.Since.UTC())
}

// autoExport returns by which rules Services are exported, and how that goes.
func (m *member) autoExport() report.AutoExport {
	a := report.AutoExport{
		NamespaceSelector: m.options.AutoExportNamespaceSelector, ServiceSelector: m.options.AutoExportServiceSelector,
		ClusterLocal: m.options.ClusterLocal, ClusterDomain: m.options.ClusterDomain, AgentNamespace: m.options.Namespace,
	}
	if auto := m.auto.Load(); auto != nil {
		a.Made, a.Trouble = auto.Made(), auto.Trouble()
	}
	return a
}

// remembered returns what hansa-state says of clusters: where they are as it is known now, and when they were heard as it was
// at the start, since what came later this agent may have heard itself.
func (m *member) remembered() map[federation.ClusterID]report.Remembered {
	all := map[federation.ClusterID]report.Remembered{}
	if former := m.former.Load(); former != nil {
		for id, heard := range *former {
			all[id] = report.Remembered{Heard: heard}
		}
	}
	for _, c := range m.keeper.Seen() {
		if len(c.Addresses) > 0 {
			all[c.ID] = report.Remembered{Address: c.Addresses[0], Heard: all[c.ID].Heard}
		}
	}
	return all
}

// itself returns what this agent is.
func (m *member) itself() report.Agent {
	standing := m.election.Now()
	a := report.Agent{Name: m.name.Name, Build: build(), Leads: m.leads(standing)}
	a.Suspended = a.Leads && !standing.Leading
	if standing.Leader != (election.Identity{}) {
		a.Leader = &report.Leader{Name: standing.Leader.Name, Address: standing.Leader.Address, Since: standing.Since.UTC()}
	}
	if err := m.ready(); err != nil {
		a.Waiting = err.Error()
	}
	switch is, _ := m.departure.now(); is.Phase() {
	case state.Leaving:
		a.Departure = "leaving"
	case state.Outside:
		a.Departure = report.Left
	}
	if leaf := m.identity.Certificate(); leaf != nil {
		a.Certificate = &report.Certificate{Since: leaf.NotBefore.UTC(), Until: leaf.NotAfter.UTC(), Fault: m.renewal.fault()}
		if why := m.identity.Unused(); why != "" {
			a.Certificate.Fault = "what its files hold now is not used: " + why
		}
	}
	return a
}

// hearsay returns what gossip tells, nil while this agent takes no part.
func (m *member) hearsay() *report.Gossip {
	g, _ := m.circle.now()
	if g == nil {
		return nil
	}
	said := &report.Gossip{Addresses: map[federation.ClusterID]string{}, Seen: g.Seen()}
	for _, member := range g.Members() {
		if said.Addresses[member.Cluster] == "" { // the newest node comes first
			said.Addresses[member.Cluster] = member.Address
		}
	}
	return said
}
