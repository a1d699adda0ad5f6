package main

import (
	"context"
	"time"
)

// held is the rule of a partition: packets vanish, and nobody is told.
var hold = rule{hold: true}

// noticed is how long it may take until a cluster is shown as unreachable that is not heard for 3 seconds.
const noticed = 6 * time.Second

// reunited is how long it may take until a partition is healed: the longest pause between attempts to connect, and a
// connection that is given up before.
const reunited = 40 * time.Second

// late is by how much a timer may be late.
const late = 10 * time.Second

func partitions(t timers) []fault {
	return []fault{fullPartition(t), asymmetricPartition(), partialMesh(), threeWaySplit()}
}

func fullPartition(t timers) fault {
	return fault{
		id: "1", title: "two clusters, full partition",
		sees:     "nothing while another cluster serves; what only the other side has stays as last known until --withdraw-after",
		holds:    "the other side's endpoints are used last after --demote-after and go after --withdraw-after, local ones are not touched, and all is back without a hand",
		clusters: []string{"east", "west"}, quiet: t.flags,
		steps: []step{
			exports("east", "web", "10.1.0.1", "10.1.0.2"), exports("west", "web", "10.2.0.1"), exports("east", "db", "10.1.1.1"),
			uses("west", "web", "10.1.0.1", "10.1.0.2", "10.2.0.1"), uses("west", "db", "10.1.1.1"),
			marks("cut"), withEast("west", hold),
			since("cut", "shown as unreachable after", 0, noticed, shows("west", aliveIn("east"), is(0))),
			since("cut", "used last after", t.demote-2*time.Second, t.demote+late, finds("west", "web", "10.2.0.1")),
			timed("a local change arrives in", 2*time.Second, all(adds("west", "web", "10.2.0.2"), finds("west", "web", "10.2.0.1", "10.2.0.2"))),
			adds("east", "web", "10.1.0.3"),
			until("cut", t.withdraw-3*time.Second), losesNothing, stopsCounting("db"),
			since("cut", "withdrawn after", t.withdraw-2*time.Second, t.withdraw+late, all(imports("west", "web", "west"), findsBy(bySlices, "west", "db"))),
			heals,
			timed("after the heal the other side is heard in", reunited, shows("west", aliveIn("east"), is(1))),
			timed("and serves in", 2*time.Second, all(finds("west", "web", "10.1.0.1", "10.1.0.2", "10.1.0.3", "10.2.0.1", "10.2.0.2"), finds("west", "db", "10.1.1.1"))),
			agree("east", "west"), losesNothing,
		},
	}
}

func asymmetricPartition() fault {
	return fault{
		id: "2", title: "a partition of one direction",
		sees:     "nothing; the metrics of the two clusters tell which way is open",
		holds:    "who cannot dial is dialed; who does not hear shows it while the other still hears, and neither flaps",
		clusters: []string{"east", "west"},
		steps: []step{
			exports("east", "web", "10.1.0.1"), hasNamespace("west"), uses("west", "web", "10.1.0.1"),
			oneWay("west", "east", rule{refuse: true}),
			timed("west cannot dial east: a change arrives in", reunited, all(adds("east", "web", "10.1.0.2"), finds("west", "web", "10.1.0.1", "10.1.0.2"))),
			oneWay("west", "east", rule{}), oneWay("east", "west", rule{refuse: true}),
			timed("east cannot dial west: a change arrives in", reunited, all(adds("east", "web", "10.1.0.3"), finds("west", "web", "10.1.0.1", "10.1.0.2", "10.1.0.3"))),
			heals, lasts(time.Second),
			marks("deaf"), oneWay("east", "west", hold),
			since("deaf", "west is deaf: it shows so after", 0, noticed, shows("west", aliveIn("east"), is(0))),
			expect("east still hears west", func(ctx context.Context, r *run) (bool, error) {
				v, err := r.read(ctx, "east", aliveIn("west"))
				return v == 1, err
			}),
			since("deaf", "east learns of it after", 0, reunited, shows("east", aliveIn("west"), is(0))),
			keeps(10*time.Second, "west", aliveIn("east"), is(0)), keeps(5*time.Second, "east", aliveIn("west"), is(0)),
			adds("east", "web", "10.1.0.4"), heals,
			timed("after the heal a change arrives in", reunited, finds("west", "web", "10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4")),
			losesNothing,
		},
	}
}

func partialMesh() fault {
	return fault{
		id: "3", title: "A and C cannot reach each other, B reaches both",
		sees:     "nothing; C is shown as unreachable from A, and how far A is behind",
		holds:    "A keeps C's endpoints and membership, as B still hears it, and shows that it is unreachable from here and what is missed",
		clusters: []string{"east", "west", "north"},
		steps: []step{
			exports("north", "web", "10.3.0.1"), hasNamespace("east"), hasNamespace("west"),
			uses("east", "web", "10.3.0.1"), shows("east", members, is(2)),
			marks("cut"), withEast("north", hold),
			since("cut", "shown as unreachable after", 0, noticed, shows("east", aliveIn("north"), is(0))),
			adds("north", "web", "10.3.0.2"),
			since("cut", "what is missed is shown after", 0, 0, shows("east", behindOf("north"), above(0))),
			keeps(15*time.Second, "east", members, is(2)),
			losesNothing, heals,
			timed("after the heal a change arrives in", reunited, finds("east", "web", "10.3.0.1", "10.3.0.2")),
			losesNothing,
		},
	}
}

func threeWaySplit() fault {
	return fault{
		id: "4", title: "five clusters fall into three parts, and change on every side",
		sees:     "in each part what that part says, and the others as last known",
		holds:    "after the heal all five hold the same, each owner's newest word, without a hand (three real clusters, two members without Kubernetes)",
		clusters: []string{"east", "west", "north"},
		steps: []step{
			exports("east", "web", "10.1.0.1"), exports("west", "web", "10.2.0.1"), exports("north", "web", "10.3.0.1"), exports("west", "old", "10.2.9.1"),
			joins("south", "isle", "10.4.0.1"), joins("far", "isle", "10.5.0.1"),
			agree("east", "west", "north"), uses("north", "web", "10.1.0.1", "10.2.0.1", "10.3.0.1"),
			splits([]string{"east", "south"}, []string{"west", "far"}, []string{"north"}),
			shows("north", aliveIn("east"), is(0)), shows("north", aliveIn("west"), is(0)), shows("west", aliveIn("east"), is(0)),
			adds("east", "web", "10.1.0.2"), adds("west", "web", "10.2.0.2"), unexports("west", "old"), adds("north", "web", "10.3.0.2"),
			exports("north", "new", "10.3.8.1"), says("south", "isle", "10.4.0.2"), says("far", "other", "10.5.0.9"),
			lasts(10 * time.Second), losesNothing, heals,
			timed("all five agree after", reunited+late, agree("east", "west", "north")),
			finds("north", "web", "10.1.0.1", "10.1.0.2", "10.2.0.1", "10.2.0.2", "10.3.0.1", "10.3.0.2"), losesNothing,
		},
	}
}

// splits cuts every way between members of different groups.
func splits(groups ...[]string) step {
	return func(_ context.Context, r *run) error {
		for i, these := range groups {
			for j, those := range groups {
				for _, a := range these {
					for _, b := range those {
						if i != j {
							r.net.set(pair{a, b}, anyTraffic, hold)
						}
					}
				}
			}
		}
		return nil
	}
}

// until lets time pass until so long after a mark.
func until(mark string, d time.Duration) step {
	return func(ctx context.Context, r *run) error { return lasts(time.Until(r.marks[mark].Add(d)))(ctx, r) }
}
