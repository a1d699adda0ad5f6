// Package balancer is a TCP load balancer for tests, as bad as real ones may be: it picks at random, from
// a seed, among all backends, does not look whether they are well, and never tries a second one.
package balancer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
)

// Balancer hands each connection to a backend. All methods may be called from any goroutine.
type Balancer struct {
	tcp *net.TCPListener

	mu       sync.Mutex
	random   *rand.Rand
	backends []string
	handed   map[string]int
}

// Listen opens a free port of this machine for backends, each a host:port. The same seed picks the same
// backends in the order of the connections. Nothing is accepted before Start, which also closes the port.
func Listen(ctx context.Context, seed uint64, backends ...string) (*Balancer, error) {
	var config net.ListenConfig
	tcp, err := config.Listen(ctx, "tcp", "localhost:0")
	if err != nil {
		return nil, fmt.Errorf("open the balancer's port: %w", err)
	}
	return &Balancer{
		tcp:      tcp.(*net.TCPListener),
		random:   rand.New(rand.NewPCG(seed, 0)),
		backends: slices.Clone(backends),
		handed:   map[string]int{},
	}, nil
}

// Addr returns the address that clients dial.
func (b *Balancer) Addr() net.Addr { return b.tcp.Addr() }

// SetBackends replaces the backends for new connections; those that are open stay. While there are none,
// connections are closed.
func (b *Balancer) SetBackends(backends ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.backends = slices.Clone(backends)
}

// Handed returns how many connections each backend has been picked for since the start.
func (b *Balancer) Handed() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.handed)
}

// Start accepts connections until ctx ends, then closes the port and all connections, waits for them, and
// returns nil. It is called once.
func (b *Balancer) Start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { b.tcp.Close() })()
	for {
		client, err := b.tcp.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			b.tcp.Close()
			return fmt.Errorf("accept at the balancer's port: %w", err)
		}
		backend, ok := b.pick()
		if !ok {
			client.Close()
			continue
		}
		work.Go(func() { pass(ctx, client, backend) })
	}
}

func (b *Balancer) pick() (backend string, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.backends) == 0 {
		return "", false
	}
	backend = b.backends[b.random.IntN(len(b.backends))]
	b.handed[backend]++
	return backend, true
}

// pass joins a connection with a new one to the backend until both directions have ended, either fails,
// or ctx ends.
func pass(ctx context.Context, client *net.TCPConn, backend string) {
	ctx, cut := context.WithCancel(ctx)
	defer cut()
	defer client.Close()
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "tcp", backend)
	if err != nil {
		return
	}
	server := raw.(*net.TCPConn)
	defer server.Close()
	cutting := make(chan struct{})
	inTime := context.AfterFunc(ctx, func() {
		defer close(cutting)
		client.Close()
		server.Close()
	})
	flow := func(to, from *net.TCPConn) {
		if _, err := io.Copy(to, from); err != nil || to.CloseWrite() != nil {
			cut()
		}
	}
	var back sync.WaitGroup
	back.Go(func() { flow(client, server) })
	flow(server, client)
	back.Wait()
	if !inTime() {
		<-cutting
	}
}
