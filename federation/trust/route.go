package trust

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// dialTime is how long a leader may take to accept a connection that is passed on to it.
const dialTime = 3 * time.Second

var errMoved = errors.New("the leader changed")

// Route says what becomes of the connections that reach the port: the leader serves them, a standby that
// a load balancer hands one passes it on to its leader. The zero Route closes them.
type Route struct {
	// Serve is set while the port's own listeners serve: this replica leads, or is the only one.
	Serve bool
	// To is the host:port that connections are passed on to unless Serve; "" if no leader is known.
	To string
	// Changed closes when the Route may no longer be current; nil means that it stays for ever. What is
	// passed on to any other than the new To is then cut, so that its peers connect anew. Who only fails
	// to learn who leads had better keep the Route.
	Changed <-chan struct{}
}

// Route makes the port ask route about each connection before it reads a byte, and again whenever
// Changed closes. route never blocks and may be called from any goroutine. Without it, the port serves.
// It is set before Start. What is served already stays so when the Route changes.
func (p *Port) Route(route func() Route) { p.route = route }

// receive lets a connection go the way of the Route. What that takes runs in work.
func (p *Port) receive(ctx context.Context, raw *net.TCPConn, work *sync.WaitGroup) {
	switch r := p.route(); {
	case r.Serve:
		h := p.admit(ctx)
		work.Go(func() {
			defer h.leave()
			p.serve(h.ctx, tls.Server(raw, p.tls))
		})
	case r.To != "":
		p.passOn(ctx, raw, r, work)
	default:
		raw.Close()
		p.leaderless.Add(1)
	}
}

// passOn passes a connection on until it ends, its Route does, or ctx does.
func (p *Port) passOn(ctx context.Context, client *net.TCPConn, r Route, work *sync.WaitGroup) {
	ctx, end := context.WithCancelCause(ctx)
	h := p.admit(ctx)
	work.Go(func() {
		p.follow(ctx, r)
		end(errMoved)
	})
	work.Go(func() {
		defer end(nil)
		defer h.leave()
		err := p.forward(ctx, h, client, r.To)
		if err == nil {
			return
		}
		client.Close()
		if moved := context.Cause(ctx); moved != nil {
			err = moved
		}
		p.refusals.add(client.RemoteAddr(), fmt.Errorf("pass on to the leader at %s: %w", r.To, err))
	})
}

// follow returns when the port no longer passes on to where r says, or when ctx ends.
func (p *Port) follow(ctx context.Context, r Route) {
	for to := r.To; r.To == to && !r.Serve; r = p.route() {
		select {
		case <-r.Changed:
		case <-ctx.Done():
			return
		}
	}
}

// forward passes a connection on to the leader at address, and returns nil when it has ended. After an
// error, it was not passed on.
func (p *Port) forward(ctx context.Context, h *handshake, client *net.TCPConn, address string) error {
	first, err := readOpening(h.ctx, client)
	if err != nil {
		return err
	}
	if err := p.passing.enter(first); err != nil {
		return err
	}
	defer p.passing.leave(first)
	leader, err := dialLeader(h.ctx, address)
	if err != nil {
		return err
	}
	if _, err := leader.Write(first[:]); err != nil {
		leader.Close()
		return err
	}
	h.leave()
	p.passed.Add(1)
	couple(ctx, client, leader, goodbyeTime)
	return nil
}

func dialLeader(ctx context.Context, address string) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	raw, err := dialTCP(ctx, address)
	if err != nil {
		return nil, err
	}
	return raw.(*net.TCPConn), nil
}
