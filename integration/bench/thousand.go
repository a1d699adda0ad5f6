package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// thousand is what a cluster that exports all that it has at once costs: a thousand ServiceExports are created
// in east, for Services that were there. All times start right before the first creation begins, and end when
// it was the last: of the creations themselves; of what west makes of them, ServiceImports that are ready,
// derived Services and EndpointSlices; of their status in east. Then what the agents have resident, and the
// time from the first deletion until west has no ServiceImport. There is one sample of each.
//
// The floor of west is the time that bare server-side applies of the like take there.
var thousand = group{
	name: "thousand",
	ids: slices.Concat(
		[]string{"thousand/exports/create", "thousand/west/all", "thousand/east/status"}, memoryIDs("thousand/memory"), []string{"thousand/withdraw"},
	),
	measure: measureThousand,
}

const (
	manyNamespace = "thousand"
	many          = 1000
	// manyWriters is how many exports are created, or deleted, at once.
	manyWriters = 16
	// manyPatience is how long the agents may take.
	manyPatience = 5 * time.Minute
)

func measureThousand(ctx context.Context, b *bench) ([]row, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 4*manyPatience, fmt.Errorf("%s passed since the thousand began", 4*manyPatience))
	defer cancel()
	east, west := b.set.Member("east"), b.set.Member("west")
	if err := createNamespace(ctx, manyNamespace, b.set.Members()...); err != nil {
		return nil, err
	}
	err := each(ctx, many, manyWriters, func(ctx context.Context, i int) error { return create(ctx, east, manyService(i)...) })
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(b.progress, "thousand: east has %d Services\n", many)
	rows, err := exportMany(ctx, east, west)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(b.progress, "thousand: all are imported")
	resident, err := memoryRows(b, "thousand/memory")
	if err != nil {
		return nil, err
	}
	like, err := likeMade(ctx, west)
	if err != nil {
		return nil, err
	}
	withdrawn, err := withdrawMany(ctx, east, west)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(b.progress, "thousand: all are withdrawn")
	floor, err := timeApplies(ctx, west, like)
	if err != nil {
		return nil, err
	}
	rows[1].floor = floor.Seconds()
	return slices.Concat(rows, resident, []row{withdrawn}), nil
}

func manyName(i int) string { return fmt.Sprintf("web-%d", i) }

func manyService(i int) []client.Object {
	return exportedIn(manyNamespace, manyName(i), 80, netip.AddrFrom4([4]byte{10, 202, byte(i >> 8), byte(i)}))
}

// seconds is a row of one time.
func seconds(id string, took time.Duration) row { return row{id: id, value: took.Seconds(), unit: "s"} }

// each calls do for every number below n, so many at once.
func each(ctx context.Context, n, atOnce int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range n {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

// exportMany exports all that east has, and returns the rows of the time that it took, that west took, and
// that their status took.
func exportMany(ctx context.Context, east, west *clusterset.Member) ([]row, error) {
	made := client.HasLabels{mcsv1beta1.LabelServiceName}
	export := func(ctx context.Context) error {
		return each(ctx, many, manyWriters, func(ctx context.Context, i int) error {
			return create(ctx, east, exportOf(manyNamespace, manyName(i)))
		})
	}
	written, seen, err := race(ctx, export,
		view{east, &mcsv1beta1.ServiceExportList{}, manyNamespace, nil, counting(many, isSettled)},
		view{west, &mcsv1beta1.ServiceImportList{}, manyNamespace, made, counting(many, isReady)},
		view{west, &corev1.ServiceList{}, manyNamespace, made, counting(many, isAllocated)},
		view{west, &discoveryv1.EndpointSliceList{}, manyNamespace, made, counting(many, isFilled)},
	)
	if err != nil {
		return nil, err
	}
	return []row{
		seconds("thousand/exports/create", written),
		seconds("thousand/west/all", slices.Max(seen[1:])),
		seconds("thousand/east/status", seen[0]),
	}, nil
}

// withdrawMany deletes all exports, and then what they were of.
func withdrawMany(ctx context.Context, east, west *clusterset.Member) (row, error) {
	withdraw := func(ctx context.Context) error {
		return each(ctx, many, manyWriters, func(ctx context.Context, i int) error {
			return remove(ctx, east, exportOf(manyNamespace, manyName(i)))
		})
	}
	_, seen, err := race(ctx, withdraw,
		view{west, &mcsv1beta1.ServiceImportList{}, manyNamespace, nil, counting(0, func(*mcsv1beta1.ServiceImport) bool { return true })})
	if err != nil {
		return row{}, err
	}
	return seconds("thousand/withdraw", seen[0]), each(ctx, many, manyWriters, func(ctx context.Context, i int) error { return remove(ctx, east, manyService(i)...) })
}

// view is objects of one kind in a member, and how all of them are to become.
type view struct {
	member    *clusterset.Member
	list      client.ObjectList
	namespace string // "" for all
	labels    client.HasLabels
	all       func(watch.Event) bool
}

// race does something. It returns after what time that was over, and after what time each view had become as
// wanted, from right before it began.
func race(ctx context.Context, do func(context.Context) error, views ...view) (over time.Duration, seen []time.Duration, err error) {
	var doors []*door[watch.Event]
	for _, v := range views {
		d, err := watchObjects(ctx, v.member, v.list, v.namespace, v.labels)
		if err != nil {
			return 0, nil, err
		}
		defer d.close()
		doors = append(doors, d)
	}
	at := make([]time.Time, len(views))
	group, ctx := errgroup.WithContext(ctx)
	for i, d := range doors {
		group.Go(func() (err error) {
			at[i], err = d.await(ctx, "all as wanted", views[i].all)
			return err
		})
	}
	began := time.Now()
	group.Go(func() error {
		err := do(ctx)
		over = time.Since(began)
		return err
	})
	if err := group.Wait(); err != nil {
		return 0, nil, err
	}
	for _, t := range at {
		seen = append(seen, t.Sub(began))
	}
	return over, seen, nil
}

func isAllocated(s *corev1.Service) bool { return s.Spec.ClusterIP != "" }

func isFilled(s *discoveryv1.EndpointSlice) bool { return len(s.Endpoints) > 0 }
