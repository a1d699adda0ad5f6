package tables

import (
	"fmt"
	"io"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
)

// Explain writes all that is known of one service: in a sentence, then cluster by cluster, conflict by conflict, endpoint by
// endpoint, and who has confirmed what this cluster exports.
func Explain(w io.Writer, x *report.Explanation, wide bool) error {
	fmt.Fprintf(w, "%s\n", paint(w, string(x.Verdict), clean(x.Summary)))
	if len(x.Unheard) > 0 {
		fmt.Fprintf(w, "Not heard since this agent started, and may export it too: %s\n", list(x.Unheard))
	}
	parts := []func() error{}
	if len(x.Exports) > 0 {
		parts = append(parts, func() error { return exports(w, x.Exports, wide) })
	}
	if len(x.Conflicts) > 0 {
		parts = append(parts, func() error { return conflicts(w, x.Conflicts) })
	}
	if len(x.Endpoints) > 0 {
		parts = append(parts, func() error { return writeEndpoints(w, x.Endpoints, wide, false) })
	}
	if len(x.Acknowledgements) > 0 {
		parts = append(parts, func() error { return acknowledgements(w, x.Acknowledgements) })
	}
	for _, part := range parts {
		fmt.Fprintln(w)
		if err := part(); err != nil {
			return err
		}
	}
	if x.More > 0 {
		fmt.Fprintf(w, "and %d more endpoints: hansa endpoints has them all\n", x.More)
	}
	return nil
}

func exports(w io.Writer, all []report.Export, wide bool) error {
	t := columns(wide, []string{"EXPORTED BY", "STATE", "TYPE", "PORTS", "READY", "SERVED", "AGE", "WHY"}, "VERSION", "CREATED", "CONSUMERS")
	for _, e := range all {
		cluster := string(e.Cluster)
		if e.Oldest {
			cluster += " (oldest)"
		}
		created := ""
		if !e.Created.IsZero() {
			created = e.Created.Format("2006-01-02T15:04:05Z07:00")
		}
		t.row([]string{
			cluster, string(e.State), string(e.Type), ports(e.Ports), fmt.Sprintf("%d/%d", e.Endpoints.Ready, e.Endpoints.Total),
			fmt.Sprint(e.Endpoints.Served), seconds(e.Age), e.Why,
		}, e.Version, created, list(e.Consumers))
	}
	return t.write(w)
}

func conflicts(w io.Writer, all []report.Conflict) error {
	for _, c := range all {
		if _, err := fmt.Fprintf(w, "Conflict %s: %s\n", c.Reason, clean(c.Message)); err != nil {
			return err
		}
		for _, o := range c.Opinions {
			mark := " "
			if o.Differs {
				mark = "!"
			}
			if _, err := fmt.Fprintf(w, "  %s %s says %s\n", mark, o.Cluster, clean(o.Value)); err != nil {
				return err
			}
		}
	}
	return nil
}

func acknowledgements(w io.Writer, all []report.Acknowledgement) error {
	t := columns(false, []string{"TOLD TO", "SEES IT", "HAS IT", "VERSION", "WHY"})
	for _, a := range all {
		t.row([]string{string(a.Cluster), yes(a.Sees), yes(a.Acknowledged), a.Version, a.Why})
	}
	return t.write(w)
}
