package kube

import (
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// Why a service is blocked.
const (
	// BlockedByForeignObject means that somebody else's object has a name that the import needs.
	BlockedByForeignObject = "foreign_object"
	// BlockedByRefusal means that the API server refuses a write.
	BlockedByRefusal = "refused"
)

// Blocked knows which services are not, or not wholly, imported here, and why: Events end after an hour, what
// they told of may stand. The zero value knows none. Safe for use by several goroutines.
type Blocked struct {
	mu      sync.Mutex
	foreign map[federation.ServiceName]types.UID // of the object that was told to be in the way
	refused map[federation.ServiceName]refusal
}

// Count returns how many services are blocked, for each reason.
func (b *Blocked) Count() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return map[string]int{BlockedByForeignObject: len(b.foreign), BlockedByRefusal: len(b.refused)}
}

// Why says in words what keeps a service from being imported, or wholly so; "" for nothing.
func (b *Blocked) Why(name federation.ServiceName) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r, known := b.refused[name]; known {
		return r.String()
	}
	if _, known := b.foreign[name]; known {
		return "an object that is not Hansa's has a name that the import needs; an Event on that object says which"
	}
	return ""
}

// by notes which object is in a service's way, nil for none any more, and returns whether that is news.
func (b *Blocked) by(name federation.ServiceName, foreign client.Object) (news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if foreign == nil {
		delete(b.foreign, name)
		return false
	}
	if b.foreign == nil {
		b.foreign = map[federation.ServiceName]types.UID{}
	}
	before, known := b.foreign[name]
	b.foreign[name] = foreign.GetUID()
	return !known || before != foreign.GetUID()
}

// leaveAlone says, once for each object, that a service cannot be imported as somebody else has its names. A
// foreign derived Service, whose name tells nothing, is remembered: when it changes, the service is looked at.
func (d *door) leaveAlone(name federation.ServiceName, want *importer.Service, now Current) {
	foreign := now.foreign()
	if want == nil || foreign == nil {
		d.inWay.Delete(derivedKey(name))
		d.blocked.by(name, nil)
		return
	}
	if foreign == client.Object(now.Derived) {
		d.inWay.Store(derivedKey(name), name)
	}
	if !d.blocked.by(name, foreign) {
		return
	}
	d.log.Warn("not imported: an object that is not ours has the name", "service", name.String(),
		"object", fmt.Sprintf("%T %s", foreign, foreign.GetName()))
	d.teller.warn(foreign, reasonNotImported, fmt.Sprintf("service %s is exported in the clusterset and not imported here, as this object has its name; %s", name, remedy(foreign)))
}

// remedy says what the owner of an object that is in our way can do.
func remedy(foreign client.Object) string {
	if service, ok := foreign.(*corev1.Service); ok && service.Spec.ClusterIP == corev1.ClusterIPNone {
		return "delete it: it is headless, so it cannot be taken over"
	}
	return fmt.Sprintf("delete it, or annotate it with %s: \"true\" to hand it over", adoptAnnotation)
}
