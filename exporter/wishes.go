package exporter

import (
	"errors"
	"fmt"
	"strings"
	"time"

	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
)

// The annotations of a ServiceExport that say who may see the service, and for how long it is used while this
// cluster is not heard. They are of the object itself, and not among those that it exports.
const (
	consumersAnnotation = "hansa.dev/consumers"
	demoteAnnotation    = "hansa.dev/demote-after"
	withdrawAnnotation  = "hansa.dev/withdraw-after"
)

// wishes are what the annotations say. What is not given is zero: all may see the service, and importers have times
// of their own.
type wishes struct {
	consumers []string
	quiet     federation.Quiet
}

// wishesOf reads the annotations. The error names the one that cannot be read, its value and what is expected.
func wishesOf(export *mcsv1beta1.ServiceExport) (w wishes, err error) {
	read := func(annotation string, into func(text string) error) {
		text, found := export.Annotations[annotation]
		if !found || err != nil {
			return
		}
		if mistake := into(text); mistake != nil {
			err = fmt.Errorf("annotation %s %q: %w", annotation, clip(text, maxKeys), mistake)
		}
	}
	read(consumersAnnotation, func(text string) (err error) { w.consumers, err = consumers(text); return err })
	read(demoteAnnotation, func(text string) (err error) { w.quiet.Demote, err = delay(text, ""); return err })
	read(withdrawAnnotation, func(text string) (err error) { w.quiet.Withdraw, err = delay(text, ", or 0 for never"); return err })
	read(withdrawAnnotation, func(string) error { return ordered(w.quiet) })
	return w, err
}

// consumers reads a list of clusters. One that is empty, or has an empty place, is more likely a slip than meant: who
// wants that nobody sees a service does not export it.
func consumers(text string) ([]string, error) {
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if _, err := federation.ParseClusterID(strings.ReplaceAll(item, "*", "x")); err != nil {
			return nil, fmt.Errorf("want cluster IDs, or globs such as eu-*, separated by commas; %q is neither", clip(item, maxKeys))
		}
		list = append(list, item)
	}
	return list, nil
}

func delay(text, more string) (federation.Delay, error) {
	after, err := time.ParseDuration(strings.TrimSpace(text))
	if err != nil || after < 0 || after > federation.MaxDelay || after%time.Second != 0 {
		return federation.Delay{}, fmt.Errorf("want a duration in whole seconds such as 30s or 10m, at most %.0fh%s", federation.MaxDelay.Hours(), more)
	}
	return federation.Delay{Given: true, After: after}, nil
}

// ordered refuses endpoints that are to go before they would be demoted.
func ordered(q federation.Quiet) error {
	if q.Withdraw.After != 0 && q.Withdraw.After < q.Demote.After {
		return errors.New("want at least the " + q.Demote.After.String() + " of " + demoteAnnotation + ", or 0 for never")
	}
	return nil
}
