package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/federationtest"
)

// withdrawAfter is --withdraw-after.
const withdrawAfter = 10 * time.Minute

func TestWhenNothingMoreIsWaitedFor(t *testing.T) {
	away := errors.New("away")
	for what, test := range map[string]struct {
		ready  time.Duration                          // when this cluster was read
		recall func(since time.Duration) error        // what is answered to who asks what is remembered
		heard  map[federation.ClusterID]time.Duration // when which cluster is heard whole; east is remembered
		ends   time.Duration
		want   bool
		took   time.Duration
	}{
		"all are heard":                         {0, nil, map[federation.ClusterID]time.Duration{"east": 5 * time.Second}, time.Hour, true, 5 * time.Second},
		"all were heard before this was read":   {time.Minute, nil, map[federation.ClusterID]time.Duration{"east": 5 * time.Second}, time.Hour, true, time.Minute},
		"one is not heard":                      {0, nil, map[federation.ClusterID]time.Duration{"north": 5 * time.Second}, time.Hour, true, withdrawAfter},
		"this cluster is read late":             {time.Hour / 2, nil, nil, time.Hour, true, time.Hour / 2},
		"this cluster is never read":            {2 * time.Hour, nil, nil, time.Hour, false, time.Hour},
		"what is remembered is read late":       {0, func(d time.Duration) error { return map[bool]error{true: away}[d < 5*time.Second] }, map[federation.ClusterID]time.Duration{"east": 0}, time.Hour, true, 7 * time.Second},
		"what is remembered cannot be read":     {0, func(time.Duration) error { return away }, map[federation.ClusterID]time.Duration{"east": 0}, time.Hour, true, withdrawAfter},
		"the agent ends while clusters lack":    {0, nil, nil, time.Minute, false, time.Minute},
		"the agent ends while nothing is known": {0, func(time.Duration) error { return away }, nil, time.Minute, false, time.Minute},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), test.ends)
				defer cancel()
				store := federation.NewStore("west")
				store.Announce(1, nil)
				ready := make(chan struct{})
				time.AfterFunc(test.ready, func() { close(ready) })
				for id, at := range test.heard {
					time.AfterFunc(at, func() {
						if err := federationtest.Say(store, id, federation.Version{Term: 1, Seq: 1}); err != nil {
							t.Error(err)
						}
					})
				}
				recall := func(context.Context) error {
					if test.recall != nil {
						if err := test.recall(time.Since(began)); err != nil {
							return err
						}
					}
					store.Expect("east")
					return nil
				}
				if got := waitForAll(ctx, withdrawAfter, ready, recall, store); got != test.want || time.Since(began) != test.took {
					t.Errorf("%t after %s, want %t after %s", got, time.Since(began), test.want, test.took)
				}
				cancel()
				time.Sleep(3 * time.Hour) // what was to come later comes
			})
		})
	}
}
