package exporter

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/hansa-mcs/hansa/federation"
)

// again takes what a controller is to look at again though no object of its own changed.
type again chan event.TypedGenericEvent[federation.ServiceName]

// look queues services. It reports whether it came to its end before ctx.
func (a again) look(ctx context.Context, names []federation.ServiceName) bool {
	for _, name := range names {
		select {
		case a <- event.TypedGenericEvent[federation.ServiceName]{Object: name}:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// afterTheRest queues a service behind all that changed.
var afterTheRest = handler.TypedFuncs[federation.ServiceName, ctrl.Request]{
	GenericFunc: func(_ context.Context, e event.TypedGenericEvent[federation.ServiceName], q workqueue.TypedRateLimitingInterface[ctrl.Request]) {
		req := ctrl.Request{NamespacedName: types.NamespacedName{Namespace: e.Object.Namespace, Name: e.Object.Name}}
		q.(priorityqueue.PriorityQueue[ctrl.Request]).AddWithOpts(priorityqueue.AddOpts{Priority: new(handler.LowPriority)}, req)
	},
}
