package agent

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream"
	"github.com/hansa-mcs/hansa/importer"
)

// second is a moment of a story.
func second(n int) time.Time { return time.Date(2026, 3, 1, 12, 0, n, 0, time.UTC) }

// west is another cluster that was heard in a second of the story; its set was complete if told.
func west(heard int, told bool) federation.Owner {
	o := federation.Owner{Cluster: "west", Exports: 1, Endpoints: 5}
	if heard >= 0 {
		o.Heard = second(heard)
	}
	if told {
		o.Version = federation.Version{Term: 1, Seq: 1}
	}
	return o
}

// gone is west once it has left.
func gone() federation.Owner {
	return federation.Owner{Cluster: "west", Heard: second(20), Version: federation.Version{Term: 1, Seq: 2}, Left: true}
}

// remembered is west before it is heard, when EndpointSlices remember it.
func remembered() federation.Owner {
	o := west(-1, false)
	o.Restored = true
	return o
}

// idle is west without exports.
func idle(heard int) federation.Owner {
	o := west(heard, true)
	o.Exports, o.Endpoints = 0, 0
	return o
}

// recovered is west with more endpoints than were left.
func recovered(heard int) federation.Owner {
	o := west(heard, true)
	o.Endpoints = 100
	return o
}

// moment is what a leader sees in a second, what it tells then, and when it looks again, in seconds.
type moment struct {
	at    int
	idle  bool // another agent leads
	stint uint64
	peers []federation.Owner
	count stream.Refused // of west
	want  string         // a line for each Event
	due   int            // -1 for never
	left  string         // this cluster has left
	held  int            // until when a mass withdrawal of west is, 0 for none

	fated    importer.Fated // of west
	unsteady bool           // west comes and goes too often
	former   int            // when west was heard before this agent started, in seconds before the story; 0 if it is not remembered
}

const (
	leads   = "Normal LeaderChanged agent a/a:1 leads this cluster"
	joined  = "Normal PeerJoined cluster west joined, of which nothing was known here before: it exports 1 service with 5 endpoints"
	again   = "Normal PeerRejoined cluster west is heard again, "
	it      = ": it exports 1 service with 5 endpoints"
	served  = "; what it exported, 1 service with 5 endpoints, stays served as last known until it is heard again, after 30s behind what other clusters have ready (--demote-after), and after 10m0s no more (--withdraw-after); a ServiceExport may say otherwise"
	silence = "Warning PeerUnreachable cluster west was not heard for 3s, since 2026-03-01T12:0"
	holds   = "Warning WithdrawalHeld cluster west lost more than half of what it had within seconds, without a word that it means to, and has 1 service with 5 endpoints left; 12 services that lost endpoints stay served as they were until "
	demotes = "Warning PeerDemoted cluster west was not heard for 30s: its endpoints are demoted in 3 of 4 services; in 1 they come behind those of other clusters, in 2 no other cluster has a ready one and they serve on"
	ends    = "Warning PeerWithdrawn cluster west was not heard for 1m0s: its endpoints are withdrawn in 1 of 4 services until it is heard again; ServiceImports and their addresses stay"
	sways   = "Warning PeerUnsteady cluster west fell silent or came back three times within five minutes: its endpoints are demoted until it was heard for a minute without a break"
	calms   = "Normal PeerSteady cluster west was heard for a minute without a break: its endpoints are served as it says them"
	meant   = "; a cluster that leaves, or says that it means it, is not held"

	withheld, withheld2 = holds + "2026-03-01T12:00:51Z" + meant, holds + "2026-03-01T12:01:30Z" + meant

	refuses = "Warning RecordsRefused "
	left    = "; what was held before stays, and the log says which"
)

func TestWhichEventsAreWritten(t *testing.T) {
	one := func(o federation.Owner) []federation.Owner { return []federation.Owner{o} }
	begun := moment{at: 0, stint: 1, want: leads, due: -1}
	known := moment{at: 20, stint: 1, peers: one(west(20, true)), want: joined, due: 23}
	for what, story := range map[string][]moment{
		"a cluster joins once": {
			begun,
			{at: 2, stint: 1, peers: one(west(2, false)), due: 10},
			{at: 4, stint: 1, peers: one(west(4, true)), want: joined, due: 10},
			{at: 10, stint: 1, peers: one(west(9, true)), due: 12},
		},
		"a cluster was there before anybody looked": {
			{at: 2, stint: 1, peers: one(west(2, true)), count: stream.Refused{Invalid: 1}, want: leads + "\n" + joined + "\n" + refuses + "refused 1 record of cluster west (invalid): against a rule, as of names, sizes or addresses" + left, due: 12},
		},
		"a cluster falls silent and comes back": {
			begun, known,
			{at: 22, stint: 1, peers: one(west(20, true)), due: 23},
			{at: 23, stint: 1, peers: one(west(20, true)), want: silence + "0:20Z" + served, due: -1},
			{at: 24, stint: 1, peers: one(west(20, true)), due: -1},
			{at: 31, stint: 1, peers: one(west(30, true)), want: "Normal PeerReachable cluster west is heard again after 10s", due: 33},
			{at: 32, stint: 1, peers: one(west(31, true)), due: 34},
		},
		"a cluster comes and goes": {
			begun, known,
			{at: 23, stint: 1, peers: one(west(20, true)), want: silence + "0:20Z" + served, due: -1},
			{at: 25, stint: 1, peers: one(west(25, true)), want: "Normal PeerReachable cluster west is heard again after 5s", due: 28},
			{at: 28, stint: 1, peers: one(west(25, true)), due: 83},
			{at: 30, stint: 1, peers: one(west(30, true)), due: 33},
			{at: 33, stint: 1, peers: one(west(30, true)), due: 83},
			{at: 83, stint: 1, peers: one(west(30, true)), want: silence + "0:30Z" + served + "; it fell silent 2 times since the last Event of that", due: -1},
			{at: 84, stint: 1, peers: one(west(84, true)), due: 85},
			{at: 85, stint: 1, peers: one(west(84, true)), want: "Normal PeerReachable cluster west is heard again after 54s", due: 87},
		},
		"a cluster is back before it may be told that it went": {
			begun, known,
			{at: 23, stint: 1, peers: one(west(20, true)), want: silence + "0:20Z" + served, due: -1},
			{at: 25, stint: 1, peers: one(west(25, true)), want: "Normal PeerReachable cluster west is heard again after 5s", due: 28},
			{at: 28, stint: 1, peers: one(west(25, true)), due: 83},
			{at: 30, stint: 1, peers: one(west(30, true)), due: 33},
			{at: 85, stint: 1, peers: one(west(84, true)), want: "Normal PeerReachable cluster west is heard again after 5s; it fell silent once more since the last Event of that", due: 87},
			{at: 86, stint: 1, peers: one(west(85, true)), due: 88},
		},
		"a cluster that is remembered is not heard": {
			{at: 0, stint: 1, former: 60, peers: one(west(-1, false)), want: leads, due: 30},
			{at: 10, stint: 1, former: 60, peers: one(west(-1, false)), due: 30},
			{at: 30, stint: 1, former: 60, peers: one(west(-1, false)), want: "Warning PeerUnreachable cluster west was not heard since this agent started" + served, due: -1},
			{at: 40, stint: 1, former: 60, peers: one(west(40, false)), due: 43},
			{at: 41, stint: 1, former: 60, peers: one(west(41, true)), want: again + "1m41s after hansa-state last noted it as heard" + it, due: 44},
			{at: 50, stint: 1, former: 60, peers: one(west(49, true)), due: 52},
		},
		"a cluster is remembered, and heard soon": {
			{at: 0, stint: 1, former: 60, peers: one(west(-1, false)), want: leads, due: 30},
			{at: 9, stint: 1, former: 60, peers: one(west(9, true)), want: again + "1m9s after hansa-state last noted it as heard" + it, due: 12},
		},
		"a cluster is remembered by what it exported alone": {
			{at: 0, stint: 1, peers: one(remembered()), want: leads, due: 30},
			{at: 9, stint: 1, peers: one(west(9, true)), want: "Normal PeerRejoined cluster west is heard again" + it, due: 12},
		},
		"a cluster that was never heard is not heard by its next leader": {
			{at: 8, idle: true, former: 60, peers: one(west(-1, false))},
			{at: 20, stint: 1, former: 60, peers: one(west(-1, false)), want: leads, due: 50},
			{at: 50, stint: 1, former: 60, peers: one(west(-1, false)), want: "Warning PeerUnreachable cluster west was not heard since this agent started" + served, due: -1},
		},
		"a cluster that exports nothing": {
			begun,
			{at: 20, stint: 1, peers: one(idle(20)), want: strings.Replace(joined, "1 service with 5 endpoints", "nothing", 1), due: 23},
			{at: 23, stint: 1, peers: one(idle(20)), want: silence + "0:20Z; it exported nothing", due: -1},
		},
		"a silent cluster is demoted, withdrawn and back": {
			begun, known,
			{at: 23, stint: 1, peers: one(west(20, true)), want: silence + "0:20Z" + served, due: -1},
			{at: 50, stint: 1, peers: one(west(20, true)), fated: importer.Fated{Cluster: "west", Services: 4, Behind: 1, Alone: 2}, want: demotes, due: -1},
			{at: 55, stint: 1, peers: one(west(20, true)), fated: importer.Fated{Cluster: "west", Services: 4, Behind: 2, Alone: 2}, due: -1},
			{at: 80, stint: 1, peers: one(west(20, true)), fated: importer.Fated{Cluster: "west", Services: 4, Behind: 2, Alone: 1, Withdrawn: 1}, want: ends, due: -1},
			{at: 200, stint: 1, peers: one(west(20, true)), fated: importer.Fated{Cluster: "west", Services: 4, Withdrawn: 4}, due: -1},
			{at: 300, stint: 1, peers: one(west(300, true)), fated: importer.Fated{Cluster: "west", Services: 4, Withdrawn: 4}, want: "Normal PeerReachable cluster west is heard again after 4m40s; its endpoints, which were withdrawn, are served as it says them", due: 303},
			{at: 301, stint: 1, peers: one(west(300, true)), due: 303},
			{at: 303, stint: 1, peers: one(west(300, true)), want: silence + "5:00Z" + served, due: -1},
			{at: 330, stint: 1, peers: one(west(300, true)), fated: importer.Fated{Cluster: "west", Services: 4, Behind: 1, Alone: 2}, want: demotes, due: -1},
			{at: 360, stint: 1, peers: one(west(360, true)), want: "Normal PeerReachable cluster west is heard again after 1m0s; its endpoints, which were demoted, are served as it says them", due: 363},
		},
		"a cluster that is remembered is demoted, and heard": {
			{at: 0, stint: 1, former: 60, peers: one(west(-1, false)), want: leads, due: 30},
			{at: 30, stint: 1, former: 60, peers: one(west(-1, false)), fated: importer.Fated{Cluster: "west", Services: 1, Behind: 1},
				want: "Warning PeerUnreachable cluster west was not heard since this agent started" + served +
					"\nWarning PeerDemoted cluster west was not heard since this agent started: its endpoints are demoted in 1 of 1 service; in 1 they come behind those of other clusters, in 0 no other cluster has a ready one and they serve on", due: -1},
			{at: 40, stint: 1, former: 60, peers: one(west(40, true)), want: again + "1m40s after hansa-state last noted it as heard" + it + "; its endpoints, which were demoted, are served as it says them", due: 43},
		},
		"what another agent told of a silent cluster is not told again": {
			{at: 8, idle: true, peers: one(west(8, true))},
			{at: 40, idle: true, peers: one(west(8, true)), fated: importer.Fated{Cluster: "west", Services: 4, Behind: 4}},
			{at: 41, stint: 1, peers: one(west(8, true)), fated: importer.Fated{Cluster: "west", Services: 4, Behind: 4}, want: leads, due: 51},
			{at: 51, stint: 1, peers: one(west(8, true)), fated: importer.Fated{Cluster: "west", Services: 4, Behind: 4}, want: silence + "0:08Z" + served, due: -1},
			{at: 68, stint: 1, peers: one(west(8, true)), fated: importer.Fated{Cluster: "west", Services: 4, Behind: 3, Withdrawn: 1}, want: ends, due: -1},
			{at: 70, stint: 1, peers: one(west(70, true)), want: "Normal PeerReachable cluster west is heard again after 1m2s; its endpoints, which were withdrawn, are served as it says them", due: 73},
		},
		"a cluster is unsteady": {
			begun, known,
			{at: 23, stint: 1, peers: one(west(20, true)), want: silence + "0:20Z" + served, due: -1},
			{at: 25, stint: 1, peers: one(west(25, true)), want: "Normal PeerReachable cluster west is heard again after 5s", due: 28},
			{at: 28, stint: 1, peers: one(west(25, true)), unsteady: true, fated: importer.Fated{Cluster: "west", Services: 4, Behind: 4}, want: sways, due: 83},
			{at: 30, stint: 1, peers: one(west(30, true)), unsteady: true, fated: importer.Fated{Cluster: "west", Services: 4, Behind: 4}, due: 33},
			{at: 85, stint: 1, peers: one(west(84, true)), unsteady: true, fated: importer.Fated{Cluster: "west", Services: 4, Behind: 4}, want: "Normal PeerReachable cluster west is heard again after 5s; its endpoints stay demoted until it was heard for a minute without a break; it fell silent once more since the last Event of that", due: 87},
			{at: 90, stint: 1, peers: one(west(89, true)), want: calms, due: 92},
			{at: 91, stint: 1, peers: one(west(90, true)), due: 93},
		},
		"an unsteady cluster is withdrawn in the end": {
			begun, known,
			{at: 23, stint: 1, peers: one(west(20, true)), unsteady: true, fated: importer.Fated{Cluster: "west", Services: 4, Behind: 4}, want: silence + "0:20Z" + served + "\n" + sways, due: -1},
			{at: 80, stint: 1, peers: one(west(20, true)), unsteady: true, fated: importer.Fated{Cluster: "west", Services: 4, Behind: 3, Withdrawn: 1}, want: ends, due: -1},
		},
		"a cluster was unsteady when another agent led": {
			{at: 8, idle: true, unsteady: true, peers: one(west(8, true))},
			{at: 20, stint: 1, unsteady: true, peers: one(west(20, true)), want: leads, due: 30},
			{at: 30, stint: 1, peers: one(west(30, true)), want: calms, due: 33},
		},
		"another agent's streams were cut with it": {
			{at: 8, idle: true, peers: one(west(8, true)), count: stream.Refused{Limit: 1}},
			{at: 20, stint: 1, peers: one(west(8, true)), count: stream.Refused{Limit: 1}, want: leads, due: 30},
			{at: 21, stint: 1, peers: one(west(21, true)), due: 30},
			{at: 30, stint: 1, peers: one(west(29, true)), due: 32},
		},
		"a new leader does not reach what the old one did": {
			{at: 8, idle: true, peers: one(west(8, true))},
			{at: 20, stint: 1, peers: one(west(8, true)), want: leads, due: 30},
			{at: 30, stint: 1, peers: one(west(8, true)), want: silence + "0:08Z" + served, due: -1},
		},
		"a cluster leaves, and comes back": {
			begun, known,
			{at: 21, stint: 1, peers: one(gone()), want: "Normal PeerLeft cluster west has left the clusterset: nothing that it exported is served any more, and nobody waits for it", due: -1},
			{at: 40, stint: 1, peers: one(gone()), due: -1},
			{at: 50, stint: 1, peers: one(west(50, true)), want: again + "30s after it left" + it, due: 53},
		},
		"a cluster leaves that was silent": {
			begun, known,
			{at: 23, stint: 1, peers: one(west(20, true)), want: silence + "0:20Z" + served, due: -1},
			{at: 30, stint: 1, peers: one(gone()), want: "Normal PeerLeft cluster west has left the clusterset: nothing that it exported is served any more, and nobody waits for it", due: -1},
		},
		"a cluster had left when another agent led": {
			{at: 8, idle: true, peers: one(west(8, true))},
			{at: 9, idle: true, peers: one(gone())},
			{at: 20, stint: 1, peers: one(gone()), want: leads, due: -1},
			{at: 50, stint: 1, peers: one(west(50, true)), want: again + "30s after it left" + it, due: 53},
		},
		"this cluster leaves, and comes back": {
			begun, known,
			{at: 21, stint: 1, left: "out", want: "Normal Left out", due: -1},
			{at: 22, stint: 1, left: "out", due: -1},
			{at: 30, stint: 1, due: -1},
			{at: 31, stint: 1, peers: one(west(31, true)), want: again + "11s after it was last heard" + it, due: 34},
			{at: 33, stint: 1, left: "out", want: "Normal Left out", due: -1},
		},
		"this cluster had left when another agent led": {
			{at: 8, idle: true, left: "out"},
			{at: 20, stint: 1, left: "out", want: leads, due: -1},
		},
		"a mass withdrawal is held, and believed": {
			begun, known,
			{at: 21, stint: 1, peers: one(west(21, true)), held: 51, want: withheld, due: 24},
			{at: 22, stint: 1, peers: one(west(22, true)), held: 51, due: 25},
			{at: 51, stint: 1, peers: one(west(51, true)), want: "Normal WithdrawalBelieved what cluster west lost is not served any more; it exports 1 service with 5 endpoints", due: 54},
			{at: 52, stint: 1, peers: one(west(52, true)), due: 55},
			{at: 60, stint: 1, peers: one(west(60, true)), held: 90, due: 63}, // too soon for a second Event
			{at: 81, stint: 1, peers: one(west(81, true)), held: 90, want: withheld2, due: 84},
		},
		"what was held comes back": {
			begun, known,
			{at: 21, stint: 1, peers: one(west(21, true)), held: 51, want: withheld, due: 24},
			{at: 51, stint: 1, peers: one(recovered(51)), due: 54},
		},
		"a hold began when another agent led": {
			{at: 8, idle: true, peers: one(west(8, true)), held: 38},
			{at: 20, stint: 1, peers: one(west(20, true)), held: 38, want: leads, due: 30},
			{at: 38, stint: 1, peers: one(west(38, true)), want: "Normal WithdrawalBelieved what cluster west lost is not served any more; it exports 1 service with 5 endpoints", due: 41},
		},
		"records are refused": {
			begun, known,
			{at: 21, stint: 1, peers: one(west(21, true)), count: stream.Refused{Limit: 3, Term: 1}, want: refuses + "refused 3 records of cluster west (limit): beyond --max-services, --max-endpoints or --max-bytes" + left + "\n" +
				refuses + "refused 1 record of cluster west (term): of a term that nobody can have yet, as the clock of that cluster or of this one is wrong" + left, due: 24},
			{at: 22, stint: 1, peers: one(west(22, true)), count: stream.Refused{Limit: 5, Term: 1, Invalid: 1}, want: refuses + "refused 1 record of cluster west (invalid): against a rule, as of names, sizes or addresses" + left, due: 25},
			{at: 23, stint: 1, peers: one(west(23, true)), count: stream.Refused{Limit: 7, Term: 1, Invalid: 1}, due: 26},
			{at: 79, stint: 1, peers: one(west(79, true)), count: stream.Refused{Limit: 7, Term: 1, Invalid: 1}, due: 81},
			{at: 81, stint: 1, peers: one(west(81, true)), count: stream.Refused{Limit: 7, Term: 1, Invalid: 1, Foreign: 1}, want: refuses + "refused 4 records of cluster west (limit): beyond --max-services, --max-endpoints or --max-bytes" + left + "\n" +
				refuses + "refused 1 record of cluster west (foreign): of a cluster that it may not speak for, or as a second cluster of that ID, which ended the stream" + left, due: 84},
			{at: 141, stint: 1, peers: one(west(141, true)), count: stream.Refused{Limit: 7, Term: 1, Invalid: 1, Foreign: 1}, due: 144},
		},
		"what was before another leader's time is told by nobody twice": {
			begun, known,
			{at: 25, stint: 1, idle: true, peers: one(west(25, true)), count: stream.Refused{Limit: 3}},
			{at: 30, stint: 2, peers: one(west(30, true)), count: stream.Refused{Limit: 3}, due: 40},
			{at: 41, stint: 2, peers: one(west(41, true)), count: stream.Refused{Limit: 4}, want: refuses + "refused 1 record of cluster west (limit): beyond --max-services, --max-endpoints or --max-bytes" + left, due: 44},
		},
		"the lead comes and goes": {
			begun,
			{at: 5, stint: 2, due: 60},
			{at: 8, stint: 3, due: 60},
			{at: 60, stint: 3, want: leads + "; this agent took the lead 2 times since the last Event of that", due: -1},
			{at: 90, stint: 4, due: 120},
			{at: 120, stint: 4, want: leads, due: -1},
		},
	} {
		var told tale
		for _, m := range story {
			var events []event
			var due time.Time
			s := scene{
				stint: m.stint, leader: "agent a/a:1 leads this cluster", served: servedFor(Defaults()), demote: Defaults().DemoteAfter, left: m.left, peers: m.peers,
				unsteady: map[federation.ClusterID]bool{"west": m.unsteady},
				totals:   map[federation.ClusterID]stream.Stats{"west": {Refused: m.count}},
			}
			if m.held > 0 {
				s.held = []importer.Held{{Cluster: "west", Until: second(m.held), Services: 12}}
			}
			if m.fated != (importer.Fated{}) {
				s.fated = []importer.Fated{m.fated}
			}
			if m.former > 0 {
				s.former = map[federation.ClusterID]time.Time{"west": second(-m.former)}
			}
			if m.idle {
				told = told.follow(s)
				continue
			}
			told, events, due = told.next(s, second(m.at))
			var lines []string
			for _, e := range events {
				if !e.at.Equal(second(m.at)) {
					t.Errorf("%s, second %d: an Event at %v", what, m.at, e.at)
				}
				lines = append(lines, fmt.Sprintf("%s %s %s", e.kind, e.reason, e.note))
			}
			if got := strings.Join(lines, "\n"); got != m.want {
				t.Errorf("%s, second %d: wrote\n%s\nwant\n%s", what, m.at, got, m.want)
			}
			want := time.Time{}
			if m.due >= 0 {
				want = second(m.due)
			}
			if !due.Equal(want) {
				t.Errorf("%s, second %d: looks again at %v, want %v", what, m.at, due, want)
			}
		}
	}
}

// Whatever clusters do, there is no second Event of a kind about one of them within a minute; and the last one is true.
func TestEventsAreNoStorm(t *testing.T) {
	ids := []federation.ClusterID{"north", "south", "west"}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		var told tale
		heard, last := map[federation.ClusterID]time.Time{}, map[string]time.Time{}
		state := map[federation.ClusterID]string{}
		count := stream.Refused{}
		stint := uint64(1)
		for at := range 1200 {
			var peers []federation.Owner
			var fated []importer.Fated
			unsteady := map[federation.ClusterID]bool{}
			for _, id := range ids {
				if at > 1100 || r.IntN(4) == 0 {
					heard[id] = second(at)
				}
				if at <= 1100 && second(at).Sub(heard[id]) >= federation.Silence && r.IntN(2) == 0 {
					fated = append(fated, importer.Fated{Cluster: id, Services: 2, Behind: r.IntN(2), Alone: r.IntN(2), Withdrawn: r.IntN(2)})
				}
				unsteady[id] = at <= 1100 && at/100%2 == 0 && r.IntN(9) > 0
				peers = append(peers, federation.Owner{Cluster: id, Heard: heard[id], Version: federation.Version{Term: 1}})
			}
			if r.IntN(20) == 0 {
				count.Limit++
			}
			if at < 1000 && r.IntN(100) == 0 {
				stint++
			}
			var events []event
			stats := map[federation.ClusterID]stream.Stats{"north": {Refused: count}}
			told, events, _ = told.next(scene{stint: stint, leader: "us", served: "for ever", peers: peers, fated: fated, unsteady: unsteady, totals: stats}, second(at))
			for _, e := range events {
				about := slices.IndexFunc(ids, func(id federation.ClusterID) bool { return strings.Contains(e.note, "cluster "+string(id)) })
				kind := fmt.Sprint(e.reason, about)
				if before, again := last[kind]; again && e.at.Sub(before) < time.Minute {
					t.Errorf("seed %d, second %d: %s again after %s", seed, at, kind, e.at.Sub(before))
				}
				last[kind] = e.at
				if about >= 0 && e.reason != reasonRefused {
					state[ids[about]] = e.reason
				}
			}
		}
		for id, reason := range state {
			if slices.Contains([]string{reasonUnreachable, reasonDemoted, reasonWithdrawn, reasonUnsteady}, reason) {
				t.Errorf("seed %d: %s is heard and served, and the last word is %s", seed, id, reason)
			}
		}
		if len(last) < 6*len(ids)+2 {
			t.Errorf("seed %d: only %v were told of", seed, last)
		}
	}
}
