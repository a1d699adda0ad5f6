package xds

import (
	"slices"
	"testing"
)

// awake returns which of the streams have got a turn since they were last asked.
func awake(boxes []*mailbox) (which []int) {
	for i, b := range boxes {
		select {
		case <-b.wake:
			which = append(which, i)
		default:
		}
	}
	return which
}

func TestFewStreamsHaveATurnAtATime(t *testing.T) {
	turns := &turns{free: 2}
	var boxes []*mailbox
	for range 5 {
		boxes = append(boxes, newMailbox(turns))
	}
	want := func(what string, which ...int) {
		t.Helper()
		if got := awake(boxes); !slices.Equal(got, which) {
			t.Errorf("%s: %v have a turn, want %v", what, got, which)
		}
	}
	for _, b := range boxes {
		turns.ring(b)
		turns.ring(b)
	}
	want("all are rung", 0, 1)
	turns.yield(boxes[0])
	want("the first one sends, and does not read for long", 2)
	turns.ring(boxes[0])
	turns.rest(boxes[1], false)
	want("the second one was rung twice, and comes again behind the others", 3)
	turns.rest(boxes[2], false)
	turns.leave(boxes[3])
	want("one had nothing more to do, one ended", 1, 4)
	turns.ring(boxes[3])
	turns.rest(boxes[0], false)
	want("nobody is free, the first one was rung while it sent")
	turns.rest(boxes[1], false)
	turns.rest(boxes[4], true)
	want("the first one, and one with more to do", 0, 4)
	turns.rest(boxes[0], false)
	turns.rest(boxes[4], false)
	if want("nobody rang"); turns.free != 2 || len(turns.queue) != 0 {
		t.Errorf("%d turns are free, %d streams wait", turns.free, len(turns.queue))
	}
}
