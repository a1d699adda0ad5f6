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
