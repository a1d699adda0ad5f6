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

// moment is what a leader sees in a second, what it tells then, and when it looks again, in seconds.
type moment struct {
	at    int
	idle  bool // another agent leads
	stint uint64
	peers []federation.Owner
	count stream.Refused // of west
	want  string         // a line for each Event
	due   int            // -1 for never
}

const (
	leads   = "Normal LeaderChanged agent a/a:1 leads this cluster"
	joined  = "Normal PeerJoined cluster west told all that it exports, 1 service with 5 endpoints, for the first time since this agent started"
	served  = "; what it exported, 1 service with 5 endpoints, stays served as last known until it is heard again, for at most 10m0s (--withdraw-after)"
	silence = "Warning PeerUnreachable cluster west was not heard for 3s, since 2026-03-01T12:0"
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
			{2, false, 1, one(west(2, false)), stream.Refused{}, "", 10},
			{4, false, 1, one(west(4, true)), stream.Refused{}, joined, 10},
			{10, false, 1, one(west(9, true)), stream.Refused{}, "", 12},
		},
		"a cluster was there before anybody looked": {
			{at: 2, stint: 1, peers: one(west(2, true)), count: stream.Refused{Invalid: 1}, want: leads + "\n" + joined + "\n" + refuses + "refused 1 record of cluster west (invalid): against a rule, as of names, sizes or addresses" + left, due: 12},
		},
		"a cluster falls silent and comes back": {
			begun, known,
			{22, false, 1, one(west(20, true)), stream.Refused{}, "", 23},
			{23, false, 1, one(west(20, true)), stream.Refused{}, silence + "0:20Z" + served, 24},
			{24, false, 1, one(west(20, true)), stream.Refused{}, "", 25},
			{31, false, 1, one(west(30, true)), stream.Refused{}, "Normal PeerReachable cluster west is heard again after 10s", 33},
			{32, false, 1, one(west(31, true)), stream.Refused{}, "", 34},
		},
		"a cluster comes and goes": {
			begun, known,
			{23, false, 1, one(west(20, true)), stream.Refused{}, silence + "0:20Z" + served, 24},
			{25, false, 1, one(west(25, true)), stream.Refused{}, "Normal PeerReachable cluster west is heard again after 5s", 28},
			{28, false, 1, one(west(25, true)), stream.Refused{}, "", 29},
			{30, false, 1, one(west(30, true)), stream.Refused{}, "", 33},
			{33, false, 1, one(west(30, true)), stream.Refused{}, "", 34},
			{83, false, 1, one(west(30, true)), stream.Refused{}, silence + "0:30Z" + served + "; it fell silent 2 times since the last Event of that", 84},
			{84, false, 1, one(west(84, true)), stream.Refused{}, "", 85},
			{85, false, 1, one(west(84, true)), stream.Refused{}, "Normal PeerReachable cluster west is heard again after 54s", 87},
		},
		"a cluster is back before it may be told that it went": {
			begun, known,
			{23, false, 1, one(west(20, true)), stream.Refused{}, silence + "0:20Z" + served, 24},
			{25, false, 1, one(west(25, true)), stream.Refused{}, "Normal PeerReachable cluster west is heard again after 5s", 28},
			{28, false, 1, one(west(25, true)), stream.Refused{}, "", 29},
			{30, false, 1, one(west(30, true)), stream.Refused{}, "", 33},
			{85, false, 1, one(west(84, true)), stream.Refused{}, "Normal PeerReachable cluster west is heard again after 5s; it fell silent once more since the last Event of that", 87},
			{86, false, 1, one(west(85, true)), stream.Refused{}, "", 88},
		},
		"a cluster that is remembered is not heard": {
			{at: 0, stint: 1, peers: one(west(-1, false)), want: leads, due: 10},
			{10, false, 1, one(west(-1, false)), stream.Refused{}, "Warning PeerUnreachable cluster west was not heard since this agent started" + served, 11},
			{20, false, 1, one(west(20, false)), stream.Refused{}, "", 23},
			{21, false, 1, one(west(21, true)), stream.Refused{}, joined, 24},
		},
		"another agent's streams were cut with it": {
			{at: 8, idle: true, peers: one(west(8, true)), count: stream.Refused{Limit: 1}},
			{at: 20, stint: 1, peers: one(west(8, true)), count: stream.Refused{Limit: 1}, want: leads, due: 30},
			{21, false, 1, one(west(21, true)), stream.Refused{}, "", 30},
			{30, false, 1, one(west(29, true)), stream.Refused{}, "", 32},
		},
		"a new leader does not reach what the old one did": {
			{at: 8, idle: true, peers: one(west(8, true))},
			{at: 20, stint: 1, peers: one(west(8, true)), want: leads, due: 30},
			{30, false, 1, one(west(8, true)), stream.Refused{}, silence + "0:08Z" + served, 31},
		},
		"records are refused": {
			begun, known,
			{21, false, 1, one(west(21, true)), stream.Refused{Limit: 3, Term: 1}, refuses + "refused 3 records of cluster west (limit): beyond --max-services, --max-endpoints or --max-bytes" + left + "\n" +
				refuses + "refused 1 record of cluster west (term): of a term that nobody can have yet, as the clock of that cluster or of this one is wrong" + left, 24},
			{22, false, 1, one(west(22, true)), stream.Refused{Limit: 5, Term: 1, Invalid: 1}, refuses + "refused 1 record of cluster west (invalid): against a rule, as of names, sizes or addresses" + left, 25},
			{23, false, 1, one(west(23, true)), stream.Refused{Limit: 7, Term: 1, Invalid: 1}, "", 26},
			{79, false, 1, one(west(79, true)), stream.Refused{Limit: 7, Term: 1, Invalid: 1}, "", 81},
			{81, false, 1, one(west(81, true)), stream.Refused{Limit: 7, Term: 1, Invalid: 1, Foreign: 1}, refuses + "refused 4 records of cluster west (limit): beyond --max-services, --max-endpoints or --max-bytes" + left + "\n" +
				refuses + "refused 1 record of cluster west (foreign): of a cluster that it may not speak for, which ended the stream" + left, 84},
			{141, false, 1, one(west(141, true)), stream.Refused{Limit: 7, Term: 1, Invalid: 1, Foreign: 1}, "", 144},
		},
		"what was before another leader's time is told by nobody twice": {
			begun, known,
			{at: 25, stint: 1, idle: true, peers: one(west(25, true)), count: stream.Refused{Limit: 3}},
			{30, false, 2, one(west(30, true)), stream.Refused{Limit: 3}, "", 40},
			{41, false, 2, one(west(41, true)), stream.Refused{Limit: 4}, refuses + "refused 1 record of cluster west (limit): beyond --max-services, --max-endpoints or --max-bytes" + left, 44},
		},
		"the lead comes and goes": {
			begun,
			{5, false, 2, nil, stream.Refused{}, "", 60},
			{8, false, 3, nil, stream.Refused{}, "", 60},
			{60, false, 3, nil, stream.Refused{}, leads + "; this agent took the lead 2 times since the last Event of that", -1},
			{90, false, 4, nil, stream.Refused{}, "", 120},
			{120, false, 4, nil, stream.Refused{}, leads, -1},
		},
	} {
		var told tale
		for _, m := range story {
			var events []event
			var due time.Time
			s := scene{m.stint, "agent a/a:1 leads this cluster", servedFor(Defaults()), m.peers, map[federation.ClusterID]stream.Stats{"west": {Refused: m.count}}}
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

func TestHowLongASilentClusterIsServedIsWhatTheFlagSays(t *testing.T) {
	for after, want := range map[time.Duration]string{0: "however long that takes", time.Hour: "for at most 1h0m0s (--withdraw-after)"} {
		if got := servedFor(Options{WithdrawAfter: after}); got != want {
			t.Errorf("%s: %q, want %q", after, got, want)
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
			for _, id := range ids {
				if at > 1100 || r.IntN(4) == 0 {
					heard[id] = second(at)
				}
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
			told, events, _ = told.next(scene{stint, "us", "for ever", peers, stats}, second(at))
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
			if reason == reasonUnreachable {
				t.Errorf("seed %d: %s is heard, and the last word is %s", seed, id, reason)
			}
		}
		if len(last) < 2*len(ids)+2 {
			t.Errorf("seed %d: only %v were told of", seed, last)
		}
	}
}
