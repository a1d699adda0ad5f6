package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hansa-mcs/hansa/federation"
)

// follower is what the first of the other members saw of the owner's changes.
type follower struct {
	Late          []time.Duration // of each service that was seen to change, the newest change
	Before, After usage
}

// runPeers is the other process of live: it runs the members whose files are in dir until its standard input ends,
// and answers each line of it with one.
func runPeers(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("peers takes 3 arguments, got %d", len(args))
	}
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var first *node
	for i := range count {
		n, err := newNode(ctx, args[0]+"/"+string(peerName(i)), peerName(i), []string{args[2]}, func(id federation.ClusterID) bool { return id == "owner" })
		if err != nil {
			return err
		}
		n.store.Announce(1, nil)
		group.Go(func() error { return n.run(ctx) })
		if i == 0 {
			first = n
		}
	}
	group.Go(func() error {
		defer cancel()
		return first.obey(ctx, group)
	})
	return group.Wait()
}

// obey does what the lines on standard input say.
func (n *node) obey(ctx context.Context, group *errgroup.Group) error {
	lines, answers := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	var seen follower
	late := newAges()
	for lines.Scan() {
		var answer any = true
		switch lines.Text() {
		case `"start"`:
			group.Go(func() error { return n.follow(ctx, late) })
		case `"warm"`:
			late.take()
			seen.Before = used()
		case `"stop"`:
			seen.After = used()
			seen.Late = late.take()
			answer = seen
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

// ages are taken down in memory that is there from the beginning, so that they are no growth of the process.
type ages struct {
	mu   sync.Mutex
	list []time.Duration
}

// mostAges are enough for ten minutes and more.
const mostAges = 1 << 20

func newAges() *ages {
	a := &ages{list: make([]time.Duration, mostAges)}
	for i := range a.list {
		a.list[i] = 1 // the kernel gives a page when it is written to
	}
	a.list = a.list[:0]
	return a
}

func (a *ages) add(age time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.list) < mostAges {
		a.list = append(a.list, age)
	}
}

// take returns what was taken down, and begins anew.
func (a *ages) take() []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	taken := slices.Clone(a.list)
	a.list = a.list[:0]
	return taken
}

// follow tells how old each change is when it is seen.
func (n *node) follow(ctx context.Context, late *ages) error {
	_, revision, _ := n.store.NamesSince(0)
	for {
		changed := n.store.Changed()
		names, now, _ := n.store.NamesSince(revision)
		revision = now
		for _, name := range names {
			e := n.store.Export("owner", name)
			if e == nil || e.Annotations[stamp] == "" {
				continue
			}
			at, err := strconv.ParseInt(e.Annotations[stamp], 10, 64)
			if err != nil {
				return err
			}
			late.add(time.Since(time.Unix(0, at)))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}
