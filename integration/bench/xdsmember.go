package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
	"github.com/hansa-mcs/hansa/importer/xds"
)

// memberTask is the member that serves xDS: where its files are, and where another member listens.
type memberTask struct{ Dir, Seed string }

// memberSeen is what the member saw of the owner's changes, and of the others.
type memberSeen struct {
	follower
	Suspected int64
}

const memberName federation.ClusterID = "member"

// runXDSMember is a process with a whole member but for Kubernetes, DNS and reports, until its standard input ends. It
// begins once it serves all that the owner exports.
func runXDSMember(ctx context.Context, args []string) error {
	var task memberTask
	if err := parseTask(args, &task); err != nil {
		return err
	}
	var seen memberSeen
	suspected := &suspicions{}
	n, err := newLoggingNode(ctx, task.Dir+"/"+string(memberName), memberName, []string{task.Seed}, everybody, slog.New(suspected))
	if err != nil {
		return err
	}
	n.store.Announce(1, nil)
	concluded := importer.New(n.store, importer.Config{Patience: federation.DefaultPatience})
	concluded.SetNamespace("shop", true)
	server, err := xds.New(xds.Config{
		Address: "127.0.0.1:0", Cluster: memberName, Credentials: insecure.NewCredentials(), Log: slog.New(slog.DiscardHandler),
		View: concluded.View, Ready: concluded.Ready(),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	for _, start := range []func(context.Context) error{n.run, concluded.Start, server.Start} {
		group.Go(func() error { return start(ctx) })
	}
	late := newAges()
	group.Go(func() error { return n.follow(ctx, late) })
	group.Go(func() error {
		defer cancel()
		return answer(ctx, func(ctx context.Context, what string) (any, error) {
			switch what {
			case "begin":
				defer concluded.Open()
				return server.Addr().String(), shows(ctx, concluded, manyServices)
			case "warm":
				late.take()
				suspected.n.Store(0)
				seen.Before = used()
				return true, nil
			case "stop":
				seen.Late, seen.After, seen.Suspected = late.take(), used(), suspected.n.Load()
				return seen, nil
			default:
				return nil, fmt.Errorf("what is %q?", what)
			}
		})
	})
	return group.Wait()
}

func everybody(federation.ClusterID) bool { return true }

// suspicions counts what memberlist says about others who do not answer.
type suspicions struct{ n atomic.Int64 }

// Enabled is true of all: memberlist suspects in a low voice.
func (s *suspicions) Enabled(context.Context, slog.Level) bool { return true }

// Handle counts a line that says that somebody is suspected, or given up.
func (s *suspicions) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "said" && (strings.HasPrefix(a.Value.String(), "Suspect ") || strings.HasPrefix(a.Value.String(), "Marking ")) {
			s.n.Add(1)
		}
		return true
	})
	return nil
}

// WithAttrs changes nothing: those of a line are looked at alone.
func (s *suspicions) WithAttrs([]slog.Attr) slog.Handler { return s }

// WithGroup changes nothing.
func (s *suspicions) WithGroup(string) slog.Handler { return s }
