package kube

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	corev1 "k8s.io/api/core/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/rule"
)

// kind is a Definition that is there, gone, or unreadable.
type kind struct {
	served bool
	err    error
	asked  int
}

func (c *kind) Served(context.Context) (bool, error) {
	c.asked++
	return c.served, c.err
}

func (c *kind) Returned() <-chan struct{} { return nil }

// TestAVanishedImportIsMadeAnewOnlyIfItsKindStays: else an agent and an API server that removes the CRD work
// against each other. All other objects are kept meanwhile, and whoever is new is not asked for.
func TestAVanishedImportIsMadeAnewOnlyIfItsKindStays(t *testing.T) {
	rule.Covers(t, "I12")
	definition := &kind{served: true}
	d := &door{definition: definition, log: slog.New(slog.DiscardHandler)}
	changes := func() []Change {
		return []Change{{Verb: Apply, Object: &corev1.Service{}}, {Verb: Apply, Object: &mcsv1beta1.ServiceImport{}}, {Verb: ApplyStatus, Object: &mcsv1beta1.ServiceImport{}}}
	}
	there := Current{Import: &mcsv1beta1.ServiceImport{}}
	there.Import.Labels = marks(web)
	want := merged(t, one)
	for _, step := range []struct {
		what        string
		served      bool
		err         error
		now         Current
		left, asked int
	}{
		{"new, so nobody is asked", false, nil, Current{}, 3, 0},
		{"there", false, nil, there, 3, 0},
		{"deleted by hand", true, nil, Current{}, 3, 1},
		{"deleted with its kind", false, nil, Current{}, 1, 2},
		{"unreadable", false, errors.New("no answer"), Current{}, 1, 3},
	} {
		definition.served, definition.err = step.served, step.err
		got, err := d.allowed(t.Context(), web, want, step.now, changes())
		if len(got) != step.left || definition.asked != step.asked || (err != nil) != (step.err != nil) {
			t.Errorf("%s: %d changes, asked %d times, error %v", step.what, len(got), definition.asked, err)
		}
	}
	if lost := d.imports.takeLost(); len(lost) != 1 || len(d.imports.takeLost()) != 0 {
		t.Errorf("lost are %v", lost)
	}
}
