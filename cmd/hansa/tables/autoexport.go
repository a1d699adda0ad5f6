package tables

import (
	"fmt"
	"io"

	"github.com/hansa-mcs/hansa/cmd/hansa/preview"
)

// AutoExport writes how the gate stands, then one row for each Service and what auto-export would do about it, and how much
// that is in all.
func AutoExport(w io.Writer, a *preview.Auto) error {
	if _, err := fmt.Fprintf(w, "%s\n\n", a.Standing()); err != nil {
		return err
	}
	if len(a.Services) == 0 {
		_, err := fmt.Fprintln(w, "There is no Service.")
		return err
	}
	t := columns(false, []string{"NAMESPACE", "NAME", "ACTION", "WHY"})
	for _, s := range a.Services {
		t.row([]string{s.Namespace, s.Name, string(s.Action), s.Why})
	}
	if err := t.write(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nAuto-export would create %s and delete %d.\n", amount(a.Create, "ServiceExport"), a.Delete)
	return err
}
