package tables

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
)

// Features writes one row for each gate, and then what is wrong, what is frozen, and how auto-export is, if it is on, in
// trouble, or has left something behind.
func Features(w io.Writer, f *report.Features, wide bool) error {
	t := columns(wide, []string{"NAME", "STATE", "BY", "SINCE", "MEANS"}, "DEFAULT", "ENVIRONMENT")
	for _, g := range f.Gates {
		d, byDefault := definition(g.Name), ""
		if d.Gate != "" {
			byDefault = onOff(d.Default)
		}
		t.row([]string{g.Name, stateOf(g), wordOf(g), instant(g.Since), meaning(g)}, byDefault, strings.Join(d.Environment, ","))
	}
	if err := t.write(w); err != nil {
		return err
	}
	lines := slices.Concat(faults(f), frozen(f), autoExport(f))
	if len(lines) > 0 {
		fmt.Fprintln(w)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, clean(line)); err != nil {
			return err
		}
	}
	return nil
}

func definition(gate string) features.Definition {
	all := features.Definitions()
	if i := slices.IndexFunc(all, func(d features.Definition) bool { return string(d.Gate) == gate }); i >= 0 {
		return all[i]
	}
	return features.Definition{} // of another version's
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func stateOf(g report.Gate) string {
	if g.Idle != "" {
		return onOff(g.On) + ", idle"
	}
	return onOff(g.On)
}

// wordOf names whose word a gate stands by.
func wordOf(g report.Gate) string {
	switch features.Origin(g.Origin) {
	case features.FromFlag, features.FromEnvironment:
		return g.Origin + " " + g.Where
	case features.FromConfigMap:
		return g.Where
	}
	return g.Origin
}

func meaning(g report.Gate) string {
	if g.Idle != "" {
		return "nothing, as " + g.Idle
	}
	return g.Means
}

func instant(t time.Time) string {
	if t.IsZero() {
		return none
	}
	return t.UTC().Format(time.RFC3339)
}

func faults(f *report.Features) (lines []string) {
	for _, fault := range f.Faults {
		lines = append(lines, "  ! "+fault)
	}
	return lines
}

func frozen(f *report.Features) []string {
	if f.Frozen == nil {
		return nil
	}
	return []string{"What is imported is frozen since " + instant(*f.Frozen) + ": it stays as it is, whatever other clusters say; hansa unfreeze releases it."}
}

// autoExport says how auto-export is, while it is on or in trouble, or has left something behind.
func autoExport(f *report.Features) (lines []string) {
	a := f.AutoExport
	i := slices.IndexFunc(f.Gates, func(g report.Gate) bool { return g.Name == string(features.AutoExport) })
	switch on := i >= 0 && f.Gates[i].On; {
	case on:
		lines = append(lines, fmt.Sprintf("Auto-export made %s, of %s in %s%s.", amount(a.Made, "ServiceExport"),
			chosen("all Services", "Services with ", a.ServiceSelector), chosen("all namespaces", "namespaces with ", a.NamespaceSelector), except(a.ClusterLocal)))
	case a.Made > 0:
		lines = append(lines, fmt.Sprintf("Auto-export is off; still there of what it made: %s.", amount(a.Made, "ServiceExport")))
	}
	if a.Trouble != "" {
		lines = append(lines, "  ! "+a.Trouble)
	}
	return lines
}

func chosen(all, some, selector string) string {
	if selector == "" {
		return all
	}
	return some + selector
}

// except is the flag that says what else stays in the cluster, or does not, beside what does by default.
func except(patterns []string) string {
	if len(patterns) == 0 {
		return ""
	}
	return "; --cluster-local " + strings.Join(patterns, ",")
}
