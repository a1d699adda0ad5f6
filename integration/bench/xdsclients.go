package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// xdsCrowd is many clients of one server, each with a connection of its own, as proxies have. The names that they
// subscribe to are spread evenly.
type xdsCrowd struct {
	Address     string
	CA          string // the file of whom to trust; without it in plaintext
	Connections int
	Names       int  // of each client
	Services    int  // of which there are names
	All         bool // they subscribe to all clusters as well
	Loose       bool // changes may come in any order, and together
}

// xdsTold is what the clients were told until they had all that they asked for.
type xdsTold struct {
	// Sum is of all that the first of them was told, however it was told that.
	Sum uint64
}

// xdsCount is what the clients received after that.
type xdsCount struct {
	Resources int64
	Least     int64 // by the one who received the least
}

// connecting is how many clients connect at once: more would only wait for each other.
const connecting = 32

// crowd is the clients, in a process of their own.
type crowd struct {
	xdsCrowd
	streams []*xdsStream
	shown   chan int // the change that was shown to somebody
}

// runXDSClients is a process that subscribes, and tells what comes, until its standard input ends.
func runXDSClients(ctx context.Context, args []string) error {
	c := crowd{}
	if err := parseTask(args, &c.xdsCrowd); err != nil {
		return err
	}
	c.shown = make(chan int, c.Connections)
	ctx, cancel := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer cancel()
		return answer(ctx, func(ctx context.Context, what string) (any, error) {
			switch what {
			case "begin":
				return c.begin(ctx, group)
			case "change":
				return true, c.await(ctx)
			case "count":
				return c.count(), nil
			case "differing":
				return c.differing(), nil
			default:
				return nil, fmt.Errorf("what is %q?", what)
			}
		})
	})
	err := group.Wait()
	for _, s := range c.streams {
		err = errors.Join(err, s.conn.Close())
	}
	return err
}

// begin connects all, and returns when each has what it asked for.
func (c *crowd) begin(ctx context.Context, group *errgroup.Group) (xdsTold, error) {
	options, err := c.options()
	if err != nil {
		return xdsTold{}, err
	}
	for i := range c.Connections {
		s, err := newXDSStream(c, i, options)
		if err != nil {
			return xdsTold{}, err
		}
		c.streams = append(c.streams, s)
	}
	err = each(ctx, len(c.streams), connecting, func(_ context.Context, i int) error { return c.streams[i].subscribe(ctx) })
	if err != nil {
		return xdsTold{}, err
	}
	for _, s := range c.streams {
		group.Go(func() error { return s.follow(ctx) })
	}
	return xdsTold{Sum: c.streams[0].sum}, nil
}

func (c *crowd) options() ([]grpc.DialOption, error) {
	protected := insecure.NewCredentials()
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s: no certificate is in it", c.CA)
		}
		protected = credentials.NewClientTLSFromCert(pool, "")
	}
	return []grpc.DialOption{
		grpc.WithTransportCredentials(protected),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64 << 20)),
		// Windows that do not grow by what is measured: gRPC pings for that, which proxies do not.
		grpc.WithStaticStreamWindowSize(xdsWindow), grpc.WithStaticConnWindowSize(xdsWindow),
	}, nil
}

// xdsWindow has room for all that a client may be told at once.
const xdsWindow = 8 << 20

// await returns when the next change was shown to every client.
func (c *crowd) await(ctx context.Context) error {
	first := -1
	for range c.streams {
		select {
		case n := <-c.shown:
			if first < 0 {
				first = n
			}
			if n != first {
				return fmt.Errorf("change %d was shown to one when change %d was to another", n, first)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (c *crowd) count() xdsCount {
	var all xdsCount
	for i, s := range c.streams {
		n := s.received.Load()
		all.Resources += n
		if i == 0 || n < all.Least {
			all.Least = n
		}
	}
	return all
}

// differing returns how many services there are of which clients who subscribe to them were told of different versions.
func (c *crowd) differing() int {
	versions, differ := map[string]string{}, map[string]bool{}
	for _, s := range c.streams {
		for name, version := range s.holds() {
			if first, ok := versions[name]; ok && version != first {
				differ[name] = true
			}
			versions[name] = version
		}
	}
	return len(differ)
}
