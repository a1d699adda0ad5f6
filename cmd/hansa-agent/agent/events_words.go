package agent

import (
	"fmt"
	"strings"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
	"github.com/hansa-mcs/hansa/federation"
)

// exported is what follows on "exports".
func exported(o federation.Owner) string {
	if o.Exports == 0 {
		return "nothing"
	}
	return amount(uint64(o.Exports), "service") + " with " + amount(uint64(o.Endpoints), "endpoint")
}

func amount(n uint64, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// servedFor says how long what a silent cluster exported stays served, and how.
func servedFor(o Options) string {
	text := fmt.Sprintf("after %s behind what other clusters have ready (--demote-after), ", o.DemoteAfter)
	if o.DemoteAfter == 0 {
		text = "behind what other clusters have ready (--demote-after), "
	}
	if o.WithdrawAfter == 0 {
		return text + "however long that takes (--withdraw-after)"
	}
	return text + fmt.Sprintf("and after %s no more (--withdraw-after); a ServiceExport may say otherwise", o.WithdrawAfter)
}

// leftText says that this cluster has left, and which others may not know.
func leftText(silent []federation.ClusterID) string {
	text := fmt.Sprintf("this cluster has left the clusterset, as annotation %s of this ConfigMap asks; it exports and imports nothing, and joins again when the annotation is removed", state.LeaveAnnotation)
	if len(silent) == 0 {
		return text
	}
	const most = 8
	var names []string
	for _, id := range silent[:min(len(silent), most)] {
		names = append(names, string(id))
	}
	if more := len(silent) - most; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return text + "; those who have not confirmed it treat this cluster as one that fell silent: " + strings.Join(names, ", ")
}

// staysServed says what becomes of what a cluster exported that is silent.
func staysServed(o federation.Owner, served string) string {
	if o.Exports == 0 {
		return "it exported nothing"
	}
	return fmt.Sprintf("what it exported, %s, stays served as last known until it is heard again, %s", exported(o), served)
}

// ago says how long a cluster was away that is back.
func (f former) ago(now time.Time) string {
	if f.at.IsZero() {
		return ""
	}
	return fmt.Sprintf(", %s after %s", max(0, now.Sub(f.at)).Round(time.Second), f.was)
}

func unheard(last time.Time) string {
	if last.IsZero() {
		return "was not heard since this agent started"
	}
	return fmt.Sprintf("was not heard for %s, since %s", federation.Silence, last.UTC().Format(time.RFC3339))
}

// since says how often, if that is more than goes without saying.
func since(format string, n, silently int) string {
	switch {
	case n <= silently:
		return ""
	case n == 1:
		return fmt.Sprintf(format, "once more")
	}
	return fmt.Sprintf(format, fmt.Sprintf("%d times", n))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
