package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hansa-mcs/hansa/importer/xds"
)

// xdsTask is what a process of xDS serves, and how.
type xdsTask struct {
	Linear              bool // by go-control-plane instead of ours
	Services, Endpoints int
	Changes             int    // that are to come, about
	Dir                 string // with the files of a certificate; without it in plaintext
}

// xdsServer is ours, or linear.
type xdsServer interface {
	Addr() net.Addr
	Start(context.Context) error
}

// runXDSServer is a process that serves xDS until its standard input ends. It begins once its View has all services,
// and serves them from when it is told to.
func runXDSServer(ctx context.Context, args []string) error {
	var task xdsTask
	if err := parseTask(args, &task); err != nil {
		return err
	}
	scene := newXDSScene(task.Services, task.Endpoints)
	scene.prepare(task.Changes)
	server, err := task.server(ctx, scene)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return scene.importer.Start(ctx) })
	group.Go(func() error { return server.Start(ctx) })
	group.Go(func() error {
		defer cancel()
		return answer(ctx, func(ctx context.Context, what string) (any, error) {
			switch what {
			case "begin":
				return server.Addr().String(), scene.full(ctx)
			case "serve":
				scene.importer.Open()
			case "change":
				scene.change()
			case "heap":
				return heap(), nil
			case "idle":
				debug.FreeOSMemory() // or clients would be given what making the View has left
				return used(), nil
			case "used":
				return used(), nil
			default:
				return nil, fmt.Errorf("what is %q?", what)
			}
			return true, nil
		})
	})
	return group.Wait()
}

func (t xdsTask) server(ctx context.Context, scene *xdsScene) (xdsServer, error) {
	if t.Linear {
		return newLinear(ctx, scene.importer)
	}
	protected := insecure.NewCredentials()
	if t.Dir != "" {
		certificate, err := tls.LoadX509KeyPair(t.Dir+"/tls.crt", t.Dir+"/tls.key")
		if err != nil {
			return nil, err
		}
		protected = credentials.NewServerTLSFromCert(&certificate)
	}
	return xds.New(xds.Config{
		Address: "127.0.0.1:0", Cluster: scene.store.Self(), Credentials: protected, Log: slog.New(slog.DiscardHandler),
		View: scene.importer.View, Ready: scene.importer.Ready(),
	})
}
