package exporter

import (
	"context"
	"fmt"
	"sync"
	"time"

	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
)

// announced is the stint of leading in which this cluster was announced last.
type announced struct {
	mu      sync.Mutex
	stint   uint64
	speaks  bool // the stint goes on, and the Store takes our word
	changed chan struct{}
}

// in reports whether this cluster speaks in a stint, and returns a channel that closes when that changes.
func (a *announced) in(stint uint64) (bool, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.speaks && a.stint == stint, a.changed
}

// before reports whether this cluster was announced in a stint already.
func (a *announced) before(stint uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stint == stint
}

func (a *announced) set(stint uint64, speaks bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stint, a.speaks = stint, speaks
	close(a.changed)
	a.changed = make(chan struct{})
}

// lead waits until this agent leads and has announced what it knows. The context that it returns ends when the
// agent may not write any more; done is to be called then at the latest. The error is that ctx ended.
func (x *exporter) lead(ctx context.Context) (lead context.Context, done func(), err error) {
	for {
		lead, done, stint, err := x.Lead(ctx)
		if err != nil {
			return nil, nil, err
		}
		said, changed := x.announced.in(stint)
		if said {
			return lead, done, nil
		}
		select {
		case <-changed:
		case <-lead.Done():
		}
		done()
	}
}

// keepAnnounced announces this cluster in each stint that this agent leads, until ctx ends.
func (x *exporter) keepAnnounced(ctx context.Context) {
	for wait := retryLeast; ctx.Err() == nil; {
		err := x.announce(ctx)
		if err == nil || ctx.Err() != nil {
			wait = retryLeast
			continue
		}
		x.Log.Error("what this cluster exports could not be announced", "error", err, "again_in", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		wait = min(2*wait, retryMost)
	}
}

// announce waits until this agent leads, announces this cluster if it has not in this stint, takes back all as its stance
// says, and waits until it leads no more. One goroutine alone says that this agent leads, and that it does not.
func (x *exporter) announce(ctx context.Context) error {
	lead, done, stint, err := x.Lead(ctx)
	if err != nil {
		return err
	}
	defer done()
	defer x.hush(stint)
	for lead.Err() == nil {
		stance, turned := x.Stance()
		drain, drained := x.Drain()
		if err := x.speak(lead, stint, stance, drain); err != nil {
			return err
		}
		select {
		case <-turned:
		case <-drained:
		case <-lead.Done():
		}
	}
	return nil
}

// speak makes the Store take this agent's word. Who takes all back says so in the term that it has; who speaks again
// begins another one. A drain is said with each service.
func (x *exporter) speak(lead context.Context, stint uint64, stance Stance, drain federation.Drain) error {
	begins := !x.announced.before(stint) || stance != Leaves && x.Store.Left() || stance == Speaks && x.Store.Silent()
	if begins {
		if err := x.begin(lead, stance); err != nil {
			return err
		}
	} else {
		x.Store.Resume()
	}
	switch stance {
	case Speaks:
	case Withholds:
		x.Store.Silence()
	case Leaves:
		x.Store.Leave()
	}
	x.announced.set(stint, true)
	if stance != x.stance || drain != x.drain {
		all, err := x.all(lead)
		if err != nil {
			return err
		}
		x.stance, x.drain = stance, drain
		x.again.look(lead, all)
	}
	if begins {
		x.again.look(lead, x.missing.take())
	}
	return nil
}

// begin begins a term with all that this cluster exports, or with nothing, as the stance says.
func (x *exporter) begin(lead context.Context, stance Stance) (err error) {
	var exports []*federation.Export
	if stance == Speaks {
		if exports, err = x.complete(lead); err != nil {
			return err
		}
	}
	term, err := x.TakeTerm(lead, x.Store.LeastTerm())
	if err == nil {
		err = lead.Err() // it took so long that another may lead
	}
	if err != nil {
		return err
	}
	announced := false
	if stance == Withholds {
		announced = x.Store.AnnounceSilence(term)
	} else {
		announced = x.Store.Announce(term, exports)
	}
	if !announced {
		return fmt.Errorf("announcing in term %d: another leader of this cluster spoke in one as late", term)
	}
	x.Log.Info("announced", "exports", len(exports), "version", x.version())
	return nil
}

// hush ends what speak began.
func (x *exporter) hush(stint uint64) {
	if x.announced.before(stint) {
		x.announced.set(stint, false)
	}
	x.Store.Follow()
}

// all returns the services that have a ServiceExport.
func (x *exporter) all(ctx context.Context) ([]federation.ServiceName, error) {
	var list mcsv1beta1.ServiceExportList
	if err := x.client.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("listing ServiceExports: %w", err)
	}
	var names []federation.ServiceName
	for i := range list.Items {
		names = append(names, nameOf(&list.Items[i]))
	}
	return names, nil
}

// keepTerm begins another term whenever a peer holds a greater one of this cluster, until ctx ends.
func (x *exporter) keepTerm(ctx context.Context) {
	for ctx.Err() == nil {
		contested, changed := x.Store.Contested()
		if contested.IsZero() {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		if err := x.outbid(ctx); err != nil && ctx.Err() == nil {
			x.Log.Error("a peer holds a greater term of this cluster, and no greater one could be taken", "term", contested.Term, "error", err)
		}
		select {
		case <-time.After(termPause):
		case <-ctx.Done():
		}
	}
}

func (x *exporter) outbid(ctx context.Context) error {
	lead, done, err := x.lead(ctx)
	if err != nil {
		return err
	}
	defer done()
	term, err := x.TakeTerm(lead, x.Store.LeastTerm())
	if err != nil {
		return err
	}
	if !x.Store.Renew(term) {
		return fmt.Errorf("beginning term %d: another one is needed by now", term)
	}
	x.Log.Warn("a peer held a greater term of this cluster; began another",
		"version", x.version(), "hint", "once, after an etcd was restored, is well; again and again means two leaders: all agents of a cluster need the same --namespace")
	return nil
}
