package stream

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// errNotLeading is why a stream ends that another agent of this cluster is to have.
var errNotLeading = errors.New("this agent does not lead its cluster")

// keepStanding keeps the streams that go with this agent's standing, until ctx ends. Who leads goes on leading
// whatever its leader's address is said to be.
func (x *Exchange) keepStanding(ctx context.Context) {
	for ctx.Err() == nil {
		standing, changed := x.config.Standing()
		if !standing.Leads {
			x.config.Store.HearThroughLeader()
		}
		during, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			switch {
			case standing.Leads:
				x.dialMembers(during)
			case standing.Leader != "":
				x.keepDialing(during, Member{Cluster: x.config.Store.Self(), Address: standing.Leader})
			}
		}()
		for still := true; still; {
			select {
			case <-changed:
				var now Standing
				now, changed = x.config.Standing()
				still = now == standing || now.Leads && standing.Leads
			case <-ctx.Done():
				still = false
			}
		}
		cancel()
		<-done
		if standing.Leads { // those that others dialed are left
			x.links.end(errNotLeading)
		}
	}
}

// dialMembers runs one dialer per member that gossip knows or has known. What gossip thinks of a member is advice: one
// that it lost is dialed on, and a stream to it that works stays, until gossip knows the cluster at another address or
// the cluster has left.
func (x *Exchange) dialMembers(ctx context.Context) {
	var dialers sync.WaitGroup
	defer dialers.Wait()
	running := map[Member]context.CancelCauseFunc{}
	for {
		members, changed := x.config.Members()
		known, elsewhere := map[Member]bool{}, map[federation.ClusterID]bool{}
		for _, m := range members {
			known[m], elsewhere[m.Cluster] = true, true
			if running[m] == nil {
				dialCtx, cancel := context.WithCancelCause(ctx)
				running[m] = cancel
				dialers.Go(func() { x.keepDialing(dialCtx, m) })
			}
		}
		for m, cancel := range running {
			if !known[m] && (elsewhere[m.Cluster] || x.hasLeft(m.Cluster)) {
				cancel(errUnknown)
				delete(running, m)
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			for _, cancel := range running {
				cancel(nil)
			}
			return
		}
	}
}

// keepDialing keeps a stream to m until ctx ends: it waits while there is one, whoever dialed it, and
// dials when there is none, with back-off.
func (x *Exchange) keepDialing(ctx context.Context, m Member) {
	var wait backoff
	without := trouble{since: time.Now()}
	for ctx.Err() == nil {
		if ended := x.links.wait(m.Cluster); ended != nil {
			select {
			case <-ended:
			case <-ctx.Done():
			}
			wait, without = backoff{}, trouble{since: time.Now()}
			continue
		}
		began := time.Now()
		up, err := x.dial(ctx, m)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > backoffReset {
			wait = backoff{}
		}
		if up {
			without = trouble{since: time.Now()}
		}
		if !replaced(err) { // a second stream that was not needed is no failure
			x.failures.stream(m.Cluster, err, time.Now())
			x.tellWithout(ctx, &without, m, err)
		}
		select {
		case <-time.After(wait.next()):
		case <-ctx.Done():
		}
	}
}

// tellWithout tells that there is no stream, and why.
func (x *Exchange) tellWithout(ctx context.Context, without *trouble, m Member, err error) {
	level := without.level(time.Now())
	if m.Cluster == x.config.Store.Self() {
		x.config.Log.Log(ctx, level, "no stream to this cluster's leader; trying until there is another", "address", m.Address, "reason", reason(err))
		return
	}
	x.config.Log.Log(ctx, level, "no stream to a peer; trying for ever", "peer", m.Cluster, "address", m.Address, "reason", reason(err))
}

// replaced reports whether a stream ended because there is a better one, as this side or the other says.
func replaced(err error) bool {
	return errors.Is(err, errReplaced) || status.Code(err) == codes.AlreadyExists
}

// dial opens a stream to m and moves its frames until it ends. It reports whether the stream was ever up.
func (x *Exchange) dial(ctx context.Context, m Member) (up bool, err error) {
	conn, err := grpc.NewClient("passthrough:///"+m.Address,
		grpc.WithTransportCredentials(handshaken{}),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return x.config.Dial(ctx, address, m.Cluster)
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxFrame)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: silence, Timeout: silence}),
		grpc.WithStaticStreamWindowSize(window),
		grpc.WithStaticConnWindowSize(window),
		grpc.WithDisableRetry(),
	)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer func() {
		cancel(nil)
		_ = conn.Close()
	}()
	stream, err := wire.NewFederationClient(conn).Exchange(ctx)
	if err != nil {
		return false, err
	}
	self := x.config.Store.Self()
	role := Peer
	if m.Cluster == self {
		role = Leader
	}
	l := x.newLink(stream, m.Cluster, role, self, cancel)
	defer x.links.open(l)()
	return x.move(ctx, l)
}

// hasLeft reports whether a cluster has said that it leaves.
func (x *Exchange) hasLeft(cluster federation.ClusterID) bool {
	return slices.ContainsFunc(x.config.Store.Owners(), func(o federation.Owner) bool { return o.Cluster == cluster && o.Left })
}
