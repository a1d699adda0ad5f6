package exporter

import (
	"context"
	"fmt"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
)

// telling are the changes that auto-export may decide otherwise by: most changes are of a status, and wake nobody.
var telling = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		return !maps.Equal(e.ObjectOld.GetLabels(), e.ObjectNew.GetLabels()) ||
			e.ObjectOld.GetAnnotations()[AutoAnnotation] != e.ObjectNew.GetAnnotations()[AutoAnnotation] ||
			hasKey(e.ObjectOld) != hasKey(e.ObjectNew) ||
			(e.ObjectOld.GetDeletionTimestamp() == nil) != (e.ObjectNew.GetDeletionTimestamp() == nil) ||
			isExternal(e.ObjectOld) != isExternal(e.ObjectNew)
	},
}

func hasKey(o client.Object) bool {
	_, found := o.GetAnnotations()[AutoAnnotation]
	return found
}

func isExternal(o client.Object) bool {
	service, ok := o.(*corev1.Service)
	return ok && service.Spec.Type == corev1.ServiceTypeExternalName
}

// marked are the ServiceExports of the cache that auto-export made.
type marked struct {
	mu    sync.Mutex
	names map[federation.ServiceName]bool
}

// follow keeps them as the cache tells.
func (m *marked) follow(ctx context.Context, from cache.Cache) error {
	informer, err := from.GetInformer(ctx, &mcsv1beta1.ServiceExport{}, cache.BlockUntilSynced(false))
	if err == nil {
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc:    m.set,
			UpdateFunc: func(_, is any) { m.set(is) },
			DeleteFunc: m.remove,
		})
	}
	if err != nil {
		return fmt.Errorf("watching ServiceExports: %w", err)
	}
	return nil
}

func (m *marked) set(o any) {
	export, ok := o.(*mcsv1beta1.ServiceExport)
	if !ok {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if ByAuto(export) {
		m.names[nameOf(export)] = true
	} else {
		delete(m.names, nameOf(export))
	}
}

func (m *marked) remove(o any) {
	if tombstone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
		o = tombstone.Obj
	}
	if export, ok := o.(*mcsv1beta1.ServiceExport); ok {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.names, nameOf(export))
	}
}

func (m *marked) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.names)
}

func (m *marked) all() map[federation.ServiceName]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.names)
}
