package report

import (
	"fmt"

	"github.com/hansa-mcs/hansa/federation"
)

// ack is how much of this cluster's word another one has confirmed.
type ack struct {
	cluster federation.ClusterID
	version federation.Version
	stream  bool // there is one on which it could
}

func (s *Scene) ack(cluster federation.ClusterID) ack {
	a := ack{cluster: cluster}
	if up := s.stream(cluster); up != nil {
		a.version, a.stream = up.Acked.Version, true
	}
	return a
}

// has reports whether the cluster has confirmed a word of ours.
func (a ack) has(said federation.Version) bool {
	return a.stream && !said.IsZero() && a.version.Compare(said) >= 0
}

// Exported is what this cluster says of a service, and who has heard it.
type Exported struct {
	// Version is that of this cluster at which it came to say so, "" before it has announced anything.
	Version string `json:"version"`
	// Audience is how many of the other clusters may see it, Acknowledged how many of them have it for sure; both null of
	// an agent that does not lead, which cannot know.
	Audience     *int `json:"audience"`
	Acknowledged *int `json:"acknowledged"`
	// Lacking are those that may see it and have not confirmed it, at most MaxLacking of them.
	Lacking []federation.ClusterID `json:"lacking"`
}

// MaxLacking bounds how many clusters Exported names.
const MaxLacking = 16

// exported returns what our own cluster says, nil for nothing.
func (d *dossier) exported() *Exported {
	said := d.own()
	if said == nil {
		return nil
	}
	x := &Exported{Version: version(said.Version), Lacking: []federation.ClusterID{}}
	if !d.Agent.Leads {
		return x
	}
	audience, has := 0, 0
	sees := d.Export.Audience(said.Export)
	for _, a := range d.acks {
		switch {
		case !sees.Has(a.cluster):
			continue
		case a.has(said.Version):
			has++
		case len(x.Lacking) < MaxLacking:
			x.Lacking = append(x.Lacking, a.cluster)
		}
		audience++
	}
	x.Audience, x.Acknowledged = &audience, &has
	return x
}

// own returns what our own cluster says, nil for nothing.
func (d *dossier) own() *federation.Said {
	for i := range d.words {
		if w := &d.words[i]; w.cluster == d.self() && w.said.Export != nil {
			return &w.said
		}
	}
	return nil
}

// Acknowledgement is what another cluster has confirmed of what this one says.
type Acknowledgement struct {
	Cluster federation.ClusterID `json:"cluster"`
	// Sees means that the cluster may see the service.
	Sees bool `json:"sees"`
	// Acknowledged means that it has what this cluster says of it, Version is the one that it has confirmed, "" for none.
	Acknowledged bool   `json:"acknowledged"`
	Version      string `json:"version"`
	Why          string `json:"why"` // in words, why it is not acknowledged
}

// acknowledgements tells of each other cluster; of none where this agent does not lead, or nothing is exported.
func (d *dossier) acknowledgements() []Acknowledgement {
	list := []Acknowledgement{}
	said := d.own()
	if said == nil {
		return list
	}
	sees := d.Export.Audience(said.Export)
	for _, a := range d.acks {
		one := Acknowledgement{Cluster: a.cluster, Sees: sees.Has(a.cluster), Acknowledged: a.has(said.Version), Version: version(a.version)}
		one.Acknowledged = one.Acknowledged && one.Sees
		one.Why = d.unconfirmed(one, a, said)
		list = append(list, one)
	}
	return list
}

func (d *dossier) unconfirmed(one Acknowledgement, a ack, said *federation.Said) string {
	switch {
	case !one.Sees && d.Export.Bars(a.cluster, d.name.Namespace) != "":
		return fmt.Sprintf("it may not see namespace %s, which is %s", d.name.Namespace, d.Export.Bars(a.cluster, d.name.Namespace))
	case !one.Sees:
		return "the ServiceExport does not name it among those who may see the service"
	case one.Acknowledged:
		return ""
	case !a.stream:
		return "there is no stream with it"
	case said.Version.IsZero():
		return "this agent has not announced it yet"
	}
	return fmt.Sprintf("it has confirmed %s, and this is of %s", orNone(one.Version), said.Version)
}
