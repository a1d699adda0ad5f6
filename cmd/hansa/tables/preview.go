package tables

import (
	"fmt"
	"io"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/cmd/hansa/preview"
)

// Preview writes what would come of an export: in a sentence, then who would see it, every conflict in words, and the
// ServiceImport.
func Preview(w io.Writer, p *preview.Preview) error {
	state := fmt.Sprintf("would be exported by cluster %s, with %s", p.Cluster, amount(p.Endpoints, "endpoint"))
	if !p.Exported {
		state = fmt.Sprintf("would not be exported: %s: %s", p.Reason, p.Message)
	} else if p.Message != "" {
		state += ": " + p.Message
	}
	fmt.Fprintf(w, "Service %s/%s %s\n", p.Namespace, p.Name, state)
	if len(p.Clusters) > 0 {
		t := columns(false, []string{"CLUSTER", "STATE", "SEES IT", "WHY"})
		for _, c := range p.Clusters {
			t.row([]string{string(c.Cluster), string(c.State), yes(c.Sees), c.Why})
		}
		fmt.Fprintln(w)
		if err := t.write(w); err != nil {
			return err
		}
	}
	if p.Exported && !slices.ContainsFunc(p.Clusters, func(c preview.Viewer) bool { return c.Sees }) {
		fmt.Fprintln(w, "No cluster that is known here would see it.")
	}
	if len(p.Conflicts) > 0 {
		fmt.Fprintln(w)
	}
	for _, c := range p.Conflicts {
		if !c.New {
			fmt.Fprint(w, "There already: ")
		}
		if err := conflicts(w, []report.Conflict{c.Conflict}); err != nil {
			return err
		}
	}
	if p.ServiceImport == nil {
		return nil
	}
	text, err := yaml.Marshal(p.ServiceImport)
	if err != nil {
		return fmt.Errorf("encoding the ServiceImport: %w", err)
	}
	_, err = fmt.Fprintf(w, "\nWho sees it makes this ServiceImport, with addresses of its own unless it is headless:\n\n%s", text)
	return err
}

// amount writes a number of things whose plural ends in s.
func amount(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
