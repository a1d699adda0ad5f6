package sim

import (
	"math/rand/v2"
	"time"
)

// Scene is what a seed draws before anything happens.
type Scene struct {
	Members  int // clusters
	Names    int // different service names that they export between them
	Services int // most that one cluster begins with
	Pairs    int // percent of the clusters that have two agents
	Private  int // percent of the exports that are for some clusters alone

	Storm time.Duration // for how long things go wrong
	Pace  time.Duration // between two things that happen, on average

	Delay, Jitter time.Duration // of a frame
	Window        int           // frames that may be on the way in one direction
	Encoded       bool          // frames are bytes on the way
	Mangled       int           // of a thousand frames, how many are repeated or overtaken

	Skew time.Duration // clocks are at most that wrong

	Policies bool          // clusters withhold namespaces from others
	Quiet    int           // percent of the exports that say for how long they may stay in use
	Short    int           // percent of the clusters that are less patient than by default
	Namesake bool          // a second cluster has the ID of another
	Gone     time.Duration // for how long a cluster is not there, after all else that goes wrong
	Steady   bool          // it is awaited that clusters that were heard for long enough are served
}

// largeEvery is of how many seeds one plays a hundred members or more.
const largeEvery = 1000

// draw returns the scene of a seed.
func draw(seed uint64, r *rand.Rand) Scene {
	s := Scene{
		Members:  3 + r.IntN(4)*r.IntN(3),
		Services: 1 + r.IntN(5),
		Pairs:    r.IntN(101),
		Storm:    time.Duration(8+r.IntN(26)) * time.Second,
		Pace:     time.Duration(50+r.IntN(500)) * time.Millisecond,
		Delay:    time.Duration(r.IntN(120)) * time.Millisecond,
		Jitter:   time.Duration(1+r.IntN(200)) * time.Millisecond,
		Window:   1 + r.IntN(24),
		Encoded:  r.IntN(4) == 0,
	}
	if r.IntN(3) > 0 {
		s.Private = r.IntN(101)
	}
	s.Names = 2 + r.IntN(2*s.Services)
	if r.IntN(6) == 0 {
		s.Mangled = 1 + r.IntN(150)
	}
	if r.IntN(3) > 0 {
		s.Skew = time.Duration(r.IntN(601)) * time.Second
	}
	s.Policies, s.Namesake, s.Steady = r.IntN(4) == 0, r.IntN(8) == 0, r.IntN(10) == 0
	if r.IntN(3) > 0 {
		s.Quiet = r.IntN(60)
	}
	s.Short = r.IntN(101)
	switch n := r.IntN(500); {
	case n == 0: // longer than by any default
		s.Gone = 11 * time.Minute
	case n < 25:
		s.Gone = 40 * time.Second
	}
	if r.IntN(100) == 0 { // long enough for clusters to recover while it goes on
		s.Storm, s.Pace = 3*time.Minute, 3*time.Second
	}
	if seed%largeEvery == largeEvery-1 {
		s.Namesake, s.Steady, s.Gone = false, false, 0
		s.Members = 100 + r.IntN(201)
		s.Names, s.Services, s.Pairs = s.Members, 2, 10
		s.Storm, s.Pace = 15*time.Second, 50*time.Millisecond
		s.Encoded = false
	}
	return s
}
