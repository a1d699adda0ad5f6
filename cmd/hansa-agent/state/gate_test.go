package state

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

func TestAnAgentThatDoesNotLeadWritesNothing(t *testing.T) {
	var gate *leadership
	atDesk(t, nil, func(d *desk) {
		gate = newGate()
		d.config.Gate = gate.pass
	}, func(d *desk) {
		d.Note([]Cluster{{ID: "a"}})
		d.pass(time.Hour)
		d.Note([]Cluster{{ID: "b"}})
		if d.wrote(); d.gets() > 0 {
			t.Errorf("%d reads", d.gets())
		}
		gate.lead()
		d.wrote("cluster.b")
		d.Note([]Cluster{{ID: "c"}})
		d.pass(apart)
		d.wrote("cluster.b", "cluster.c")
		gate.lose()
		d.Note([]Cluster{{ID: "d"}})
		d.pass(time.Hour)
		d.wrote("cluster.b", "cluster.c")
		if gate.holds() != 0 {
			t.Errorf("%d writes hold the gate", gate.holds())
		}
	})
}

// A lead that is lost while a write is on its way ends the write, and is nothing to complain about.
func TestALostLeadEndsAWrite(t *testing.T) {
	var gate *leadership
	atDesk(t, nil, func(d *desk) {
		gate = newGate()
		gate.lead()
		d.config.Gate = gate.pass
		d.answer(func(string) error {
			gate.lose()
			return context.Canceled
		})
	}, func(d *desk) {
		d.Note([]Cluster{{ID: "a"}})
		d.pass(time.Hour)
		d.wrote()
		d.answer(nil)
		gate.lead()
		d.wrote("cluster.a")
		if d.count("") != 0 || gate.holds() != 0 {
			t.Errorf("%d writes hold the gate, logged %s", gate.holds(), d.text.String())
		}
	})
}

// leadership is a Gate.
type leadership struct {
	mu   sync.Mutex
	ctx  context.Context // nil while not leading
	end  context.CancelFunc
	won  chan struct{} // closes when leading begins
	held int
}

func newGate() *leadership { return &leadership{won: make(chan struct{})} }

func (l *leadership) lead() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ctx, l.end = context.WithCancel(context.Background())
	close(l.won)
}

func (l *leadership) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end()
	l.ctx, l.won = nil, make(chan struct{})
}

func (l *leadership) holds() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held
}

func (l *leadership) pass(ctx context.Context) (context.Context, func(), error) {
	for {
		l.mu.Lock()
		lead, won := l.ctx, l.won
		if lead != nil {
			l.held++
			l.mu.Unlock()
			return lead, func() { l.mu.Lock(); l.held--; l.mu.Unlock() }, nil
		}
		l.mu.Unlock()
		select {
		case <-won:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

func TestAGateThatFailsIsAskedLessAndLess(t *testing.T) {
	asked := 0
	atDesk(t, nil, func(d *desk) {
		d.config.Gate = func(context.Context) (context.Context, func(), error) {
			asked++
			return nil, nil, errors.New("no such gate")
		}
	}, func(d *desk) {
		d.Note([]Cluster{{ID: "a"}})
		d.pass(15 * time.Minute)
		if n := d.count("no such gate"); n != asked || n < 14 || n > 22 {
			t.Errorf("asked %d times, logged %s", asked, d.text.String())
		}
	})
}
