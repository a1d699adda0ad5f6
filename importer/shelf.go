package importer

import (
	"hash/maphash"
	"iter"
	"maps"
	"slices"
)

// shelf holds values by name: the Services of a namespace, and the namespaces. The zero value of V is none. A shelf is
// immutable, and nil is an empty one. It is in parts of a few dozen names, which those that are made from it share: one that
// differs by a name costs that name's part, however many there are.
type shelf[V comparable] struct {
	parts []*part[V] // a power of two of them
	count int
}

// part holds those names whose hashes end alike.
type part[V comparable] struct{ held map[string]V }

// partSize is how many names a part holds, about; a shelf that gets fuller is given twice as many parts, which it keeps until
// it is empty.
const partSize = 32

var shelfSeed = maphash.MakeSeed()

// partOf returns which of so many parts holds a name.
func partOf(name string, parts int) int {
	if parts == 1 {
		return 0
	}
	return int(maphash.String(shelfSeed, name) & uint64(parts-1))
}

// of returns what a name stands for.
func (s *shelf[V]) of(name string) (none V) {
	if s == nil || len(s.parts) == 0 {
		return none
	}
	return s.parts[partOf(name, len(s.parts))].held[name]
}

// all yields every name, in no particular order.
func (s *shelf[V]) all() iter.Seq2[string, V] { return s.differing(nil) }

// differing yields what s has and another one has not, or otherwise. Of parts that both share it costs nothing.
func (s *shelf[V]) differing(other *shelf[V]) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		if s == nil || s == other {
			return
		}
		for i, p := range s.parts {
			if other != nil && len(other.parts) == len(s.parts) && other.parts[i] == p {
				continue
			}
			for name, v := range p.held {
				if other.of(name) != v && !yield(name, v) {
					return
				}
			}
		}
	}
}

// draft is a shelf in the making. It is of one goroutine.
type draft[V comparable] struct {
	shelf shelf[V]
	mine  []bool // the parts that no other shelf has
}

// edit begins a shelf that differs from s.
func (s *shelf[V]) edit() *draft[V] {
	if s == nil || len(s.parts) == 0 {
		return &draft[V]{shelf: shelf[V]{parts: []*part[V]{{held: map[string]V{}}}}, mine: []bool{true}}
	}
	return &draft[V]{shelf: shelf[V]{parts: slices.Clone(s.parts), count: s.count}, mine: make([]bool, len(s.parts))}
}

// set makes a name stand for a value; the zero value takes the name away.
func (d *draft[V]) set(name string, v V) {
	var none V
	s := &d.shelf
	i := partOf(name, len(s.parts))
	if !d.mine[i] {
		s.parts[i], d.mine[i] = &part[V]{maps.Clone(s.parts[i].held)}, true
	}
	held := s.parts[i].held
	s.count -= len(held)
	if v == none {
		delete(held, name)
	} else {
		held[name] = v
	}
	if s.count += len(held); s.count > partSize*len(s.parts) {
		d.grow()
	}
}

// grow doubles the parts.
func (d *draft[V]) grow() {
	parts := make([]*part[V], 2*len(d.shelf.parts))
	for i := range parts {
		parts[i] = &part[V]{map[string]V{}}
	}
	for name, v := range d.shelf.all() {
		parts[partOf(name, len(parts))].held[name] = v
	}
	d.shelf.parts, d.mine = parts, slices.Repeat([]bool{true}, len(parts))
}

// done returns the shelf, nil if nothing is in it. The draft must not be used any more.
func (d *draft[V]) done() *shelf[V] {
	if d.shelf.count == 0 {
		return nil
	}
	return &d.shelf
}
