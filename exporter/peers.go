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

// followPeers has all that this cluster exports looked at again whenever clearly more other clusters are known
// than ever since the start, until ctx ends.
func (x *exporter) followPeers(ctx context.Context) {
	for told := 0; ; {
		joined := x.Store.Joined()
		if n := x.Store.Peers(); clearlyMore(n, told) {
			told = n
			if !x.lookAgain(ctx, x.exported()) {
				return
			}
		}
		select {
		case <-joined:
		case <-ctx.Done():
			return
		}
	}
}

// clearlyMore counts few clusters exactly and many roughly: each time all statuses are written, and a
// clusterset of a hundred must not have them written a hundred times while it forms.
func clearlyMore(n, told int) bool { return n > told && (n <= 8 || n >= 2*told) }

// exported returns the names of what the Store holds of this cluster.
func (x *exporter) exported() []federation.ServiceName {
	var names []federation.ServiceName
	if all := x.Store.SeenBy(x.Store.Self()).Against(x.Store.Self(), nil); all != nil {
		for _, r := range all.Put {
			names = append(names, r.Name)
		}
	}
	return names
}

// lookAgain queues services. It reports whether it came to its end before ctx.
func (x *exporter) lookAgain(ctx context.Context, names []federation.ServiceName) bool {
	for _, name := range names {
		select {
		case x.again <- event.TypedGenericEvent[federation.ServiceName]{Object: name}:
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
