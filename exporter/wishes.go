package exporter

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
)

// The annotations of a ServiceExport that say who may see the service, for how long it is used while this cluster is not
// heard, and how its traffic finds its way among the clusters. They are of the object itself, and not among those that it
// exports.
const (
	ConsumersAnnotation = "hansa.dev/consumers"
	demoteAnnotation    = "hansa.dev/demote-after"
	withdrawAnnotation  = "hansa.dev/withdraw-after"
	preferAnnotation    = "hansa.dev/prefer"
	weightsAnnotation   = "hansa.dev/weights"
	healthyAnnotation   = "hansa.dev/min-healthy"
)

// annotations are all of ours that a ServiceExport may have.
var annotations = []string{ConsumersAnnotation, demoteAnnotation, withdrawAnnotation, preferAnnotation, weightsAnnotation, healthyAnnotation}

// wishes are what the annotations say. What is not given is zero: all may see the service, importers have times
// of their own, and the nearest clusters serve.
type wishes struct {
	consumers []string // sorted, each once
	quiet     federation.Quiet
	steering  federation.Steering

	mistakes []string        // what is wrong with each annotation that cannot be read, and what else members would refuse
	kept     map[string]bool // the annotations for which the former word stands, or of steering the default
	instead  []string        // what is exported in the place of what members would refuse
}

// wishesOf reads each annotation on its own: one that cannot be read keeps none of the others from taking effect, and
// for it stands what former says; but for one of steering the default, which sends traffic nowhere that it would not go
// without.
func wishesOf(export *mcsv1beta1.ServiceExport, former *federation.Export) wishes {
	if former == nil {
		former = &federation.Export{}
	}
	w := wishes{kept: map[string]bool{}}
	w.consumers = word(&w, export, ConsumersAnnotation, ParseConsumers, slices.Clone(former.Consumers))
	w.quiet.Demote = word(&w, export, demoteAnnotation, delay(""), former.Quiet.Demote)
	w.quiet.Withdraw = word(&w, export, withdrawAnnotation, delay(", or 0 for never"), former.Quiet.Withdraw)
	w.order(export, former.Quiet)
	w.steering.Prefer = word(&w, export, preferAnnotation, federation.ParsePrefer, nil)
	w.steering.Weights = word(&w, export, weightsAnnotation, federation.ParseWeights, nil)
	w.steering.MinHealthy = word(&w, export, healthyAnnotation, federation.ParseShare, 0)
	w.strangers(export, former.Consumers)
	return w
}

// strangers refuses annotations of ours that do not exist: who mistypes one wants to keep a service from somebody, so
// without a list it is offered to nobody new.
func (w *wishes) strangers(export *mcsv1beta1.ServiceExport, former []string) {
	for _, key := range slices.Sorted(maps.Keys(export.Annotations)) {
		if !strings.HasPrefix(key, "hansa.dev/") || slices.Contains(annotations, key) {
			continue
		}
		w.mistakes = append(w.mistakes, fmt.Sprintf("annotation %s is not known: want %s", clip(key, maxKeys), strings.Join(annotations, ", ")))
		if _, given := export.Annotations[ConsumersAnnotation]; !given {
			w.kept[ConsumersAnnotation], w.consumers = true, slices.Clone(former)
		}
	}
}

// word returns what an annotation says, the zero value if it is not given, and former if it cannot be read.
func word[T any](w *wishes, export *mcsv1beta1.ServiceExport, annotation string, read func(text string) (T, error), former T) (said T) {
	text, found := export.Annotations[annotation]
	if !found {
		return said
	}
	said, err := read(text)
	if err != nil {
		w.mistake(export, annotation, err)
		return former
	}
	return said
}

// mistake notes why an annotation cannot be read, with its value and what is expected.
func (w *wishes) mistake(export *mcsv1beta1.ServiceExport, annotation string, why error) {
	w.kept[annotation] = true
	w.mistakes = append(w.mistakes, fmt.Sprintf("annotation %s %q: %s", annotation, clip(export.Annotations[annotation], maxKeys), why))
}

// order refuses endpoints that are to go before they would be demoted: the former time of the second stands, and if
// that is too short for the first one too, both do.
func (w *wishes) order(export *mcsv1beta1.ServiceExport, former federation.Quiet) {
	if !disordered(w.quiet) {
		return
	}
	if !w.kept[withdrawAnnotation] {
		w.mistake(export, withdrawAnnotation, errors.New("want at least the "+w.quiet.Demote.After.String()+" of "+demoteAnnotation+", or 0 for never"))
		w.quiet.Withdraw = former.Withdraw
	}
	if disordered(w.quiet) {
		w.kept[demoteAnnotation] = true
		w.quiet.Demote = former.Demote
	}
}

func disordered(q federation.Quiet) bool {
	return q.Withdraw.After != 0 && q.Withdraw.After < q.Demote.After
}

// heed takes note of what members would have refused beside the annotations.
func (w *wishes) heed(faults []federation.Fault) {
	for _, f := range faults {
		w.mistakes, w.instead = append(w.mistakes, f.Err.Error()), append(w.instead, f.Instead)
	}
}

// meanwhile says what goes on for each annotation of which the former word stands, and for what members would refuse.
func (w *wishes) meanwhile() string {
	var list []string
	if holds := w.holds(); len(holds) > 0 {
		list = append(list, strings.Join(holds, " and ")+" holds")
	}
	if len(w.instead) > 0 {
		list = append(list, "it is exported "+strings.Join(w.instead, " and "))
	}
	if len(list) == 0 {
		return "meanwhile endpoints follow"
	}
	return "meanwhile " + strings.Join(list, ", ") + ", and endpoints follow"
}

// holds returns what is obeyed in the place of each annotation that cannot be read.
func (w *wishes) holds() []string {
	var list []string
	if w.kept[ConsumersAnnotation] {
		if len(w.consumers) > 0 {
			list = append(list, fmt.Sprintf("the former list %q", clip(strings.Join(w.consumers, ","), maxKeys)))
		} else {
			list = append(list, "the former list of all clusters")
		}
	}
	for _, time := range []struct {
		annotation, flag string
		federation.Delay
	}{{demoteAnnotation, "--demote-after", w.quiet.Demote}, {withdrawAnnotation, "--withdraw-after", w.quiet.Withdraw}} {
		switch {
		case w.kept[time.annotation] && time.Given:
			list = append(list, fmt.Sprintf("the former %s of %s", time.After, time.annotation))
		case w.kept[time.annotation]:
			list = append(list, "each importer's own "+time.flag)
		}
	}
	for _, annotation := range []string{preferAnnotation, weightsAnnotation, healthyAnnotation} {
		if w.kept[annotation] {
			list = append(list, "the default of "+annotation)
		}
	}
	return list
}

// ParseConsumers reads a list of clusters, as ConsumersAnnotation has it. One that is empty, or has an empty place, is more likely a slip than meant: who
// wants that nobody sees a service does not export it.
func ParseConsumers(text string) ([]string, error) {
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if _, err := federation.ParseClusterID(strings.ReplaceAll(item, "*", "x")); err != nil {
			return nil, fmt.Errorf("want cluster IDs, or globs such as eu-*, separated by commas; %q is neither", clip(item, maxKeys))
		}
		list = append(list, item)
	}
	slices.Sort(list)
	if list = slices.Compact(list); len(list) > federation.MaxConsumers {
		return nil, fmt.Errorf("want at most %d cluster IDs or globs; these are %d", federation.MaxConsumers, len(list))
	}
	return list, nil
}

// delay returns what reads a time; more is what else than a duration is expected.
func delay(more string) func(text string) (federation.Delay, error) {
	return func(text string) (federation.Delay, error) {
		after, err := time.ParseDuration(strings.TrimSpace(text))
		if err != nil || after < 0 || after > federation.MaxDelay || after%time.Second != 0 {
			return federation.Delay{}, fmt.Errorf("want a duration in whole seconds such as 30s or 10m, at most %.0fh%s", federation.MaxDelay.Hours(), more)
		}
		return federation.Delay{Given: true, After: after}, nil
	}
}
