package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// export is the way of a ServiceExport. Import: one is created in east, for a Service that was there; the time
// until watches of ServiceImports have shown it, with an address, in every cluster. Conflict: then one of the
// same name is created in west, whose Service has another port; the time until watches have shown Conflict=True
// on both. The floor is the time until a bare watch where it is created shows the ServiceExport itself, which
// nobody can beat who learns of it from the API server. All times start right before the creation begins.
var export = group{name: "export", ids: seriesIDs("export/floor", "export/import", "export/conflict"), measure: measureExport}

const exportNamespace = "export"

// exportCourse is where exports are created, and all that shows what came of them.
type exportCourse struct {
	members        []*clusterset.Member
	east, west     *clusterset.Member
	inEast, inWest *door[watch.Event]   // the ServiceExports
	imports        []*door[watch.Event] // of every member
	used           int                  // names so far
}

// exportTimes are how long after its creation an export had been shown, and what came of it: the first one's
// import, and the second one's conflict.
type exportTimes struct{ floor, imported, conflictFloor, conflict time.Duration }

func measureExport(ctx context.Context, b *bench) (rows []row, err error) {
	c, err := openExportCourse(ctx, b)
	if err != nil {
		return nil, err
	}
	defer c.close()
	var all []exportTimes
	for i := range warmUp + b.samples {
		t, err := c.round(ctx)
		if err != nil {
			return nil, fmt.Errorf("export %d: %w", i+1, err)
		}
		if i >= warmUp {
			all = append(all, t)
		}
		if done := i + 1; done%100 == 0 || done == warmUp+b.samples {
			fmt.Fprintf(b.progress, "export: %d of %d rounds\n", done, warmUp+b.samples)
		}
	}
	floor := series(all, func(t exportTimes) time.Duration { return t.floor })
	return slices.Concat(
		latencies("export/floor", floor, nil),
		latencies("export/import", series(all, func(t exportTimes) time.Duration { return t.imported }), floor),
		latencies("export/conflict", series(all, func(t exportTimes) time.Duration { return t.conflict }),
			series(all, func(t exportTimes) time.Duration { return t.conflictFloor })),
	), nil
}

func openExportCourse(ctx context.Context, b *bench) (c *exportCourse, err error) {
	c = &exportCourse{members: b.set.Members(), east: b.set.Member("east"), west: b.set.Member("west")}
	if err := createNamespace(ctx, exportNamespace, c.members...); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.inEast, err = watchObjects(ctx, c.east, &mcsv1beta1.ServiceExportList{}, exportNamespace); err != nil {
		return nil, err
	}
	if c.inWest, err = watchObjects(ctx, c.west, &mcsv1beta1.ServiceExportList{}, exportNamespace); err != nil {
		return nil, err
	}
	for _, m := range c.members {
		d, err := watchObjects(ctx, m, &mcsv1beta1.ServiceImportList{}, exportNamespace)
		if err != nil {
			return nil, err
		}
		c.imports = append(c.imports, d)
	}
	return c, nil
}

func (c *exportCourse) close() {
	for _, d := range append(c.imports, c.inEast, c.inWest) {
		if d != nil {
			d.close()
		}
	}
}

// round takes both times with a name that was never used: one that comes back would find its address. It
// leaves nothing behind but the resting addresses.
func (c *exportCourse) round(ctx context.Context) (t exportTimes, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 3*patience, fmt.Errorf("%s passed since the round began", 3*patience))
	defer cancel()
	c.used++
	name := fmt.Sprintf("web-%d", c.used)
	if err := errors.Join(create(ctx, c.east, exported(name, 80)...), create(ctx, c.west, exported(name, 81)...)); err != nil {
		return t, err
	}
	if t.floor, t.imported, err = c.timeImport(ctx, name); err != nil {
		return t, err
	}
	if err := c.settle(ctx, name); err != nil {
		return t, err
	}
	if t.conflictFloor, t.conflict, err = c.timeConflict(ctx, name); err != nil {
		return t, err
	}
	return t, c.withdraw(ctx, name)
}

// exported is a Service with one EndpointSlice, still without a ServiceExport.
func exported(name string, port int32) []client.Object {
	return exportedIn(exportNamespace, name, port, netip.AddrFrom4([4]byte{10, 201, 0, 1}))
}

func exportedIn(namespace, name string, port int32, addresses ...netip.Addr) []client.Object {
	var endpoints []discoveryv1.Endpoint
	for _, a := range addresses {
		endpoints = append(endpoints, discoveryv1.Endpoint{Addresses: []string{a.String()}})
	}
	return []client.Object{
		&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: port}}},
		},
		&discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace, Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: name},
			},
			AddressType: discoveryv1.AddressTypeIPv4,
			Endpoints:   endpoints,
			Ports:       []discoveryv1.EndpointPort{{Name: new("http"), Port: new(port)}},
		},
	}
}

func exportOf(namespace, name string) *mcsv1beta1.ServiceExport {
	return &mcsv1beta1.ServiceExport{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

// timeImport exports the service from east.
func (c *exportCourse) timeImport(ctx context.Context, name string) (floor, imported time.Duration, err error) {
	if err := sleep(ctx, pause); err != nil {
		return 0, 0, err
	}
	var shown time.Time
	seen := make([]time.Time, len(c.imports))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		shown, err = c.inEast.await(ctx, name, showing(name, anyExport))
		return err
	})
	for i, d := range c.imports {
		group.Go(func() (err error) {
			seen[i], err = d.await(ctx, name, showing(name, hasAddress))
			return err
		})
	}
	began := time.Now()
	group.Go(func() error { return create(ctx, c.east, exportOf(exportNamespace, name)) })
	if err := group.Wait(); err != nil {
		return 0, 0, err
	}
	return shown.Sub(began), slices.MaxFunc(seen, time.Time.Compare).Sub(began), nil
}

// settle waits until all is said of the export from east, so that the next time is of the next change alone.
func (c *exportCourse) settle(ctx context.Context, name string) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, d := range c.imports {
		group.Go(func() error {
			_, err := d.await(ctx, name+" ready", showing(name, isReady))
			return err
		})
	}
	group.Go(func() error {
		_, err := c.inEast.await(ctx, name+" without conflict", showing(name, isSettled))
		return err
	})
	return group.Wait()
}

// timeConflict exports the service from west too.
func (c *exportCourse) timeConflict(ctx context.Context, name string) (floor, conflict time.Duration, err error) {
	if err := sleep(ctx, pause); err != nil {
		return 0, 0, err
	}
	var shown, east, west time.Time
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		east, err = c.inEast.await(ctx, name+" in conflict", showing(name, conflicts))
		return err
	})
	group.Go(func() (err error) {
		if shown, err = c.inWest.await(ctx, name, showing(name, anyExport)); err != nil {
			return err
		}
		west, err = c.inWest.await(ctx, name+" in conflict", showing(name, conflicts))
		return err
	})
	began := time.Now()
	group.Go(func() error { return create(ctx, c.west, exportOf(exportNamespace, name)) })
	if err := group.Wait(); err != nil {
		return 0, 0, err
	}
	return shown.Sub(began), slices.MaxFunc([]time.Time{east, west}, time.Time.Compare).Sub(began), nil
}

// withdraw deletes what round made, and waits until the agents have.
func (c *exportCourse) withdraw(ctx context.Context, name string) error {
	for _, m := range []*clusterset.Member{c.east, c.west} {
		if err := remove(ctx, m, append([]client.Object{exportOf(exportNamespace, name)}, exported(name, 0)...)...); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, m := range c.members {
		group.Go(func() error { return m.AwaitWithdrawn(ctx, exportNamespace, name) })
	}
	return group.Wait()
}

func anyExport(*mcsv1beta1.ServiceExport) bool { return true }

func conflicts(e *mcsv1beta1.ServiceExport) bool {
	return meta.IsStatusConditionTrue(e.Status.Conditions, string(mcsv1beta1.ServiceExportConditionConflict))
}

// isSettled reports whether all agents' words on an export without conflict are said.
func isSettled(e *mcsv1beta1.ServiceExport) bool {
	return meta.IsStatusConditionTrue(e.Status.Conditions, string(mcsv1beta1.ServiceExportConditionReady)) &&
		meta.IsStatusConditionFalse(e.Status.Conditions, string(mcsv1beta1.ServiceExportConditionConflict))
}

func hasAddress(si *mcsv1beta1.ServiceImport) bool { return len(si.Spec.IPs) > 0 }

func isReady(si *mcsv1beta1.ServiceImport) bool {
	return hasAddress(si) && meta.IsStatusConditionTrue(si.Status.Conditions, string(mcsv1beta1.ServiceImportConditionReady))
}
