package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
	"github.com/hansa-mcs/hansa/exporter"
	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// autoExport is what it costs to export a whole cluster, of 5,000 Services in 50 namespaces, by turning the gate
// MCSAutoExport on while its agent runs. First pass: the time from right before that write until a watch has shown
// every ServiceExport. Idle: the CPU that the agent takes when all are exported and imported and nothing is written
// any more, in percent of one core. Off: the time from right before the write that turns the gate off until a watch
// has shown that every ServiceExport is gone. There is one sample of each.
//
// The floor of the first pass is the time that a bare client takes to create as many ServiceExports while no agent
// runs; that of idle is the same agent before the gate is turned on.
var autoExport = group{
	name:    "auto-export",
	ids:     []string{"auto-export/first-pass", "auto-export/idle", "auto-export/off"},
	alone:   true,
	measure: measureAutoExport,
}

const (
	autoServices   = 5000
	autoNamespaces = 50
	// autoPrefix begins the names of the namespaces with Services, autoFloorPrefix those of the floor.
	autoPrefix, autoFloorPrefix = "auto", "floor"
	// autoWriters is how many exports an agent creates at once, and the floor too.
	autoWriters = 8
	// autoSilence is how long nothing is written before the agent counts as idle.
	autoSilence = 5 * time.Second
	// autoIdle is how long the idle agent is measured.
	autoIdle = 10 * time.Second
	// autoPatience is how long all of it may take.
	autoPatience = 15 * time.Minute
)

func measureAutoExport(ctx context.Context, b *bench) (rows []row, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, autoPatience, fmt.Errorf("%s passed since auto-export began", autoPatience))
	defer cancel()
	set, err := clusterset.Start(ctx, clusterset.Config{Clusters: []string{"east"}, Output: b.progress})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, set.Stop()) }()
	east := set.Member("east")
	created, err := fillWithoutAgent(ctx, b, east)
	if err != nil {
		return nil, err
	}
	before, err := idleCPU(ctx, east)
	if err != nil {
		return nil, err
	}
	passed, err := turnOn(ctx, b, east)
	if err != nil {
		return nil, err
	}
	after, err := idleCPU(ctx, east)
	if err != nil {
		return nil, err
	}
	withdrawn, err := turnOff(ctx, east)
	if err != nil {
		return nil, err
	}
	first, off := seconds("auto-export/first-pass", passed), seconds("auto-export/off", withdrawn)
	first.floor = created.Seconds()
	return []row{first, {id: "auto-export/idle", value: after, unit: "%", floor: before}, off}, nil
}

// fillWithoutAgent makes the Services, and returns how long a bare client takes to create the like of their exports.
// Meanwhile the agent is stopped, as it would answer each of them with a status.
func fillWithoutAgent(ctx context.Context, b *bench, m *clusterset.Member) (floor time.Duration, err error) {
	if err := m.StopAgent(); err != nil {
		return 0, err
	}
	for i := range autoNamespaces {
		for _, prefix := range []string{autoPrefix, autoFloorPrefix} {
			if err := createNamespace(ctx, autoNamespace(prefix, i), m); err != nil {
				return 0, err
			}
		}
	}
	err = each(ctx, autoServices, manyWriters, func(ctx context.Context, i int) error { return create(ctx, m, autoService(i)...) })
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(b.progress, "auto-export: there are %d Services in %d namespaces\n", autoServices, autoNamespaces)
	began := time.Now()
	err = each(ctx, autoServices, autoWriters, func(ctx context.Context, i int) error {
		return create(ctx, m, exportOf(autoNamespace(autoFloorPrefix, i), autoName(i)))
	})
	if err != nil {
		return 0, err
	}
	floor = time.Since(began)
	for i := range autoNamespaces {
		if err := m.Client.DeleteAllOf(ctx, &mcsv1beta1.ServiceExport{}, client.InNamespace(autoNamespace(autoFloorPrefix, i))); err != nil {
			return 0, fmt.Errorf("deleting the floor's ServiceExports: %w", err)
		}
	}
	return floor, m.StartAgent(ctx)
}

func autoNamespace(prefix string, i int) string {
	return fmt.Sprintf("%s-%d", prefix, i%autoNamespaces)
}

// autoName is of no other Service, in whichever namespace: counting tells objects by their names.
func autoName(i int) string { return fmt.Sprintf("web-%d", i) }

// autoService is a Service with one endpoint.
func autoService(i int) []client.Object {
	return exportedIn(autoNamespace(autoPrefix, i), autoName(i), 80, netip.AddrFrom4([4]byte{10, 203, byte(i >> 8), byte(i)}))
}

// gateMap is the ConfigMap that turns the gate.
func gateMap(value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: agent.Defaults().Namespace, Name: features.ConfigMap},
		Data:       map[string]string{string(features.AutoExport): value},
	}
}

// turnOn turns the gate on, returns how long the first pass took, and waits until every Service is imported.
func turnOn(ctx context.Context, b *bench, m *clusterset.Member) (time.Duration, error) {
	marked := client.HasLabels{exporter.AutoLabel}
	_, seen, err := race(ctx, func(ctx context.Context) error { return create(ctx, m, gateMap("true")) },
		view{m, &mcsv1beta1.ServiceExportList{}, "", marked, counting(autoServices, anyExport)},
		view{m, &mcsv1beta1.ServiceExportList{}, "", marked, counting(autoServices, isExported)},
		view{m, &mcsv1beta1.ServiceImportList{}, "", clusterset.Made, counting(autoServices, isReady)},
	)
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(b.progress, "auto-export: all exports are there after %.1f s, ready after %.1f s, imported after %.1f s\n",
		seen[0].Seconds(), seen[1].Seconds(), seen[2].Seconds())
	return seen[0], nil
}

// turnOff turns the gate off, and returns how long it took until no export was left.
func turnOff(ctx context.Context, m *clusterset.Member) (time.Duration, error) {
	off := func(ctx context.Context) error {
		if err := m.Client.Update(ctx, gateMap("false")); err != nil {
			return fmt.Errorf("updating ConfigMap %s: %w", features.ConfigMap, err)
		}
		return nil
	}
	_, seen, err := race(ctx, off,
		view{m, &mcsv1beta1.ServiceExportList{}, "", client.HasLabels{exporter.AutoLabel}, counting(0, anyExport)})
	if err != nil {
		return 0, err
	}
	return seen[0], nil
}

// isExported reports whether an export is one that other clusters import, and nothing more is to be said of it.
func isExported(e *mcsv1beta1.ServiceExport) bool {
	ready := meta.FindStatusCondition(e.Status.Conditions, string(mcsv1beta1.ServiceExportConditionReady))
	return isSettled(e) && ready.Reason == string(mcsv1beta1.ServiceExportReasonExported)
}

// idleCPU waits until nothing is written any more, and returns what a member's agent takes then, in percent of a core.
func idleCPU(ctx context.Context, m *clusterset.Member) (float64, error) {
	if err := awaitSilence(ctx, m); err != nil {
		return 0, err
	}
	before, err := usedByAgent(ctx, m)
	if err != nil {
		return 0, err
	}
	if err := sleep(ctx, autoIdle); err != nil {
		return 0, err
	}
	after, err := usedByAgent(ctx, m)
	return before.share(after), err
}
