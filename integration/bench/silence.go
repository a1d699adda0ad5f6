package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/watch"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// awaitSilence returns when for autoSilence nobody has written a ServiceExport, or anything of the kinds that agents make.
func awaitSilence(ctx context.Context, m *clusterset.Member) error {
	var doors []*door[watch.Event]
	for _, list := range append(clusterset.Kinds(), &mcsv1beta1.ServiceExportList{}) {
		d, err := watchObjects(ctx, m, list, "")
		if err != nil {
			return err
		}
		defer d.close()
		doors = append(doors, d)
	}
	return silent(ctx, autoSilence, doors...)
}

var errSilent = errors.New("it is silent")

// silent returns when no door has shown anything for so long. It forgets what was shown before that.
func silent[T any](ctx context.Context, span time.Duration, doors ...*door[T]) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(span, func() { cancel(errSilent) })
	defer timer.Stop()
	group, ctx := errgroup.WithContext(ctx)
	for _, d := range doors {
		group.Go(func() error {
			_, err := d.await(ctx, "silence", func(T) bool {
				timer.Reset(span)
				return false
			})
			return err
		})
	}
	if err := group.Wait(); !errors.Is(err, errSilent) {
		return err
	}
	return nil
}

// usedByAgent returns the CPU that a member's agent used so far, as it says itself: to 10 ms.
func usedByAgent(ctx context.Context, m *clusterset.Member) (usage, error) {
	text, err := m.Get(ctx, "/metrics")
	if err != nil {
		return usage{}, fmt.Errorf("reading the metrics of the agent of %s: %w", m.Name, err)
	}
	const series = "process_cpu_seconds_total"
	used, there, err := valueOf(text, series)
	if err == nil && !there {
		err = fmt.Errorf("the metrics of the agent of %s have no %s", m.Name, series)
	}
	return usage{At: time.Now(), CPU: time.Duration(used * float64(time.Second))}, err
}

// valueOf returns the value of a series in what /metrics says, and whether the series is there.
func valueOf(text, series string) (value float64, there bool, err error) {
	for line := range strings.Lines(text) {
		if said, ok := strings.CutPrefix(line, series+" "); ok {
			if value, err = strconv.ParseFloat(strings.TrimSpace(said), 64); err != nil {
				return 0, true, fmt.Errorf("%s: %w", strings.TrimSpace(line), err)
			}
			return value, true, nil
		}
	}
	return 0, false, nil
}
