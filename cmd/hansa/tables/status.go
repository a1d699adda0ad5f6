package tables

import (
	"fmt"
	"io"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
)

// Status writes how this cluster is, and each other one from here. Of gates it has those that do not stand as by default.
func Status(w io.Writer, s *report.Status, wide bool) error {
	fmt.Fprintf(w, "Cluster %s of clusterset %s: %s\n", s.Cluster, s.Clusterset, paint(w, string(s.Verdict), string(s.Verdict)))
	fmt.Fprintf(w, "Agent   %s\n", clean(agent(s.Agent)))
	fmt.Fprintf(w, "Exports %s with %s%s\n", amount(s.Exported.Services, "service"), amount(s.Exported.Endpoints, "endpoint"), at(s.Exported.Version))
	fmt.Fprintf(w, "Imports %s, %d of them with conflicts\n", amount(s.Imported.Services, "service"), s.Imported.Conflicts)
	if s.Frozen != nil {
		fmt.Fprintf(w, "Frozen  since %s: what is imported stays as it is\n", instant(*s.Frozen))
	}
	for _, g := range s.Gates {
		if g.On != definition(g.Name).Default {
			fmt.Fprintf(w, "Gate    %s is %s since %s, by %s\n", clean(g.Name), stateOf(g), instant(g.Since), clean(wordOf(g)))
		}
	}
	for _, p := range s.Problems {
		fmt.Fprintf(w, "  ! %s\n", clean(p))
	}
	if len(s.Peers) == 0 {
		_, err := fmt.Fprintln(w, "\nNo other cluster is known yet.")
		return err
	}
	fmt.Fprintln(w)
	peers := make([]report.Peer, len(s.Peers))
	copy(peers, s.Peers)
	return writePeers(w, peers, wide)
}

func at(version string) string {
	if version == "" {
		return ", which nobody was told yet"
	}
	return ", version " + version
}

func agent(a report.Agent) string {
	text := a.Name
	switch {
	case a.Waiting != "":
		return text + " is not ready: " + a.Waiting
	case a.Suspended:
		text += " leads, and cannot renew its Lease"
	case a.Leads:
		text += " leads"
	case a.Leader != nil:
		text += " stands by for " + a.Leader.Name
	default:
		text += " knows of no leader"
	}
	switch a.Departure {
	case "":
	case report.Left:
		text += "; this cluster has left the clusterset"
	default:
		text += "; this cluster is leaving the clusterset"
	}
	return text
}

// writePeers writes one row for each cluster.
func writePeers(w io.Writer, peers []report.Peer, wide bool) error {
	t := columns(wide, peerColumns, "VERSION", "ACKNOWLEDGED")
	for _, p := range peers {
		t.row(peerCells(p), p.Version, acknowledged(p))
	}
	return t.write(w)
}

var peerColumns = []string{"CLUSTER", "STATE", "OTHERS", "ADDRESS", "HEARD", "BEHIND", "SERVICES", "ENDPOINTS", "WHY", "LAST ERROR"}

func peerCells(p report.Peer) []string {
	return []string{
		string(p.Cluster), string(p.State), string(p.Others), p.Address, seconds(p.HeardAgo), number(p.Behind),
		fmt.Sprint(p.Services), fmt.Sprint(p.Endpoints), p.Why, lastError(p),
	}
}

func acknowledged(p report.Peer) string {
	if p.Stream == nil {
		return ""
	}
	if p.Stream.Unacknowledged > 0 {
		return fmt.Sprintf("%s (%d behind)", p.Stream.Acknowledged, p.Stream.Unacknowledged)
	}
	return p.Stream.Acknowledged
}

// lastError is of a cluster that is to come back.
func lastError(p report.Peer) string {
	if p.State == report.Gone {
		return ""
	}
	for _, e := range []*report.Error{p.LastError, p.LastRefused} {
		if e != nil && !e.Over {
			return e.Text + ", " + seconds(&e.Ago) + " ago"
		}
	}
	return ""
}

// Clusters writes every cluster that is known, this one too.
func Clusters(w io.Writer, c *report.Clusters, wide bool) error {
	t := columns(wide, peerColumns, "VERSION", "ACKNOWLEDGED", "UID", "SENT", "RECEIVED")
	for _, each := range c.Clusters {
		t.row(peerCells(each.Peer), each.Version, acknowledged(each.Peer), each.UID, fmt.Sprint(each.Traffic.SentBytes), fmt.Sprint(each.Traffic.ReceivedBytes))
	}
	return t.write(w)
}
