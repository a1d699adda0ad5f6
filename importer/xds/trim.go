package xds

import (
	"cmp"
	"crypto/sha256"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxAssignment is how many bytes of localities one assignment has. It cannot be spread over responses, and gRPC clients take
// no message beyond 4 MiB: they end the stream for it, and begin it anew at once.
const maxAssignment = 3 << 20

// trim leaves out what is beyond that, and returns how many endpoints these are: the farthest first, and within a priority those
// of the largest localities, so that nobody is left out because another cluster has too many. Groups are as compact
// leaves them, and those that are returned too.
func trim(groups []group) (fit []group, left int) {
	room := maxAssignment
	for _, g := range groups {
		room -= g.size()
	}
	if room >= 0 {
		return groups, 0
	}
	room = maxAssignment
	for _, g := range slices.SortedStableFunc(slices.Values(groups), func(a, b group) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.size(), b.size()))
	}) {
		all := int(g.count)
		if g.size() > room {
			g.fragment = g.cut(max(0, room-g.size()+len(g.encoded)))
			g.load = max(1, uint32(uint64(g.load)*uint64(g.count)/uint64(all)))
		}
		if left += all - int(g.count); g.count == 0 {
			room = 0 // else one that is farther might get what is left
			continue
		}
		room -= g.size()
		fit = append(fit, g)
	}
	compact(fit)
	return fit, left
}

// size is how many bytes a locality takes, about.
func (g group) size() int {
	return 64 + len(g.region) + len(g.zone) + len(g.cluster) + len(g.encoded)
}

// cut returns as many of the endpoints as fit into so many bytes.
func (f *fragment) cut(room int) *fragment {
	less := &fragment{region: f.region, zone: f.zone}
	end := 0
	for rest := f.encoded; len(rest) > 0; less.count++ {
		_, _, n := protowire.ConsumeField(rest)
		if n < 0 || end+n > room {
			break
		}
		end, rest = end+n, rest[n:]
	}
	less.encoded = f.encoded[:end:end]
	sum := sha256.Sum256(less.encoded)
	copy(less.sum[:], sum[:])
	return less
}
