package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

func badNetworks(t timers) []fault {
	return []fault{lossyNetwork(t), tcpOnly(t), oneProtocolBlocked(), slowConsumer(t)}
}

// drops has nftables drop so many packets of a hundred.
func drops(percent int) step {
	return filters(fmt.Sprintf("numgen random mod 100 < %d drop", percent))
}

func lossyNetwork(t timers) fault {
	slow := rule{delay: 230 * time.Millisecond, jitter: 40 * time.Millisecond}
	return fault{
		id: "8", title: "5, 30 and 60 % of the packets lost; 500 ms round trip with jitter",
		sees:     "changes of other clusters arrive later",
		holds:    "nothing is lost or withdrawn; what changed meanwhile arrives, at the latest when the loss is over",
		clusters: []string{"east", "west"},
		steps: []step{
			exports("east", "web", "10.1.0.1"), hasNamespace("west"), uses("west", "web", "10.1.0.1"),
			drops(5), timed("5 % lost: a change arrives in", reunited, change("east", "west", "web", "10.1.0.1", 2)),
			drops(30), timed("30 % lost: in", 2*reunited, change("east", "west", "web", "10.1.0.1", 3)),
			drops(60), adds("east", "web", "10.1.0.4"), lasts(t.long), filters(),
			timed("60 % lost, and then none: in", reunited, finds("west", "web", "10.1.0.1", "10.1.0.4")), removes("east", "web", "10.1.0.4"), finds("west", "web", "10.1.0.1"),
			withEast("west", slow),
			timed("500 ms round trip: in", 5*time.Second, change("east", "west", "web", "10.1.0.1", 5)),
			keeps(10*time.Second, "west", aliveIn("east"), is(1)), losesNothing,
		},
	}
}

// change adds an endpoint to the one that a service has, and waits until a user elsewhere has both; then it takes it
// away again.
func change(from, to, service, has string, n int) step {
	more := has[:len(has)-1] + strconv.Itoa(n)
	return func(ctx context.Context, r *run) error {
		return all(adds(from, service, more), finds(to, service, has, more), removes(from, service, more), finds(to, service, has))(ctx, r)
	}
}

func tcpOnly(t timers) fault {
	return fault{
		id: "9", title: "only TCP passes, with the segments of MTU 1280, and a balancer forgets idle connections",
		sees:     "nothing; after a balancer lost its table, changes are late once",
		holds:    "no stream is idle enough to be forgotten, members stay known, and a stream that is forgotten all the same is replaced",
		clusters: []string{"east", "west"},
		steps: []step{
			filters("meta l4proto udp drop", "tcp flags syn tcp option maxseg size set 1240"),
			exports("east", "web", "10.1.0.1"), hasNamespace("west"), uses("west", "web", "10.1.0.1"),
			cutsAll, timed("a change arrives in", reunited, change("east", "west", "web", "10.1.0.1", 2)),
			withEast("west", rule{idle: t.idle}), lasts(3 * time.Second), // by then one of two streams is left
			remembers("west", streams("east")), keeps(5*t.idle/2, "west", aliveIn("east"), is(1)), same("west", streams("east")),
			shows("west", members, is(1)), shows("east", members, is(1)),
			forgetsAll, timed("a forgotten stream is replaced, and a change arrives in", reunited, change("east", "west", "web", "10.1.0.1", 3)),
			losesNothing,
		},
	}
}

// cutsAll resets all connections.
func cutsAll(_ context.Context, r *run) error {
	r.net.mu.Lock()
	defer r.net.mu.Unlock()
	for l := range r.net.lines {
		l.cut()
	}
	return nil
}

// forgetsAll forgets all connections, silently: a balancer lost its table.
func forgetsAll(_ context.Context, r *run) error {
	r.net.mu.Lock()
	defer r.net.mu.Unlock()
	for l := range r.net.lines {
		l.forgot.Store(true)
	}
	return nil
}

func oneProtocolBlocked() fault {
	return fault{
		id: "10", title: "gossip passes and streams are blocked, and the reverse",
		sees:     "without streams, changes are missing and the status says so; without gossip, nothing",
		holds:    "without streams the peer is shown as unreachable and how far it is ahead; without gossip it is missing among the members, while changes go on",
		clusters: []string{"east", "west"},
		steps: []step{
			exports("east", "web", "10.1.0.1"), hasNamespace("west"), uses("west", "web", "10.1.0.1"), shows("west", members, is(1)),
			marks("streams"), only(streamTraffic, "east", "west", hold), only(streamTraffic, "west", "east", hold),
			since("streams", "streams blocked: shown as unreachable after", 0, noticed, shows("west", aliveIn("east"), is(0))),
			timed("a change that is missed is shown in", 0, all(adds("east", "web", "10.1.0.2"), shows("west", behindOf("east"), above(0)))),
			keeps(5*time.Second, "west", members, is(1)), losesNothing,
			heals, timed("it arrives after the heal in", reunited, finds("west", "web", "10.1.0.1", "10.1.0.2")), shows("west", behindOf("east"), is(0)),
			lasts(2 * time.Second),
			marks("gossip"), only(gossipTraffic, "east", "west", hold), only(gossipTraffic, "west", "east", hold),
			since("gossip", "gossip blocked: shown after", 0, patience, shows("west", members, is(0))),
			keeps(15*time.Second, "west", aliveIn("east"), is(1)),
			timed("and a change still arrives in", 2*time.Second, all(adds("east", "web", "10.1.0.3"), finds("west", "web", "10.1.0.1", "10.1.0.2", "10.1.0.3"))),
			heals, shows("west", members, is(1)), losesNothing,
		},
	}
}

func slowConsumer(t timers) fault {
	return fault{
		id: "11", title: "one peer reads 1 byte a second while much changes",
		sees:     "in that peer's cluster changes are missing; elsewhere nothing",
		holds:    "changes reach the others as fast as ever, the sender's memory stays bounded, and the slow peer has everything once it reads",
		clusters: []string{"east", "west", "north"},
		steps: []step{
			exports("east", "web", "10.1.0.1"), hasNamespace("west"), hasNamespace("north"), exports("east", "big", addresses("10.11", 3*perSlice)...),
			uses("north", "web", "10.1.0.1"), uses("west", "web", "10.1.0.1"), agree("west", "north"),
			remembersMemory("east"), oneWay("east", "west", rule{rate: 1}),
			during(churns("east", "big", t.long), slowest("slowest of 20 changes to the others", time.Second, 20, "east", "north", "web", "10.1.0.1")),
			growsAtMost("east", 64<<20),
			heals, timed("the slow peer has everything after", reunited, agree("west", "north")),
			losesNothing,
		},
	}
}
