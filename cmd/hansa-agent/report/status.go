package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// Verdict is how a cluster is, in one word.
type Verdict string

// The verdicts, from the best on.
const (
	// Good means that all that this agent knows of is as it should be.
	Good Verdict = "good"
	// Degraded means that something is not, and what is served may be old.
	Degraded Verdict = "degraded"
	// Failed means that this cluster's agents do not do their work.
	Failed Verdict = "failed"
)

// ExitStatus returns the exit status of a command that shows the verdict.
func (v Verdict) ExitStatus() int {
	switch v {
	case Good:
		return 0
	case Degraded:
		return 1
	}
	return 2
}

// Status answers /v1/status: the agent, its cluster, and the others as they are from here.
type Status struct {
	At         time.Time            `json:"at"`
	Cluster    federation.ClusterID `json:"cluster"`
	Clusterset string               `json:"clusterset"`
	Verdict    Verdict              `json:"verdict"`
	Problems   []string             `json:"problems"` // why the verdict is no better
	Agent      Agent                `json:"agent"`
	Gates      []Gate               `json:"gates"`
	// Frozen is since when what is imported stays as it is, as a person asked; null while it does not.
	Frozen *time.Time `json:"frozen"`
	// Drain is that of this cluster, null while it is not drained.
	Drain    *Drain  `json:"drain"`
	Policy   Policy  `json:"policy"`
	Exported Exports `json:"exported"`
	Imported Imports `json:"imported"`
	Peers    []Peer  `json:"peers"`
}

// Exports are what one cluster exports.
type Exports struct {
	Version   string `json:"version"` // "" before the first word
	Services  int    `json:"services"`
	Endpoints int    `json:"endpoints"`
}

// Imports are what this cluster concludes.
type Imports struct {
	Revision  uint64 `json:"revision"`
	Services  int    `json:"services"`
	Conflicts int    `json:"conflicts"` // services whose exports disagree
}

// Status returns the answer to /v1/status.
func (s *Scene) Status() *Status {
	status := &Status{
		At: utc(s.Now), Cluster: s.self(), Clusterset: s.Clusterset, Agent: s.Agent, Gates: append([]Gate{}, s.Gates...), Frozen: s.Frozen,
		Policy: Policy{rules(s.Import), rules(s.Export)}, Imported: s.imports(), Peers: []Peer{},
	}
	unread := s.Store.Unread()
	for _, o := range s.owners() {
		if o.Cluster == s.self() {
			status.Drain = s.drain(o)
			status.Exported = Exports{Version: version(o.Version), Services: o.Exports, Endpoints: o.Endpoints}
		} else {
			status.Peers = append(status.Peers, s.peer(o, unread[o.Cluster]))
		}
	}
	status.Verdict, status.Problems = s.judge(status.Drain, status.Peers)
	return status
}

func (s *Scene) imports() Imports {
	i := Imports{Revision: s.View.Revision}
	for service := range s.View.All() {
		i.Services++
		if len(service.Conflicts) > 0 {
			i.Conflicts++
		}
	}
	return i
}

// judge returns the verdict and why it is no better, what is worst first.
func (s *Scene) judge(drain *Drain, peers []Peer) (Verdict, []string) {
	verdict, problems := Good, []string{}
	blame := func(v Verdict, format string, a ...any) {
		problems = append(problems, fmt.Sprintf(format, a...))
		if v.ExitStatus() > verdict.ExitStatus() {
			verdict = v
		}
	}
	if s.Agent.Waiting != "" {
		blame(Failed, "this agent is not ready: %s", s.Agent.Waiting)
	} else if s.Agent.Leader == nil {
		blame(Failed, "no agent of this cluster is known to lead")
	}
	if s.Agent.Suspended {
		blame(Degraded, "the leader could not renew its Lease: nothing new is exported, and no object is written; all else goes on")
	}
	if s.Agent.Leader != nil && !s.Agent.Leads && !s.left() {
		up := s.stream(s.self())
		if up == nil {
			blame(Degraded, "%s", join("this agent is a standby and has no stream to its leader, so what it knows grows old", s.Failures[s.self()].Stream.Reason))
		} else if silent := s.Now.Sub(up.Heard); silent > federation.Silence {
			blame(Degraded, "this agent is a standby and has not heard its leader for %s, so what it knows grows old", span(silent))
		}
	}
	if len(peers) == 0 && len(s.Seeds) > 0 && s.Agent.Leads && !s.left() {
		blame(Degraded, "no other cluster was reached yet: not %s, which --peer names; the agent's log says why", strings.Join(s.Seeds, ", "))
	}
	if behind := Lag(s.Store.Version(s.self()), s.latest(s.self())); behind > 0 && !s.Agent.Leads {
		blame(Degraded, "this agent is %s of its cluster behind its leader", amount(behind, "change"))
	}
	if v, problem := s.Agent.Certificate.judge(s.Now); problem != "" {
		blame(v, "%s", problem)
	}
	switch s.Agent.Departure {
	case "":
	case Left:
		blame(Degraded, "this cluster has left the clusterset, as it was asked to: it exports and imports nothing")
	default:
		blame(Degraded, "this cluster is leaving the clusterset")
	}
	for _, text := range s.brakes() {
		blame(Degraded, "%s", text)
	}
	if text := s.quarantine(); text != "" {
		blame(Degraded, "%s", text)
	}
	if drain != nil {
		blame(Degraded, "this cluster %s; hansa undrain takes that back", drain.text())
	}
	for _, p := range peers {
		for _, text := range p.problems() {
			blame(Degraded, "cluster %s %s", p.Cluster, text)
		}
	}
	return verdict, problems
}

// brakes says what holds the cluster back, as a person asked, and what of that could not be understood or done.
func (s *Scene) brakes() (list []string) {
	if s.Underway != "" {
		list = append(list, s.Underway)
	} else if g := s.closed(gateDiscovery); g != nil {
		list = append(list, fmt.Sprintf("gate %s is off since %s, by %s: nothing is announced, imported, or served beyond %s", g.Name, moment(g.Since), g.by(), s.AutoExport.ClusterDomain))
	}
	if s.Frozen != nil {
		list = append(list, fmt.Sprintf("what is imported is frozen since %s: it stays as it is, whatever other clusters say; hansa unfreeze releases it", moment(*s.Frozen)))
	}
	for _, fault := range s.Faults {
		list = append(list, "a gate cannot be set: "+fault)
	}
	if s.AutoExport.Trouble != "" {
		list = append(list, s.AutoExport.Trouble)
	}
	return list
}

// judge says what is wrong with a certificate, "" for nothing. Half of its life is enough for another one to be got.
func (c *Certificate) judge(now time.Time) (Verdict, string) {
	if c == nil {
		return Good, ""
	}
	fault := ""
	if c.Fault != "" {
		fault = ": " + c.Fault
	}
	switch left := c.Until.Sub(now); {
	case left <= 0:
		return Failed, fmt.Sprintf("this cluster's certificate expired at %s, and no other cluster lets it in%s", moment(c.Until), fault)
	case left < c.Until.Sub(c.Since)/4:
		return Degraded, fmt.Sprintf("this cluster's certificate expires at %s, and was not renewed%s", moment(c.Until), fault)
	case fault != "":
		return Degraded, "this cluster's certificate is not renewed" + fault
	}
	return Good, ""
}
