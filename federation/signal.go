package federation

// signal wakes any number of waiters once: the channel closes, and a new one takes its place. Its owner
// guards it with a lock.
type signal struct{ ch chan struct{} }

func newSignal() signal { return signal{ch: make(chan struct{})} }

func (s *signal) broadcast() {
	close(s.ch)
	s.ch = make(chan struct{})
}
