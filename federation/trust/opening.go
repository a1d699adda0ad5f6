package trust

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// maxPassing bounds the connections that are being passed on: more than a hundred members open to one
// leader, each a stream and a few for gossip, some of them twice while they reconnect.
const maxPassing = 512

// opening is the beginning of a connection up to the end of the ClientHello's random (RFC 8446, 4.1.2:
// record header 5, handshake header 4, version 2, random 32 bytes). No two TLS connections share it, so
// that who is about to pass on an opening that it already passes on has met its own connection again:
// two replicas each of which takes the other for the leader would else pass it round for ever. That
// holds through any number of replicas, translated addresses and balancers, changes no byte, and cannot
// hit a stranger's connection, which an address or a port could.
//
// It also keeps from the leader what never says anything, as health checks do.
type opening [5 + 4 + 2 + 32]byte

// readOpening reads the opening of a connection until ctx ends.
func readOpening(ctx context.Context, conn net.Conn) (first opening, err error) {
	stop := onEnd(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	_, err = io.ReadFull(conn, first[:])
	if stopped := stop(); !stopped {
		err = ctx.Err()
	}
	if err != nil {
		return first, fmt.Errorf("await its first bytes: %w", err)
	}
	return first, nil
}

// passing is the set of the openings of all connections that are being passed on.
type passing struct {
	mu   sync.Mutex
	open map[opening]struct{}
}

// enter adds a connection, unless it is there already or there are too many.
func (p *passing) enter(first opening) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.open[first]; ok {
		return errors.New("it came back: the replicas do not agree on who leads")
	}
	if len(p.open) == maxPassing {
		return fmt.Errorf("%d connections are being passed on already", maxPassing)
	}
	p.open[first] = struct{}{}
	return nil
}

func (p *passing) leave(first opening) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, first)
}

func (p *passing) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}
