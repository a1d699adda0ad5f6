package agent

import (
	"slices"
	"sync"
)

// latest is a list of which the newest state alone counts. Any goroutine may set and read it.
type latest[T any] struct {
	mu      sync.Mutex
	list    []T
	changed chan struct{} // closes when list is another
}

func newLatest[T any]() *latest[T] { return &latest[T]{changed: make(chan struct{})} }

// set makes list the newest, and returns the one before.
func (l *latest[T]) set(list []T) (before []T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, l.list = l.list, slices.Clone(list)
	close(l.changed)
	l.changed = make(chan struct{})
	return before
}

// now returns the newest list, and a channel that closes when there is a newer one.
func (l *latest[T]) now() ([]T, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list, l.changed
}
