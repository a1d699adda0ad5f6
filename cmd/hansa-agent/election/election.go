package election

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
)

// Election is one agent's part in the election of its cluster's leader. All its methods may be called by
// many goroutines at once, also before Start and after it.
type Election struct {
	config  Config
	door    door
	post    *post
	started atomic.Bool
}

// New returns an Election that takes part once it is started, or says what is wrong with the Config.
func New(c Config) (*Election, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	return &Election{config: c, door: door{c.Client, c.Name, c.within()}, post: newPost()}, nil
}

// Start takes part until ctx ends. Then it ends the contexts of those who lead, waits until they are done,
// gives the Lease back if it is ours, and returns. It does not renew while it waits: whoever does not end in
// time lets the Lease run out rather than keep it. Neither a lost Lease nor an API server that is away or
// refuses ends it. It may be called once.
func (e *Election) Start(ctx context.Context) error {
	if e.started.Swap(true) {
		return errors.New("the election was started before")
	}
	r := newRound(e)
	r.run(ctx)
	return nil
}

// round is Election.Start under way. Its fields but the channels are of the goroutine that runs it.
type round struct {
	*Election
	core       core
	complaints complaints
	seen       chan news
	answered   chan news
	blink      chan struct{}
	reminded   time.Time // when it was last told that we are frozen
	step       step      // that is under way, or idle
	doubtful   bool      // whether a write of ours may have been done, or may yet be, though nobody said so
}

func newRound(e *Election) *round {
	log := e.config.Log
	return &round{
		Election:   e,
		core:       newCore(e.config),
		complaints: complaints{log: log, namespace: e.config.Namespace, lease: e.config.Name, open: map[verb]cause{}},
		seen:       make(chan news),
		answered:   make(chan news, 1),
		blink:      make(chan struct{}, 1),
	}
}

func (r *round) run(ctx context.Context) {
	var requests sync.WaitGroup
	look := eyes{door: r.door, retry: r.config.Retry, blink: r.blink, tell: func(n news) {
		select {
		case r.seen <- n:
		case <-ctx.Done():
		}
	}}
	requests.Go(func() { look.run(ctx) })
	for ctx.Err() == nil {
		r.turn(ctx, &requests)
	}
	leader := r.post.now(time.Now())
	leader.Leading = false
	r.post.publish(leader, time.Time{}, time.Now(), errStopping)
	r.post.writing.Wait()
	requests.Wait()
	r.giveBack(ctx)
}

// turn does what is due, waits until something happens, and takes it in.
func (r *round) turn(ctx context.Context, requests *sync.WaitGroup) {
	now := time.Now()
	r.begin(ctx, now, requests)
	var wake <-chan time.Time
	if at := r.due(now); !at.IsZero() {
		timer := time.NewTimer(at.Sub(now))
		defer timer.Stop()
		wake = timer.C
	}
	select {
	case n := <-r.seen:
		r.look(ctx, n)
	case n := <-r.answered:
		r.answer(ctx, n)
	case <-wake:
	case <-ctx.Done():
		return
	}
	r.publish(ctx)
}

// begin starts the step that is due, if any and if none is under way.
func (r *round) begin(ctx context.Context, now time.Time, requests *sync.WaitGroup) {
	step, at := r.core.next()
	if r.step != idle || step == idle || now.Before(at) {
		return
	}
	r.step = step
	lease := r.core.record(step, now)
	requests.Go(func() { r.answered <- r.door.put(ctx, lease, now) })
}

// due is when the next step begins, a leader freezes or a frozen one says so again, zero for none. The freeze waits
// for no request.
func (r *round) due(now time.Time) time.Time {
	var due time.Time
	if r.core.leads(now) {
		due = r.core.until()
	} else if r.core.held {
		due = r.reminded.Add(remindAgain)
	}
	if step, at := r.core.next(); r.step == idle && step != idle && (due.IsZero() || at.Before(due)) {
		due = at
	}
	return due
}

// look takes in what the eyes saw.
func (r *round) look(ctx context.Context, n news) {
	now := time.Now()
	r.note(ctx, n)
	if n.failed() != nil && n.tried[0].verb == "list" {
		r.core.lookAway()
	}
	if n.seen == nil {
		return
	}
	if !n.event {
		r.core.lookAgain(now)
	}
	r.see(ctx, *n.seen, now)
}

// see takes in the Lease as it was. Of the troubles of writing it nothing is left to tell if somebody else
// can.
func (r *round) see(ctx context.Context, s sight, now time.Time) {
	if r.core.see(s, now) && !r.core.mine() && s.lease != nil && r.step == idle {
		r.complaints.drop(ctx, "get", "create", "update")
	}
}

// answer takes in what became of our step. If that is not known, or somebody else was faster, the watch may
// have missed something.
func (r *round) answer(ctx context.Context, n news) {
	now := time.Now()
	step := r.step
	r.step = idle
	r.note(ctx, n)
	if n.wrote {
		r.doubtful = false
		r.core.wrote(*n.seen, now)
		return
	}
	if n.seen != nil {
		r.see(ctx, *n.seen, now)
	}
	if err := n.failed(); err != nil && !refused(err) {
		r.doubtful = r.doubtful || step != renew
		r.core.lookAway()
	} else if err != nil {
		return
	}
	select {
	case r.blink <- struct{}{}:
	default:
	}
}

func (r *round) note(ctx context.Context, n news) {
	if ctx.Err() != nil {
		return // what fails now failed because we stop
	}
	for _, t := range n.tried {
		r.complaints.note(ctx, t)
	}
}

// publish tells everybody where we stand, and the log if that is another place.
func (r *round) publish(ctx context.Context) {
	now := time.Now()
	next := r.core.standing(now)
	r.tell(ctx, r.post.publish(next, r.core.until(), now, errNotLeading), next)
	if frozen := r.core.held && !next.Leading; frozen && now.Sub(r.reminded) >= remindAgain {
		r.reminded = now
		r.config.Log.WarnContext(ctx, "the Lease could not be renewed in time: until it is, this agent writes nothing here and tells others no change of this cluster; its streams, DNS and xDS go on",
			"since", r.core.until(), "for", now.Sub(r.core.until()).Round(time.Second))
	} else if !frozen {
		r.reminded = time.Time{}
	}
}

// remindAgain is how often it is told that a leader is frozen.
const remindAgain = time.Minute

func (r *round) tell(ctx context.Context, before, next Standing) {
	log := r.config.Log
	switch {
	case next.Leading && !before.Leading && next.Stint == before.Stint:
		log.InfoContext(ctx, "renewed the Lease again, writing on", "stint", next.Stint)
	case next.Leading && !before.Leading:
		log.InfoContext(ctx, "leading", "stint", next.Stint, "identity", r.config.Identity.String())
	case before.Leading && !next.Leading && !r.core.held:
		log.WarnContext(ctx, "lost the Lease, writing nothing", "holder", clip(holder(r.core.lease)))
	case next.Leader != before.Leader && !r.core.mine():
		log.InfoContext(ctx, "not leading", "holder", clip(holder(r.core.lease)))
	}
}

// giveBack releases the Lease if it is ours, or may be. It is done although ctx has ended.
func (r *round) giveBack(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	var last *coordinationv1.Lease
	select {
	case n := <-r.answered: // a step that ended when we did
		r.doubtful = r.doubtful || n.failed() != nil
		if n.wrote {
			r.core.wrote(*n.seen, time.Now())
		}
	default:
	}
	if r.core.mine() {
		last = r.core.lease
	} else if !r.doubtful {
		return
	}
	ours, err := r.door.release(ctx, last, r.config.Identity)
	if err != nil {
		r.config.Log.WarnContext(ctx, "the Lease could not be released, so others wait until it runs out", "err", err)
		return
	}
	if ours {
		r.config.Log.InfoContext(ctx, "released the Lease")
	}
	over := r.post.now(time.Now())
	over.Leader, over.Since = Identity{}, time.Time{}
	r.post.publish(over, time.Time{}, time.Now(), errStopping)
}
