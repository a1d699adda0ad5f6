package state

import (
	"context"
	"errors"
	"math"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// HeardEvery is how often it is written when clusters were heard, if nothing else changed. What depends on
	// it after a restart is counted from the start, so it serves people who look; once in five minutes is
	// nothing to an API server, and tells a cluster that left yesterday from one that is there.
	HeardEvery = 5 * time.Minute
	// apart is the least time between two writes. A thousand clusters that come in a moment are a few writes,
	// and a peer that changes its address all the time costs one a second.
	apart = time.Second
	// attempt bounds one write where an API server neither answers nor refuses.
	attempt = 15 * time.Second
)

// Start writes what was noted until ctx ends: within a second when a cluster came, or changed its UID or
// addresses, or the ConfigMap was lost, and every HeardEvery when it was heard. It tries again for as long as it cannot. At the end of ctx
// it returns nil at once: what changed in the last second is noted by whoever leads next.
func (k *Keeper) Start(ctx context.Context) error {
	p := newPace(time.Now())
	for k.await(ctx, p) {
		lead, done, err := k.config.Gate(ctx)
		if err != nil {
			k.failed(ctx, p, err)
			continue
		}
		wrote, err := k.remember(lead, p)
		led := lead.Err() == nil
		done()
		switch {
		case err == nil:
			p.succeeded(time.Now(), wrote)
		case led:
			k.failed(ctx, p, err)
		default:
			p.failed(time.Now(), err) // the gate tells when to go on
		}
	}
	return nil
}

// await waits until something is to be written, and reports whether it is before the end of ctx.
func (k *Keeper) await(ctx context.Context, p *pace) bool {
	for {
		var timer <-chan time.Time
		k.mu.Lock()
		data := k.data
		k.mu.Unlock()
		changes, urgent, err := k.plan(data)
		k.tell(err)
		if len(changes) > 0 {
			timer = time.After(time.Until(p.due(urgent)))
		}
		select {
		case <-ctx.Done():
			return false
		case <-k.woken: // something else may be due, or nothing any more
		case <-timer:
			return ctx.Err() == nil
		}
	}
}

// plan compares what was noted by now with what the ConfigMap says.
func (k *Keeper) plan(data map[string]string) (changes map[string]string, urgent bool, err error) {
	k.mu.Lock()
	term := k.term
	k.mu.Unlock()
	changes, urgent, err = plan(data, term, k.known())
	if own := string(k.config.Self); own != "" && term > 0 && data[selfKey] != own {
		changes[selfKey], urgent = own, true
	}
	return changes, urgent, err
}

// known returns what was noted by now, and what is to be remembered of a ConfigMap that was deleted.
func (k *Keeper) known() []Cluster {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lost.with(k.noted)
}

// remember writes what was noted by now, unless the ConfigMap turns out to need it later, or not at all.
func (k *Keeper) remember(ctx context.Context, p *pace) (wrote bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	lost := k.losing()
	var surplus error
	wrote, err = k.rewrite(ctx, func(data map[string]string) (changes map[string]string) {
		var urgent bool
		changes, urgent, surplus = k.plan(data)
		if time.Now().Before(p.due(urgent)) {
			return nil
		}
		return changes
	})
	if wrote {
		k.tell(surplus)
	}
	if err == nil { // what was lost is urgent, so it is there
		k.regained(lost)
	}
	return wrote, err
}

// failed logs an error that the end of ctx does not explain, and waits longer before the next attempt.
func (k *Keeper) failed(ctx context.Context, p *pace, err error) {
	if ctx.Err() != nil {
		return
	}
	again := p.failed(time.Now(), err)
	k.log.Warn("cannot write what is to outlive a restart", "again_in", again.Round(time.Second), "error", err)
}

// pace says when to write.
type pace struct {
	heard time.Time // the next time for what clusters being heard changed
	next  time.Time // the next time for anything
	retry wait.Backoff
}

// newPace begins as if all had been written just now: an agent that restarts again and again writes nothing.
func newPace(now time.Time) *pace {
	p := &pace{}
	p.succeeded(now, true)
	p.next = now
	return p
}

func (p *pace) due(urgent bool) time.Time {
	if urgent || p.heard.Before(p.next) {
		return p.next
	}
	return p.heard
}

func (p *pace) succeeded(now time.Time, wrote bool) {
	p.retry = wait.Backoff{Duration: apart, Factor: 2, Jitter: 0.5, Steps: math.MaxInt, Cap: time.Minute}
	if wrote {
		p.next, p.heard = now.Add(apart), now.Add(HeardEvery)
	}
}

// failed returns how long it takes to the next attempt.
func (p *pace) failed(now time.Time, err error) time.Duration {
	again := p.retry.Step()
	if _, other := errors.AsType[*OtherClusterError](err); other || errors.Is(err, errUnfit) {
		again = HeardEvery // a person has to do something, and to see why
	}
	p.next = now.Add(again)
	return again
}
