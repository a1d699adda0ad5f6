package agent

import (
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/election"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
	"github.com/hansa-mcs/hansa/federation"
)

// scenery returns what this agent knows at a time, as people are told of it.
func (m *member) scenery(now time.Time) *report.Scene {
	held, _ := m.holding.now()
	return &report.Scene{
		Now:        now,
		Clusterset: m.options.Clusterset,
		Agent:      m.itself(),
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
	}
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
