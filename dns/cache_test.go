package dns

import (
	"fmt"
	"testing"
)

// TestCacheIsBounded asks for more than it holds, of one service that changes meanwhile.
func TestCacheIsBounded(t *testing.T) {
	const limit, n = 64 << 10, 2000
	i := many(n).importer(t)
	h := hosting(i.View(), limit)
	for e := range n {
		if reply := h.ask(t, asking(fmt.Sprintf("pet-%d.east.db.shop.svc A", e)), false); len(reply.Answer) != 1 {
			t.Fatalf("pet-%d: %v", e, reply)
		}
		size := 0
		for _, held := range []map[string]cached{h.cache.young, h.cache.old} {
			for key, c := range held {
				size += cachedSize + len(key) + cap(c.reply.answer.wire) + 4*cap(c.reply.answer.ends)
			}
		}
		if size > limit {
			t.Fatalf("after %d questions it holds %d bytes, want at most %d", e+1, size, limit)
		}
	}
	if len(h.cache.young) == 0 || len(h.cache.old) == 0 {
		t.Errorf("it holds %d and %d replies", len(h.cache.young), len(h.cache.old))
	}
}

// TestCacheKeepsWhatIsAskedFor asks for one name all the time, among others that are asked for once.
func TestCacheKeepsWhatIsAskedFor(t *testing.T) {
	h := hosting(many(500).importer(t).View(), 64<<10)
	h.ask(t, asking("db.shop.svc SRV"), false)
	r := asking("pet-0.east.db.shop.svc A")
	h.ask(t, r, false)
	kept := h.cache.get(h.key, h.view)
	if kept == nil {
		t.Fatal("nothing is held of what was asked")
	}
	for e := range 400 {
		h.ask(t, asking(fmt.Sprintf("pet-%d.east.db.shop.svc A", e+1)), false)
		h.ask(t, r, false)
		if now := h.cache.get(h.key, h.view); now != kept {
			t.Fatalf("after %d other questions the reply was packed anew", e+1)
		}
	}
}
