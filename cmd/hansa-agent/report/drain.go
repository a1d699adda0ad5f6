package report

import (
	"fmt"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// Drain is that a cluster loses its traffic.
type Drain struct {
	Since       time.Time `json:"since"`
	OverSeconds float64   `json:"overSeconds"`
	Percent     uint8     `json:"percent"` // that it has lost by now
	// Here means that it is for the clients of this cluster alone, whatever the cluster says of itself.
	Here bool `json:"here"`
}

// drain returns how a cluster is drained as this one sees it, nil if it is not. Of the own one that is what is asked of it.
func (s *Scene) drain(o federation.Owner) *Drain {
	drain, here := s.Drains[o.Cluster]
	if o.Cluster == s.self() {
		here = false
	} else if !here {
		drain = o.Drain
	}
	if !drain.Given() {
		return nil
	}
	percent, _ := drain.Taken(s.Now)
	return &Drain{utc(drain.Since), drain.Over.Seconds(), percent, here}
}

// text says how far a drain is, "" for none.
func (d *Drain) text() string {
	if d == nil {
		return ""
	}
	var text string
	if end := d.Since.Add(time.Duration(d.OverSeconds * float64(time.Second))); d.Percent < 100 {
		text = fmt.Sprintf("is being drained: it has lost %d %% of its traffic, and all at %s", d.Percent, moment(end))
	} else {
		text = fmt.Sprintf("is drained since %s: it gets traffic only where no other cluster can", moment(end))
	}
	if d.Here {
		text += ", by the clients of this cluster alone"
	}
	return text
}
