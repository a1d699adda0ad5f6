package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// idle is what a member takes in a process of its own that is idle among 99 others.
var idle = group{name: "idle", ids: []string{"live/idle/cpu", "live/idle/memory"}, alone: true, measure: idleRows}

// pace is what a member takes in a process of its own at 1,000 changes each second, and another one that follows them.
var pace = group{
	name: "pace",
	ids: append([]string{
		"live/pace/owner/cpu", "live/pace/peer/cpu", "live/pace/owner/growth", "live/pace/peer/growth", "live/pace/late/max",
	}, seriesIDs("live/pace/late")...),
	alone:   true,
	measure: paceRows,
}

// mostIdle is how long an idle member is measured: longer tells nothing more.
const mostIdle = 30 * time.Second

// settling is how long a process runs before it is measured: connections are opened, and the heap finds its size.
const settling = 10 * time.Second

// idleRows runs a member in this process and all others in another.
func idleRows(ctx context.Context, b *bench) ([]row, error) {
	var before, after usage
	err := withPeers(ctx, b, manyOwners, func(ctx context.Context, n *node, _ *peers) error {
		n.store.Announce(1, manyOf("owner", manyServices, fewEndpoints))
		if err := n.knows(ctx, manyOwners); err != nil {
			return fmt.Errorf("waiting for %d other members: %w", manyOwners, err)
		}
		if err := sleep(ctx, settling); err != nil {
			return err
		}
		before = used()
		err := sleep(ctx, min(b.span, mostIdle))
		after = used()
		return err
	})
	return []row{
		{id: "live/idle/cpu", value: before.share(after), unit: "%"},
		{id: "live/idle/memory", value: after.resident(), unit: "MB"},
	}, err
}

// paceRows changes an endpoint of one service a thousand times each second.
func paceRows(ctx context.Context, b *bench) ([]row, error) {
	var before, after usage
	var seen follower
	var rows []row
	err := withPeers(ctx, b, 1, func(ctx context.Context, n *node, p *peers) error {
		services := manyOf("owner", manyServices, fewEndpoints)
		n.store.Announce(1, services)
		if err := n.knows(ctx, 1); err != nil {
			return err
		}
		if err := p.ask("start", nil); err != nil {
			return err
		}
		n.change(ctx, services, settling, io.Discard)
		if err := p.ask("warm", nil); err != nil {
			return err
		}
		before = used()
		began := time.Now()
		made := n.change(ctx, services, b.span, b.progress)
		after = used()
		if rate := float64(made) / time.Since(began).Seconds(); rate < 990 {
			return fmt.Errorf("only %.0f changes were made each second: the machine is too busy", rate)
		}
		return p.ask("stop", &seen)
	})
	if err != nil {
		return nil, err
	}
	if len(seen.Late) == 0 {
		return nil, errors.New("the other process saw no change")
	}
	slices.Sort(seen.Late)
	rows = append(rows, latencies("live/pace/late", seen.Late, nil)...)
	return append(rows,
		row{id: "live/pace/late/max", value: float64(seen.Late[len(seen.Late)-1].Microseconds()) / 1000, unit: "ms"},
		row{id: "live/pace/owner/cpu", value: before.share(after), unit: "%"},
		row{id: "live/pace/peer/cpu", value: seen.Before.share(seen.After), unit: "%"},
		row{id: "live/pace/owner/growth", value: after.resident() - before.resident(), unit: "MB"},
		row{id: "live/pace/peer/growth", value: seen.After.resident() - seen.Before.resident(), unit: "MB"},
	), nil
}

// stamp is the annotation that says when a change was made, in Unix nanoseconds.
const stamp = "bench.example/at"

// changesPerMinute is the pace.
const changesPerMinute = 60_000

// change makes a thousand changes each second for so long, and returns how many. It tells the progress each minute.
func (n *node) change(ctx context.Context, services []*federation.Export, span time.Duration, progress io.Writer) int {
	began := time.Now()
	for i := 0; ; i++ {
		due := began.Add(time.Duration(i) * time.Millisecond)
		if due.Sub(began) >= span || sleep(ctx, time.Until(due)) != nil {
			return i
		}
		if i > 0 && i%changesPerMinute == 0 {
			fmt.Fprintf(progress, "pace: %s of %s\n", due.Sub(began), span)
		}
		e := *services[i%len(services)]
		e.Annotations = map[string]string{stamp: strconv.FormatInt(time.Now().UnixNano(), 10)}
		e.Subsets = []federation.Subset{{Ports: e.Subsets[0].Ports, Endpoints: slices.Clone(e.Subsets[0].Endpoints)}}
		e.Subsets[0].Endpoints[i/len(services)%fewEndpoints].Conditions ^= federation.Ready
		n.store.Set(&e)
	}
}

// peers is the process with the other members.
type peers struct {
	in  *json.Encoder
	out *bufio.Reader
}

// ask tells the process what to do, and waits until it is done.
func (p *peers) ask(what string, answer any) error {
	if err := p.in.Encode(what); err != nil {
		return err
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("asking the other process to %s: %w", what, err)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(line, answer)
}

// withPeers runs a member here, and so many others in another process, until do returns.
func withPeers(ctx context.Context, b *bench, count int, do func(context.Context, *node, *peers) error) (err error) {
	dir, err := os.MkdirTemp("", "hansa-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	members := []federation.ClusterID{"owner"}
	for i := range count {
		members = append(members, peerName(i))
	}
	if err := identities(dir, members...); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	n, err := newNode(ctx, dir+"/owner", "owner", nil, func(federation.ClusterID) bool { return true })
	if err != nil {
		cancel()
		return err
	}
	ran := make(chan error, 1)
	go func() { ran <- n.run(ctx) }()
	defer func() {
		cancel()
		err = errors.Join(err, <-ran)
	}()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.CommandContext(ctx, self, "peers", dir, strconv.Itoa(count), n.address())
	child.Stderr = b.progress
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	stdin, err := child.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	err = do(ctx, n, &peers{json.NewEncoder(stdin), bufio.NewReader(stdout)})
	_ = stdin.Close() // ends it
	return errors.Join(err, child.Wait())
}

func peerName(i int) federation.ClusterID { return federation.ClusterID(fmt.Sprintf("peer-%d", i)) }

// usage is what a process has used so far.
type usage struct {
	At    time.Time
	CPU   time.Duration
	Bytes int64
}

// used returns what this process, and all of its threads, used.
func used() usage {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	total := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	bytes := int64(0)
	if data, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(data)); len(fields) > 1 {
			pages, _ := strconv.ParseInt(fields[1], 10, 64)
			bytes = pages * int64(os.Getpagesize())
		}
	}
	return usage{At: time.Now(), CPU: total, Bytes: bytes}
}

// share is the part of one core that was used between two moments, in percent.
func (u usage) share(later usage) float64 {
	return 100 * float64(later.CPU-u.CPU) / float64(later.At.Sub(u.At))
}

func (u usage) resident() float64 { return float64(u.Bytes) / 1e6 }
