package agent

import "sync"

// current is a value of which the newest state alone counts. Any goroutine may set and read it.
type current[T comparable] struct {
	mu      sync.Mutex
	is      T
	changed chan struct{} // closes when is is another
}

func newCurrent[T comparable]() *current[T] { return &current[T]{changed: make(chan struct{})} }

// now returns the newest value, and a channel that closes when there is another one.
func (w *current[T]) now() (T, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.is, w.changed
}

// set makes is the newest value, and wakes who waits if it is another.
func (w *current[T]) set(is T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if is == w.is {
		return
	}
	w.is = is
	close(w.changed)
	w.changed = make(chan struct{})
}
