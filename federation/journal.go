package federation

import (
	"cmp"
	"slices"
	"time"
)

// journalLength bounds how many changes are remembered for those who lag; who lags further gets a whole
// set instead.
const journalLength = 8192

// journal remembers which names changed at which seq, the newest last. It answers "what changed since"
// without a queue per reader.
type journal struct {
	entries []journalEntry
	start   uint64 // changes up to and including this seq are forgotten
}

type journalEntry struct {
	seq  uint64
	name ServiceName
	at   time.Time
}

// add records a change of name at seq, which must not be lower than any seq before. It was made at a time.
func (j *journal) add(seq uint64, name ServiceName, at time.Time) {
	if len(j.entries) == journalLength {
		half := journalLength / 2
		j.start = j.entries[half-1].seq
		j.entries = append(j.entries[:0], j.entries[half:]...)
	}
	j.entries = append(j.entries, journalEntry{seq, name, at})
}

// since returns each name that changed after seq, once; false when the journal does not reach back.
func (j *journal) since(seq uint64) ([]ServiceName, bool) {
	if seq < j.start {
		return nil, false
	}
	var names []ServiceName
	seen := map[ServiceName]bool{}
	for i := len(j.entries) - 1; i >= 0 && j.entries[i].seq > seq; i-- {
		if name := j.entries[i].name; !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names, true
}

// after returns when the first change after seq was made, of those that are remembered; zero when none is.
func (j *journal) after(seq uint64) time.Time {
	i, _ := slices.BinarySearchFunc(j.entries, seq+1, func(e journalEntry, seq uint64) int { return cmp.Compare(e.seq, seq) })
	if i == len(j.entries) {
		return time.Time{}
	}
	return j.entries[i].at
}
