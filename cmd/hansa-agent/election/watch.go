package election

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// firstPause is about how long after a watch that broke early the next one begins; it doubles up to Retry.
const firstPause = 50 * time.Millisecond

var errSlowWatch = errors.New("the API server did not begin to answer in time")

// eyes see what becomes of the Lease: they list it, then watch it until that breaks, and so on. A watch that
// is refused leaves the lists, about one each Retry.
type eyes struct {
	door  door
	retry time.Duration
	tell  func(news)    // is told everything, failures too
	blink chan struct{} // a token ends the watch, which seems to miss something
}

// run looks until ctx ends.
func (e eyes) run(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		e.look(ctx)
		if time.Since(began) > e.retry {
			pause = firstPause
			continue
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2+1)):
		case <-ctx.Done():
		}
		pause = min(2*pause, e.retry)
	}
}

// look lists the Lease and watches it until the watch ends.
func (e eyes) look(ctx context.Context) {
	select {
	case <-e.blink: // this list is what it asks for
	default:
	}
	seen, err := e.door.list(ctx)
	e.tell(news{tried: []tried{{"list", err}}, seen: seen})
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := e.open(ctx, cancel, seen.version)
	e.tell(news{tried: []tried{{"watch", err}}})
	if err != nil {
		return
	}
	defer w.Stop()
	e.follow(ctx, w)
}

// open begins a watch, and gives up, by ending it, if that takes too long.
func (e eyes) open(ctx context.Context, end func(), from string) (watch.Interface, error) {
	slow := time.AfterFunc(e.door.within, end)
	options := e.door.only()
	options.ResourceVersion = from
	w, err := e.door.client.Watch(ctx, options)
	if !slow.Stop() {
		if err == nil {
			w.Stop()
		}
		return nil, errSlowWatch
	}
	return w, err
}

// follow tells what a watch tells, until it ends. Why it does is not told: the next list shows whether
// anything is wrong.
func (e eyes) follow(ctx context.Context, w watch.Interface) {
	for {
		select {
		case event := <-w.ResultChan():
			lease, ok := event.Object.(*coordinationv1.Lease)
			if !ok { // an error, or the zero event of the end
				return
			}
			if lease.Name == e.door.name {
				e.tell(news{seen: sightOf(event.Type, lease), event: true})
			}
		case <-e.blink:
			return
		case <-ctx.Done():
			return
		}
	}
}

func sightOf(kind watch.EventType, lease *coordinationv1.Lease) *sight {
	seen := &sight{lease: lease, version: lease.ResourceVersion}
	if kind == watch.Deleted {
		seen.lease = nil
	}
	return seen
}
