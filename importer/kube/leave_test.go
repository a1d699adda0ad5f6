package kube

import (
	"testing"

	"github.com/hansa-mcs/hansa/integration/rule"
)

// A cluster that has left keeps nothing of its imports: it waits for nobody, and no address rests, not even one that
// did already.
func TestWhoHasLeftKeepsNothing(t *testing.T) {
	rule.Covers(t, "I4", "S6")
	const exported = `
- cluster: a
  ports: [http 80/TCP]
  subsets:
  - ports: [http 8080/TCP]
    endpoints: [10.1.0.1]
`
	for what, before := range map[string]func(*world){
		"imported":               func(*world) {},
		"of a cluster not heard": func(w *world) { w.synced = nil },
		"whose address rests":    func(w *world) { w.exports = nil; w.settle() },
	} {
		w := newWorld(t)
		w.exports = parseExports(t, []byte(exported))
		w.settle()
		before(w)
		w.exports = nil
		for range 3 {
			now := w.server.current()
			for _, c := range Plan(web, nil, now, w.scene().alone()) {
				w.server.write(c)
			}
		}
		if left := len(w.server.objects); left != 0 {
			t.Errorf("%s: %d objects are left, want none", what, left)
		}
		stays := w.scene()
		if stays.Rest == 0 || stays.Synced("nobody") {
			t.Errorf("%s: the scene of a member is another one now: %+v", what, stays)
		}
	}
}

// A member without MCSServiceDiscovery keeps what is its own until the others know, whoever was heard; then all goes but
// the address, which rests for as long as any.
func TestWhoWithholdsKeepsTheAddressForAWhile(t *testing.T) {
	rule.Covers(t, "I7")
	w := newWorld(t)
	w.exports = parseExports(t, []byte(`
- cluster: a
  ports: [http 80/TCP]
  subsets:
  - ports: [http 8080/TCP]
    endpoints: [10.1.0.1]
`))
	w.settle()
	before := len(w.server.objects)
	now := w.server.current()
	if changes := Plan(web, nil, now, w.scene().undiscovered(false)); len(changes) != 0 {
		t.Errorf("%d changes before the others know, want none", len(changes))
	}
	w.synced = nil // as after a restart
	for range 3 {
		for _, c := range Plan(web, nil, w.server.current(), w.scene().undiscovered(true)) {
			w.server.write(c)
		}
	}
	after := w.server.current()
	if len(w.server.objects) != 1 || after.Derived == nil || after.Derived.Annotations[restAnnotation] == "" || after.Derived.Spec.ClusterIP != now.Derived.Spec.ClusterIP {
		t.Errorf("%d objects of %d are left, derived Service %+v", len(w.server.objects), before, after.Derived)
	}
}
