package preview

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/exporter"
)

// AutoScene is what is there of a namespace or of all, and the rules of auto-export.
type AutoScene struct {
	Rules      exporter.AutoRules
	Namespaces []corev1.Namespace
	Services   []corev1.Service
	Exports    []mcsv1beta1.ServiceExport
	Gates      []report.Gate
}

// Auto is what auto-export would do, were it on.
type Auto struct {
	On       bool          `json:"on"`     // it is
	Idle     string        `json:"idle"`   // why it does nothing though it is, "" if it does
	Create   int           `json:"create"` // how many ServiceExports
	Delete   int           `json:"delete"`
	Services []AutoService `json:"services"` // all, by namespace and name
}

// AutoService is what auto-export would do about one name, and why.
type AutoService struct {
	Namespace string              `json:"namespace"`
	Name      string              `json:"name"`
	Action    exporter.AutoAction `json:"action"`
	Why       string              `json:"why"`
}

// Preview returns what auto-export would do, by the function by which agents themselves decide.
func (s AutoScene) Preview() *Auto {
	namespaces, services, exports := byKey(s.Namespaces), byKey(s.Services), byKey(s.Exports)
	keys := maps.Clone(exports)
	for key := range services {
		keys[key] = nil
	}
	a := &Auto{Services: []AutoService{}}
	if g := gate(s.Gates, features.AutoExport); g != nil {
		a.On, a.Idle = g.On, g.Idle
	}
	for key := range keys {
		decision := s.Rules.Decide(namespaces[client.ObjectKey{Name: key.Namespace}], services[key], exports[key])
		switch decision.Action {
		case exporter.AutoCreate:
			a.Create++
		case exporter.AutoDelete:
			a.Delete++
		case exporter.AutoNothing:
		}
		a.Services = append(a.Services, AutoService{key.Namespace, key.Name, decision.Action, decision.Why})
	}
	slices.SortFunc(a.Services, func(a, b AutoService) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return a
}

// Standing says what comes of all that by itself as the gate stands, and what would make it come.
func (a *Auto) Standing() string {
	switch {
	case a.On && a.Idle != "":
		return fmt.Sprintf("%s is on, but idle as %s: nothing is made or deleted meanwhile", features.AutoExport, a.Idle)
	case a.On:
		return fmt.Sprintf("%s is on", features.AutoExport)
	}
	return fmt.Sprintf("%s is off: nothing is made until hansa features set %[1]s=true", features.AutoExport)
}

// object is a pointer to T that is an object.
type object[T any] interface {
	*T
	client.Object
}

func byKey[T any, O object[T]](list []T) map[client.ObjectKey]O {
	all := make(map[client.ObjectKey]O, len(list))
	for i := range list {
		o := O(&list[i])
		all[client.ObjectKeyFromObject(o)] = o
	}
	return all
}
