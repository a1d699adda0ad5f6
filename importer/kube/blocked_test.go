package kube

import (
	"maps"
	"strings"
	"testing"
)

// TestAForeignObjectIsCountedWhileItIsInTheWay, and told of once.
func TestAForeignObjectIsCountedWhileItIsInTheWay(t *testing.T) {
	for name, object := range map[string]string{
		"ServiceImport": "apiVersion: multicluster.x-k8s.io/v1beta1\nkind: ServiceImport\nmetadata: {name: web, uid: u1}\nspec: {type: Headless, ports: []}\n",
		"Service":       "apiVersion: v1\nkind: Service\nmetadata: {name: " + DerivedName(web) + ", uid: u1}\nspec: {ports: [{name: x, port: 1, protocol: TCP}]}\n",
	} {
		t.Run(name, func(t *testing.T) {
			onRig(t, func(r *rig) {
				r.edit(object)
				count := func(want int) {
					t.Helper()
					if got := r.door.blocked.Count(); !maps.Equal(got, map[string]int{BlockedByForeignObject: want, BlockedByRefusal: 0}) {
						t.Errorf("blocked are %v, want %d", got, want)
					}
					if why := r.door.blocked.Why(web); strings.HasPrefix(why, "an object that is not Hansa's") != (want == 1) {
						t.Errorf("blocked are %d, as %q", want, why)
					}
				}
				r.rounds(1, false)
				count(0)
				r.export(exported1)
				if got := r.rounds(3, false); len(got) > 0 {
					t.Errorf("written is %v", got)
				}
				count(1)
				if got := r.takeTold(); len(got) != 1 || !strings.HasPrefix(got[0], name+" Warning NotImported: ") {
					t.Errorf("Events %q", got)
				}
				clear(r.objects)
				r.rounds(2, false)
				count(0)
			})
		})
	}
}
