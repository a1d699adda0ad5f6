package main

import "time"

func quietPeers(t timers) []fault {
	return []fault{
		{
			id: "5", title: "a peer's API server is down, its pods are alive",
			sees:     "nothing, anywhere",
			holds:    "the peer counts as alive all the while, nothing of it goes, and changes flow again when the API server is back",
			clusters: []string{"east", "west"},
			steps: []step{
				exports("east", "web", "10.1.0.1"), hasNamespace("west"), uses("west", "web", "10.1.0.1"), uses("east", "web", "10.1.0.1"),
				stopsAPIServer("east"), keeps(t.long, "west", aliveIn("east"), is(1)), losesNothing,
				timed("the API server starts in", 0, startsAPIServer("east")),
				timed("after that a change arrives in", reflectorPatience, all(adds("east", "web", "10.1.0.2"), finds("west", "web", "10.1.0.1", "10.1.0.2"))),
				losesNothing,
			},
		},
		{
			id: "6", title: "all agents of a peer are down, its pods are alive",
			sees:     "nothing: what only that cluster has stays, what others have too is taken from them after --demote-after",
			holds:    "endpoints are held, used last after --demote-after while another cluster has some, and serve again within 2 s of the agent's being heard; its restart withdraws nothing",
			clusters: []string{"east", "west"}, quiet: quiet{demote: t.flags.demote},
			steps: []step{
				exports("east", "web", "10.1.0.1"), exports("west", "web", "10.2.0.1"), exports("east", "db", "10.1.1.1"),
				uses("west", "web", "10.1.0.1", "10.2.0.1"), uses("west", "db", "10.1.1.1"),
				marks("down"), killsAgents("east"),
				since("down", "shown as unreachable after", 0, noticed, shows("west", aliveIn("east"), is(0))),
				since("down", "used last after", t.demote-2*time.Second, t.demote+late, finds("west", "web", "10.2.0.1")),
				finds("west", "db", "10.1.1.1"),
				startsAgents("east"), timed("heard after its start in", reunited, shows("west", aliveIn("east"), is(1))),
				timed("and serves in", 2*time.Second, finds("west", "web", "10.1.0.1", "10.2.0.1")),
				losesNothing, killsAgents("east"), startsAgents("east"), shows("west", aliveIn("east"), is(1)), lasts(2 * time.Second),
				imports("west", "web", "east", "west"), imports("west", "db", "east"), agree("west"), losesNothing,
			},
		},
	}
}

// promises are what Hansa must hold whatever else is tuned.
func promises(t timers) []fault {
	return []fault{
		{
			id: "M1", title: "must hold: a cluster vanishes, another one has ready endpoints",
			sees:     "requests to the vanished endpoints fail until traffic has left them",
			holds:    "traffic has left the vanished cluster by slices and by xDS within 10 s of --demote-after, which is 40 s by default, and is back within 2 s of its being heard",
			clusters: []string{"east", "west"}, quiet: quiet{demote: t.flags.demote},
			steps: []step{
				exports("east", "web", "10.1.0.1"), exports("west", "web", "10.2.0.1"), uses("west", "web", "10.1.0.1", "10.2.0.1"),
				marks("vanished"), withEast("west", hold), kills("web", "10.1.0.1"), killsAgents("east"), stopsAPIServer("east"),
				since("vanished", "traffic has left by xDS after", 0, t.demote+late, findsBy(byXDS, "west", "web", "10.2.0.1")),
				since("vanished", "by slices after", 0, t.demote+late, findsBy(bySlices, "west", "web", "10.2.0.1")),
				heals, startsAPIServer("east"), startsAgents("east"), shows("west", aliveIn("east"), is(1)),
				timed("back, once it is heard, in", 2*time.Second, finds("west", "web", "10.1.0.1", "10.2.0.1")),
				losesNothing,
			},
		},
		{
			id: "M2", title: "must hold: control planes alone are parted, one cluster exports",
			sees:     "nothing before --withdraw-after",
			holds:    "no endpoint is withdrawn or left before --withdraw-after, and all are at that time",
			clusters: []string{"east", "west"}, quiet: t.flags,
			steps: []step{
				exports("east", "web", "10.1.0.1"), exports("east", "db", "10.1.1.1"), hasNamespace("west"),
				uses("west", "web", "10.1.0.1"), uses("west", "db", "10.1.1.1"),
				marks("cut"), withEast("west", hold),
				until("cut", t.withdraw-3*time.Second), finds("west", "web", "10.1.0.1"), finds("west", "db", "10.1.1.1"), losesNothing, stopsCounting(""),
				since("cut", "withdrawn after", t.withdraw-2*time.Second, t.withdraw+late, all(findsBy(bySlices, "west", "web"), findsBy(bySlices, "west", "db"))),
				heals, timed("after the heal it serves in", reunited, all(finds("west", "web", "10.1.0.1"), finds("west", "db", "10.1.1.1"))),
			},
		},
	}
}

// reflectorPatience is how long a change may take once an API server is back: client-go's reflectors try again after up
// to a minute when they could not for a while.
const reflectorPatience = 90 * time.Second
