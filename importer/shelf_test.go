package importer

import (
	"fmt"
	"maps"
	"testing"
)

// A shelf is what a map would be, however often it is edited, and no shelf before it changes.
func TestShelfIsAMap(t *testing.T) {
	r := random(t)
	type version struct {
		shelf *shelf[int]
		want  map[string]int
	}
	all := []version{{nil, map[string]int{}}}
	for range 300 {
		from := all[r.IntN(len(all))]
		d, want := from.shelf.edit(), maps.Clone(from.want)
		for range r.IntN(60) {
			name, v := fmt.Sprint(r.IntN(400)), r.IntN(4)
			if d.set(name, v); v == 0 {
				delete(want, name)
			} else {
				want[name] = v
			}
		}
		all = append(all, version{d.done(), want})
	}
	for i, v := range all {
		if got := maps.Collect(v.shelf.all()); !maps.Equal(got, v.want) || (v.shelf == nil) != (len(v.want) == 0) || v.shelf != nil && v.shelf.count != len(v.want) {
			t.Fatalf("%d: got %v in %+v, want %v", i, got, v.shelf, v.want)
		}
		other := all[r.IntN(len(all))]
		got := maps.Collect(v.shelf.differing(other.shelf))
		want := maps.Clone(v.want)
		maps.DeleteFunc(want, func(name string, value int) bool { return other.want[name] == value })
		if !maps.Equal(got, want) {
			t.Fatalf("%d: differing are %v, want %v", i, got, want)
		}
		for name := range 401 {
			if got := v.shelf.of(fmt.Sprint(name)); got != v.want[fmt.Sprint(name)] {
				t.Fatalf("%d: %d is %d, want %d", i, name, got, v.want[fmt.Sprint(name)])
			}
		}
	}
}

// What is made from a large shelf shares with it all parts but those of the names that changed.
func TestShelfSharesWhatIsTheSame(t *testing.T) {
	d := (*shelf[int])(nil).edit()
	for i := range 5_000 {
		d.set(fmt.Sprint(i), 1)
	}
	before := d.done()
	d = before.edit()
	d.set("7", 2)
	after, differ := d.done(), 0
	for i, p := range after.parts {
		if before.parts[i] != p {
			differ++
		}
		if len(p.held) > 4*partSize {
			t.Errorf("a part holds %d of 5,000 names", len(p.held))
		}
	}
	if differ != 1 || len(after.parts) < 5_000/partSize/2 {
		t.Errorf("%d of %d parts differ by one name", differ, len(after.parts))
	}
}
