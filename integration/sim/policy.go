package sim

import (
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// anyPolicy returns on which namespaces others may be told, everything in the seeds without policies.
func (w *world) anyPolicy() (p federation.Namespaces) {
	if !w.scene.Policies || w.chance(40) {
		return p
	}
	for range 1 + w.r.IntN(2) {
		p.Deny = append(p.Deny, w.anyRule())
	}
	if w.chance(30) {
		p.Allow = append(p.Allow, w.anyRule(), w.anyRule())
	}
	return p
}

func (w *world) anyRule() federation.NamespaceRule {
	n := w.r.IntN(w.scene.Members)
	return federation.NamespaceRule{
		Cluster:   pick(w.r, "*", fmt.Sprintf("c-%03d", n), fmt.Sprintf("*%d", n%10), "nobody"),
		Namespace: pick(w.r, "shop", "bank", "b*", "kube-*"),
	}
}

// maySee reports whether what an Export of the cluster says may be told to another, by a reading of Consumers and of
// policies that is not the Store's own.
func (c *cluster) maySee(e *federation.Export, viewer federation.ClusterID) bool {
	is := func(glob string) bool { return globbed(glob, string(viewer)) }
	if e.Cluster == viewer {
		return true
	}
	if len(e.Consumers) > 0 && !slices.ContainsFunc(e.Consumers, is) {
		return false
	}
	covers := func(r federation.NamespaceRule) bool { return is(r.Cluster) && globbed(r.Namespace, e.Name.Namespace) }
	return !slices.ContainsFunc(c.policy.Deny, covers) && (len(c.policy.Allow) == 0 || slices.ContainsFunc(c.policy.Allow, covers))
}

func globbed(glob, text string) bool {
	matched, err := path.Match(glob, text)
	return err == nil && matched
}

// anyPatience returns what the agents of one cluster are told.
func (w *world) anyPatience() federation.Patience {
	if !w.chance(w.scene.Short) {
		return federation.DefaultPatience
	}
	return federation.Patience{Demote: w.seconds(12), Withdraw: pick(w.r, 0, w.seconds(25), w.seconds(25))}
}

// anyQuiet returns what an export says for the time in which its owner is not heard.
func (w *world) anyQuiet() (q federation.Quiet) {
	if !w.chance(w.scene.Quiet) {
		return q
	}
	if w.chance(60) {
		q.Demote = federation.Delay{Given: true, After: w.seconds(20)}
	}
	if w.chance(60) {
		q.Withdraw = federation.Delay{Given: true, After: pick(w.r, 0, w.seconds(30))}
	}
	return q
}

// anySteering returns what some exports say of how their traffic is steered: members have to pass it on, and agree on it.
func (w *world) anySteering() (s federation.Steering) {
	if !w.chance(20) {
		return s
	}
	s.Prefer = pick(w.r, nil, []string{federation.NearAny}, []string{"c-1", federation.NearCluster})
	s.Weights = pick(w.r, nil, []federation.Weight{{Cluster: "c-1", Weight: 0}, {Cluster: "c-2", Weight: 7}})
	s.MinHealthy = pick[uint8](w.r, 0, 0, 70)
	return s
}

func (w *world) seconds(most int) time.Duration { return time.Duration(w.r.IntN(most+1)) * time.Second }

// patienceFor returns how long clusters may be silent for one service: what the oldest of its exports says, and what
// the agents are told where that says nothing.
func (c *cluster) patienceFor(exports []*federation.Export) federation.Patience {
	oldest := exports[0]
	for _, e := range exports[1:] {
		if e.Created.Before(oldest.Created) || e.Created.Equal(oldest.Created) && e.Cluster < oldest.Cluster {
			oldest = e
		}
	}
	p := c.patience
	if q := oldest.Quiet.Demote; q.Given {
		p.Demote = q.After
	}
	switch q := oldest.Quiet.Withdraw; {
	case q.Given:
		p.Withdraw = q.After
	case p.Withdraw > 0: // whoever wants it in use for that long does not want it to go before
		p.Withdraw = max(p.Withdraw, p.Demote)
	}
	return p
}
