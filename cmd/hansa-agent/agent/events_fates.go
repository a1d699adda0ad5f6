package agent

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// judge tells once in each silence when the first endpoints of the cluster are demoted, and withdrawn, and when it
// comes and goes too often. What is so for the latter alone is told as that.
func (c *chapter) judge(p *page, o federation.Owner, f importer.Fated, unsteady bool) {
	c.sway(p, o.Cluster, unsteady)
	if f == (importer.Fated{}) {
		c.fates = [len(c.fates)]bool{}
	}
	if !c.silent {
		return
	}
	if f.Demoted() > 0 && !unsteady && !c.fates[federation.Demoted] && p.may(c.demoted) {
		c.doom(federation.Demoted)
		p.tell(&c.demoted, corev1.EventTypeWarning, reasonDemoted, "cluster %s %s: its endpoints are demoted in %d of %s; in %d they come behind those of other clusters, in %d no other cluster has a ready one and they serve on",
			o.Cluster, unheardFor(o.Heard, p.now), f.Demoted(), amount(uint64(f.Services), "service"), f.Behind, f.Alone)
	}
	if f.Withdrawn > 0 && !c.fates[federation.Withdrawn] && p.may(c.withdrawn) {
		c.doom(federation.Withdrawn)
		p.tell(&c.withdrawn, corev1.EventTypeWarning, reasonWithdrawn, "cluster %s %s: its endpoints are withdrawn in %d of %s until it is heard again; ServiceImports and their addresses stay",
			o.Cluster, unheardFor(o.Heard, p.now), f.Withdrawn, amount(uint64(f.Services), "service"))
	}
}

// doom notes that a fate was told.
func (c *chapter) doom(fate federation.Fate) {
	c.fates[fate] = true
	c.worst = max(c.worst, fate)
}

// sway tells when the cluster begins to come and go too often, and when it is steady again.
func (c *chapter) sway(p *page, id federation.ClusterID, unsteady bool) {
	switch {
	case unsteady && !c.unsteady && p.may(c.erratic):
		c.unsteady = true
		p.tell(&c.erratic, corev1.EventTypeWarning, reasonUnsteady, "cluster %s fell silent or came back three times within five minutes: its endpoints are demoted until it was heard for a minute without a break", id)
	case !unsteady && c.unsteady && p.may(c.steady):
		c.unsteady, c.worst = false, federation.Served
		p.tell(&c.steady, corev1.EventTypeNormal, reasonSteady, "cluster %s was heard for a minute without a break: its endpoints are served as it says them", id)
	}
}

// follow notes what another agent tells of the fate of the cluster.
func (c *chapter) follow(f importer.Fated, unsteady bool) {
	c.unsteady = unsteady
	c.fates = [len(c.fates)]bool{federation.Demoted: f.Demoted() > 0, federation.Withdrawn: f.Withdrawn > 0}
	for fate, told := range c.fates {
		if told {
			c.doom(federation.Fate(fate))
		}
	}
	if f == (importer.Fated{}) {
		c.worst = federation.Served
	}
}

// again says what becomes of the endpoints of a cluster that is heard again, if it was told what became of them before.
func (c *chapter) again() string {
	worst := c.worst
	c.worst = federation.Served
	switch {
	case c.unsteady:
		return "; its endpoints stay demoted until it was heard for a minute without a break"
	case worst == federation.Served:
		return ""
	}
	return fmt.Sprintf("; its endpoints, which were %s, are served as it says them", worst)
}

// unheardFor says since when a cluster is silent, as of now.
func unheardFor(last, now time.Time) string {
	if last.IsZero() {
		return "was not heard since this agent started"
	}
	return fmt.Sprintf("was not heard for %s", now.Sub(last).Round(time.Second))
}
