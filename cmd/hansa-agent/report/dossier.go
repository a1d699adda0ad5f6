package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// inquiry is a Scene of which many services are asked.
type inquiry struct {
	*Scene
	known    map[federation.ClusterID]federation.Owner
	hearings map[class]hearing
	acks     []ack // nil of an agent that does not lead
}

// class is what shares a hearing.
type class struct {
	cluster  federation.ClusterID
	patience federation.Patience
}

func (s *Scene) inquire() *inquiry {
	q := &inquiry{Scene: s, known: map[federation.ClusterID]federation.Owner{}, hearings: map[class]hearing{}}
	for _, o := range s.owners() {
		q.known[o.Cluster] = o
		if s.Agent.Leads && o.Cluster != s.self() && !o.Left {
			q.acks = append(q.acks, s.ack(o.Cluster))
		}
	}
	return q
}

func (q *inquiry) hearing(cluster federation.ClusterID, patience federation.Patience) hearing {
	c := class{cluster, patience}
	h, known := q.hearings[c]
	if !known {
		h = q.hear(cluster, q.known[cluster].Left, patience)
		q.hearings[c] = h
	}
	return h
}

// dossier is what is known of one service.
type dossier struct {
	*inquiry
	name    federation.ServiceName
	service *importer.Service // nil for one that is not imported
	why     string            // why it is not
	words   []word            // by cluster ID
}

// word is what one cluster says of a service, and what becomes of it.
type word struct {
	cluster federation.ClusterID
	said    federation.Said    // zero of a cluster that says nothing any more, and is held
	served  *federation.Export // what the View has of it, nil for nothing
	fate    federation.Fate
	hearing hearing
	held    *importer.Held // while served is not all that was said
	bar     string         // why policy has it not imported, "" if it may be
}

func (q *inquiry) look(name federation.ServiceName) *dossier {
	d := &dossier{inquiry: q, name: name, service: q.View.Service(name)}
	patience := q.Patience
	if d.service != nil {
		patience = d.service.Patience
	}
	for _, said := range q.Store.Said(name) {
		d.words = append(d.words, word{cluster: said.Cluster, said: said})
	}
	if d.service != nil {
		for i, e := range d.service.Exports {
			w := d.of(e.Cluster)
			w.served, w.fate = e, d.service.Fate(i)
		}
	}
	for i := range d.words {
		w := &d.words[i]
		w.hearing = q.hearing(w.cluster, patience)
		if w.served != nil && w.served != w.said.Export && q.Frozen == nil {
			w.held = q.held(w.cluster)
		}
		if w.cluster != q.self() {
			w.bar = q.Import.Bars(w.cluster, name.Namespace)
		}
	}
	if d.service == nil {
		d.why = d.notImported()
	}
	return d
}

// of returns the word of a cluster, a new one if it says nothing.
func (d *dossier) of(cluster federation.ClusterID) *word {
	i, found := slices.BinarySearchFunc(d.words, cluster, func(w word, id federation.ClusterID) int { return cmp.Compare(w.cluster, id) })
	if !found {
		d.words = slices.Insert(d.words, i, word{cluster: cluster})
	}
	return &d.words[i]
}

// notImported says why there is no such service here.
func (d *dossier) notImported() string {
	unread := func(w word) bool { return w.said.Export == nil }
	barred := func(w word) bool { return w.bar != "" || unread(w) }
	switch {
	case d.Agent.Waiting != "":
		return "this agent is not ready: " + d.Agent.Waiting
	case d.left():
		return "this cluster has left the clusterset"
	case d.closed(gateDiscovery) != nil:
		return fmt.Sprintf("gate %s is off, by %s: nothing is announced or imported", gateDiscovery, d.closed(gateDiscovery).by())
	case len(d.words) == 0:
		return join("no cluster exports it, as far as is known here", d.unheardText())
	case d.Here != nil && !d.Here(d.name.Namespace):
		return fmt.Sprintf("namespace %s does not exist in this cluster", d.name.Namespace)
	case all(d.words, unread):
		return "no word on it could be taken"
	case all(d.words, barred):
		return "policy lets nothing of it be imported"
	case d.Frozen != nil:
		return fmt.Sprintf("what is imported is frozen since %s, when it was not", moment(*d.Frozen))
	}
	return "it is about to be concluded"
}

func all[T any](list []T, is func(T) bool) bool {
	return !slices.ContainsFunc(list, func(v T) bool { return !is(v) })
}

// unheard returns the other clusters of which no complete set came since the start.
func (q *inquiry) unheard() []federation.ClusterID {
	var list []federation.ClusterID
	for id, o := range q.known {
		if id != q.self() && o.Version.IsZero() {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	return list
}

func (q *inquiry) unheardText() string {
	switch list := q.unheard(); len(list) {
	case 0:
		return ""
	case 1:
		return those(list) + " was not heard whole since this agent started, and may"
	default:
		return those(list) + " were not heard whole since this agent started, and may"
	}
}

// export returns what is to be looked at of what a cluster says: what is served, else what it says.
func (w *word) export() *federation.Export {
	if w.served != nil {
		return w.served
	}
	return w.said.Export
}

// kept reports whether what is served is no more what the cluster says, as it is frozen.
func (w *word) kept(d *dossier) bool {
	return d.Frozen != nil && d.service != nil && w.cluster != d.self() && w.bar == "" && w.said.Export != w.served
}

// version writes that of what is looked at; "" where what is kept is of one that nobody knows any more.
func (w *word) version(d *dossier) string {
	if w.kept(d) {
		return ""
	}
	return version(w.said.Version)
}

// text says what becomes of all that a cluster says of the service.
func (w *word) text(d *dossier) string {
	var policy, unread, remembered, late, holds string
	if w.bar != "" {
		policy = fmt.Sprintf("not imported: namespace %s of %s is %s", d.name.Namespace, w.cluster, w.bar)
	}
	if w.said.Unread {
		unread = "the last word of the cluster could not be taken, and the one before is served"
		if w.said.Export == nil {
			unread = "the word of the cluster could not be taken"
		}
	}
	if w.said.Export != nil && w.said.Version.IsZero() && d.known[w.cluster].Restored {
		remembered = "remembered from before this agent started"
	}
	switch {
	case w.held != nil:
		holds = "the cluster lost very much at once, and did not say that it means to: the former endpoints are served until " + moment(w.held.Until)
	case w.kept(d):
		late = fmt.Sprintf("what is imported is frozen since %s: the cluster has said something else by now, and what it said before is served", moment(*d.Frozen))
	case d.service != nil && w.bar == "" && w.said.Export != w.served:
		late = "a newer word of the cluster is about to be concluded"
	}
	heard := ""
	if w.served != nil {
		heard = w.hearing.served(w.fate)
	}
	return join(policy, heard, remembered, unread, holds, late)
}
