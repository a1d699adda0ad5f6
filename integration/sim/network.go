package sim

import "time"

// network says which way is open between clusters. A cluster's own agents hear each other unless it is cut in two,
// which is the way from the cluster to itself.
type network struct {
	n     int
	cuts  []uint16 // how many partitions cut the way from i to j, at i*n+j
	conns []*conn
	heals int // counts what made the network whole
}

// newNetwork returns that of n clusters.
func newNetwork(n int) network { return network{n: n, cuts: make([]uint16, n*n)} }

func (n *network) open(from, to int) bool { return n.cuts[from*n.n+to] == 0 }

// way is one direction between two clusters.
type way struct{ from, to int }

// cut closes ways for a while.
func (w *world) cut(ways []way, d time.Duration) {
	for _, v := range ways {
		w.net.cuts[v.from*w.net.n+v.to]++
	}
	heals := w.net.heals
	w.after(d, func() {
		if w.net.heals == heals {
			w.heal(ways)
		}
	})
}

func (w *world) heal(ways []way) {
	for _, v := range ways {
		w.net.cuts[v.from*w.net.n+v.to]--
	}
	w.note(healed, nil, nil, uint64(len(ways)), 0)
	w.flush()
}

// healAll makes the network whole.
func (w *world) healAll() {
	clear(w.net.cuts)
	w.net.heals++
	w.flush()
}

// flush lets go what is not held any more.
func (w *world) flush() {
	for _, c := range w.openConns() {
		for _, e := range c.ends {
			e.flush()
		}
	}
}

// openConns returns the streams of which a side is open, and forgets the others.
func (w *world) openConns() []*conn {
	list := w.net.conns[:0]
	for _, c := range w.net.conns {
		if !c.ends[0].closed || !c.ends[1].closed {
			list = append(list, c)
		}
	}
	clear(w.net.conns[len(list):])
	w.net.conns = list
	return list
}

// delay returns how long one frame, or one packet, takes.
func (w *world) delay() time.Duration { return w.scene.Delay + w.upTo(w.scene.Jitter) }
