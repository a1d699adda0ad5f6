package gossip

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/hansa-mcs/hansa/federation"
)

const (
	headPause = time.Second
	firstJoin = 200 * time.Millisecond
	lastJoin  = 15 * time.Second
	// noAddress follows a seed's name in a Join, so that memberlist resolves nothing: its own way of
	// resolving asks for all records over TCP and cannot be interrupted. Our transport dials the name.
	noAddress = "/0.0.0.0:1"
)

// announceHeads broadcasts our own head when it advanced, at most once per headPause.
func (g *Gossip) announceHeads(ctx context.Context) {
	for {
		select {
		case <-g.advanced:
		case <-ctx.Done():
			return
		}
		if v := g.cfg.Heads()[g.cfg.Cluster]; !v.IsZero() {
			g.broadcast(g.cfg.Cluster, v)
		}
		sleep(ctx, headPause)
	}
}

// keepJoined joins a seed whenever it is not among the members: at once at the start, soon after it
// went, then less and less often, for ever. That is also how a partition ends that outlasted memberlist's
// memory, and how a seed is found again that changed its address.
func (g *Gossip) keepJoined(ctx context.Context, list *memberlist.Memberlist, seed string) {
	wait := firstJoin
	apart := trouble{since: time.Now()}
	for ctx.Err() == nil {
		changed := g.Changed()
		if g.isJoined(seed) {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			wait, apart = firstJoin, trouble{since: time.Now()}
			continue
		}
		if _, err := list.Join([]string{seed + noAddress}); err != nil {
			g.cfg.Log.Log(ctx, apart.level(time.Now()), "cannot join a peer yet; trying for ever", "peer", seed, "error", joinCause(err))
		}
		if !g.isJoined(seed) {
			sleep(ctx, jitter(wait))
			wait = min(2*wait, lastJoin)
		}
	}
}

// trouble is a failure that goes on.
type trouble struct{ since, told time.Time }

const (
	// bearable is for how long nobody needs to know: a peer that starts again is soon back.
	bearable  = 3 * time.Second
	tellAgain = time.Minute
)

// level returns the level at which to tell the failure now.
func (t *trouble) level(now time.Time) slog.Level {
	if now.Sub(t.since) < bearable || now.Sub(t.told) < tellAgain {
		return slog.LevelDebug
	}
	t.told = now
	return slog.LevelWarn
}

// joinCause returns why a Join of one address failed, without memberlist's words around it, in which
// stands an address that nobody gave.
func joinCause(err error) string {
	text := err.Error()
	if all, ok := err.(interface{ WrappedErrors() []error }); ok && len(all.WrappedErrors()) == 1 {
		text = all.WrappedErrors()[0].Error()
	}
	return strings.TrimPrefix(text, "failed to join "+strings.TrimPrefix(noAddress, "/")+": ")
}

// isJoined reports whether a seed is among the members. A seed that is ourselves never is.
func (g *Gossip) isJoined(seed string) bool {
	g.mu.Lock()
	cluster := g.reached[seed]
	g.mu.Unlock()
	for _, m := range g.Members() {
		if m.Address == seed || m.Cluster == cluster {
			return true
		}
	}
	return false
}

func (g *Gossip) noteReached(seed string, cluster federation.ClusterID) {
	g.mu.Lock()
	before, known := g.reached[seed]
	g.reached[seed] = cluster
	g.mu.Unlock()
	switch {
	case cluster != g.cfg.Cluster || known && before == cluster:
	case seed == g.cfg.Advertise:
		g.cfg.Log.Warn("a peer to join is this member itself", "peer", seed)
	default:
		g.cfg.Log.Warn("a peer to join says that it is this cluster; every cluster needs an ID of its own", "peer", seed)
	}
}

// jitter returns a time between two thirds and four thirds of d.
func jitter(d time.Duration) time.Duration { return d*2/3 + rand.N(d*2/3) }

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
