package election

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Whatever becomes of requests and processes, two agents never write at once, which each of them checks
// itself; and when the trouble is over, one leads.
func TestTwoNeverWriteAtOnce(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inWorld(t, func(w *world) { (&chaos{world: w, rand: rand.New(rand.NewPCG(seed, 5))}).run() })
		})
	}
}

// chaos is a world where nothing works for long.
type chaos struct {
	*world
	rand    *rand.Rand
	members []*agent
	born    int
}

func (c *chaos) run() {
	for range 3 {
		c.members = append(c.members, c.bear())
	}
	for range 300 {
		time.Sleep(time.Duration(c.rand.IntN(6000)) * time.Millisecond)
		c.harm(c.rand.IntN(len(c.members)))
	}
	for _, a := range c.members {
		a.wire.set(nil, nil)
	}
	time.Sleep(DefaultDuration + 10*time.Second)
	leaders := 0
	stints := uint64(0)
	for _, a := range c.agents {
		stints += a.Now().Stint
		if a.Now().Leading {
			leaders++
			a.wants(true, a.Now().Stint, a.identity())
		}
	}
	if leaders != 1 {
		c.Errorf("%d agents lead in the end", leaders)
	}
	transitions := *c.memory.read().Spec.LeaseTransitions
	if stints < 10 || uint64(transitions) < stints-1 {
		c.Errorf("%d stints and %d transitions", stints, transitions)
	}
}

func (c *chaos) bear() *agent {
	c.born++
	return c.start(fmt.Sprintf("agent-%d", c.born), nil)
}

// harm does something to one agent.
func (c *chaos) harm(i int) {
	a := c.members[i]
	switch c.rand.IntN(10) {
	case 0:
		a.stop()
		c.members[i] = c.bear()
	case 1:
		a.kill()
		c.members[i] = c.bear()
	case 2:
		a.cut(fails)
	case 3:
		a.cut(hangs)
	case 4:
		a.wire.eachWatch(deafens)
	case 5:
		a.wire.set(nil, hangs) // done, and no answer
	case 6:
		a.wire.set(unsteady, nil)
	default:
		a.mend()
	}
}

// unsteady is a wire that is slow, or loses requests, or delivers them too late.
func unsteady(context.Context, string) error {
	delay := rand.N(1500 * time.Millisecond)
	switch rand.IntN(4) {
	case 0:
		return errors.New("connection reset")
	case 1:
		return late(5 * delay)
	}
	time.Sleep(delay)
	return nil
}
