package importer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
)

// readWish reads prefer:…, weights:… and healthy:…, each as its annotation has it.
func readWish(t *testing.T, text string) *federation.Steering {
	t.Helper()
	var wish federation.Steering
	for word := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(word, ":")
		var err error
		switch key {
		case "prefer":
			wish.Prefer, err = federation.ParsePrefer(value)
		case "weights":
			wish.Weights, err = federation.ParseWeights(value)
		case "healthy":
			wish.MinHealthy, err = federation.ParseShare(value)
		default:
			err = fmt.Errorf("unknown wish %q", word)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return &wish
}

// readCandidates reads <cluster>/<region>/<zone>:<ready>/<all>, with a ? for a cluster that is not heard, and -<percent> behind
// it for what one has lost.
func readCandidates(t *testing.T, text string) (list []Candidate) {
	t.Helper()
	for word := range strings.FieldsSeq(text) {
		where, counts, _ := strings.Cut(word, ":")
		places := strings.Split(where, "/")
		c := Candidate{Place: Place{federation.ClusterID(strings.TrimSuffix(places[0], "?")), places[1], places[2]}, Demoted: strings.HasSuffix(places[0], "?")}
		var all int
		counts, drained, drains := strings.Cut(counts, "-")
		if _, err := fmt.Sscanf(counts, "%d/%d", &c.Ready, &all); err != nil {
			t.Fatal(err)
		}
		if drains {
			if _, err := fmt.Sscanf(drained, "%d", &c.Drained); err != nil {
				t.Fatal(err)
			}
		}
		c.Unready = all - c.Ready
		list = append(list, c)
	}
	return list
}

func TestSteer(t *testing.T) {
	const world = "east/eu/a:2/2 east/eu/b:2/2 west/eu/a:3/3 north/us/c:5/5 south?/eu/a:1/1"
	for _, c := range []struct{ what, wish, candidates, want string }{
		{"the nearest first", "", world, "0:2 1:2 2:3 3:5 4:1"},
		{"all alike", "prefer:any", world, "0:2 0:2 0:3 0:5 1:1"},
		{"clusters by name", "prefer:north,west", world, "2:2 2:2 1:3 0:5 3:1"},
		{"one last", "prefer:any,east", world, "1:2 1:2 0:3 0:5 2:1"},
		{"one last of all that is near, too", "prefer:same-region,any,east", world, "0:2 0:2 0:3 1:5 2:1"},
		{"a word without its place in the list", "prefer:same-region", world, "0:2 0:2 0:3 1:5 2:1"},
		{"weights", "prefer:any weights:east=10,west=1", world, "0:20 0:20 0:3 0:500 1:100"},
		{"a drained cluster gets nothing", "weights:east=0", world, "- - 0:300 1:500 2:100"},
		{"not even where the others are far", "weights:east=0,west=0", world, "- - - 0:500 1:100"},
		{"but before those that are not heard, as if nothing was said", "weights:east=0,west=0,north=0", world, "0:2 1:2 2:3 3:5 4:1"},
		{"or when the others have none that is ready", "weights:east=0", "east/eu/a:2/2 west/eu/a:0/3", "0:2 -"},
		{"enough is enough", "healthy:70%", "east/eu/a:7/10 west/eu/a:3/3", "0:7 1:3"},
		{"too few: the next serve what is missing", "healthy:70%", "east/eu/a:35/100 west/eu/a:3/3", "0:50000 0:50000"},
		{"two layers of several each", "healthy:100% prefer:east,any", "east/eu/a:1/4 east/eu/b:2/2 west/eu/a:3/3 north/us/c:1/1", "0:16666 0:33333 0:37500 0:12500"},
		{"three layers", "healthy:90% prefer:east,west", "east/eu/a:3/10 west/eu/a:3/10 north/us/c:9/9", "0:33333 0:33333 0:33333"},
		{"never enough", "healthy:90%", "east/eu/a:3/10 west/eu/a:1/10", "0:75000 0:25000"},
		{"none of the nearest", "healthy:70%", "east/eu/a:0/10 west/eu/a:3/3 north/us/c:1/1", "- 0:3 1:1"},
		{"what is not heard is not asked for help", "healthy:70%", "east/eu/a:1/10 west?/eu/a:3/3", "0:1 1:3"},
		{"without a wish one is enough", "", "east/eu/a:1/10 west/eu/a:3/3", "0:1 1:3"},
		{"the drained do not count as ill", "healthy:70% weights:west=0 prefer:any", "east/eu/a:3/3 west/eu/a:0/9", "0:300 -"},
		{"one that drains", "prefer:any", "east/eu/a:2/2 west/eu/a:2/2-30", "0:20000 0:14000"},
		{"in a tier of its own it goes on", "", "east/eu/a:2/2-30 west/eu/a:2/2", "0:70000 0:30000"},
		{"and takes no more in all its zones", "", "east/eu/a:2/2-30 east/eu/b:2/2-30 west/eu/a:2/2", "0:70000 0:1 0:30000"},
		{"of which one gives to the other", "healthy:80%", "east/eu/a:2/4-30 east/eu/b:2/2-30 west/eu/a:2/2", "0:43750 0:26249 0:30000"},
		{"one that is drained", "", "east/eu/a:2/2-100 west/eu/a:2/2", "- 0:20000"},
		{"drained, where nobody else is", "", "east/eu/a:2/2-100 west/eu/a:0/2", "0:2 -"},
		{"drained, where the others are not heard", "", "east/eu/a:2/2-100 west?/eu/a:2/2", "0:2 1:2"},
		{"nobody", "", "east/eu/a:0/3 west/eu/a:0/0", "- -"},
	} {
		choices := Steer(readWish(t, c.wish), Place{"east", "eu", "a"}, readCandidates(t, c.candidates))
		var got []string
		for _, x := range choices {
			if x.Tier == Nowhere {
				got = append(got, "-")
			} else {
				got = append(got, fmt.Sprintf("%d:%d", x.Tier, x.Load))
			}
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

func TestWhoDoesNotSayWhereItIsIsNearToItsClusterAlone(t *testing.T) {
	list := readCandidates(t, "east/eu/a:1/1 west//:1/1")
	got := Steer(&federation.Steering{}, Place{Cluster: "east"}, list)
	if got[0].Tier != 0 || got[1].Tier != 1 || got[1].Load != 1 {
		t.Errorf("%v", got)
	}
}

func TestWithoutAWishTheNearestComeFirst(t *testing.T) {
	here := func(region, zone string) Place { return Place{"own", region, zone} }
	for name, tt := range map[string]struct {
		client       Place
		cluster      federation.ClusterID
		region, zone string
		demoted      bool
		want         int
	}{
		"the same zone of this cluster":                     {here("eu", "a"), "own", "eu", "a", false, 0},
		"the same zone, the region of the node not known":   {here("eu", "a"), "own", "", "a", false, 0},
		"the same zone, the client does not say its region": {here("", "a"), "own", "eu", "a", false, 0},
		"a zone of that name in another region":             {here("eu", "a"), "own", "us", "a", false, 1},
		"another zone of this cluster":                      {here("eu", "a"), "own", "eu", "b", false, 1},
		"this cluster, the client does not say its zone":    {here("eu", ""), "own", "eu", "", false, 1},
		"another cluster in the region":                     {here("eu", "a"), "b", "eu", "a", false, 2},
		"another cluster elsewhere":                         {here("eu", "a"), "b", "us", "a", false, 3},
		"another cluster, nothing known of either":          {here("", ""), "b", "", "", false, 3},
		"a silent cluster in the region":                    {here("eu", "a"), "b", "eu", "a", true, 5},
	} {
		c := Candidate{Place: Place{tt.cluster, tt.region, tt.zone}, Demoted: tt.demoted}
		if got := rank(&federation.Steering{}, tt.client, &c); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

// TestAnySteeringServes: whatever is wished, who is ready serves as long as anybody is, tiers have no gap, and loads are
// what clients take.
func TestAnySteeringServes(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		clusters := []federation.ClusterID{"east", "west", "north", "south"}
		var wish federation.Steering
		for _, p := range []string{"same-zone", "same-region", "any", "west", "south"} {
			if r.IntN(3) == 0 {
				wish.Prefer = append(wish.Prefer, p)
			}
		}
		for _, c := range []federation.ClusterID{"east", "north", "south"} {
			if r.IntN(2) == 0 {
				wish.Weights = append(wish.Weights, federation.Weight{Cluster: c, Weight: uint16(r.IntN(3) * 500)})
			}
		}
		wish.MinHealthy = uint8(r.IntN(2) * r.IntN(101))
		var list []Candidate
		for range r.IntN(6) {
			list = append(list, Candidate{
				Place:   Place{clusters[r.IntN(4)], []string{"", "eu", "us"}[r.IntN(3)], []string{"", "a", "b"}[r.IntN(3)]},
				Demoted: r.IntN(4) == 0, Drained: uint8(r.IntN(3) * r.IntN(51)), Ready: r.IntN(3) * (1 + r.IntN(2)*10_000_000), Unready: r.IntN(3),
			})
		}
		choices := Steer(&wish, Place{"east", "eu", "a"}, list)
		tiers, sum, ready := map[int]bool{}, uint64(0), false
		for i, c := range choices {
			ready = ready || list[i].Ready > 0
			if sum += uint64(c.Load); (c.Tier == Nowhere) != (c.Load == 0) || c.Load > 0 && list[i].Ready == 0 {
				t.Fatalf("seed %d: %+v of %+v", seed, c, list[i])
			}
			if c.Tier != Nowhere {
				tiers[c.Tier] = true
			}
		}
		for tier := range len(tiers) {
			if !tiers[tier] {
				t.Fatalf("seed %d: no tier %d: %v", seed, tier, choices)
			}
		}
		if ready != tiers[0] || sum > math.MaxUint32 {
			t.Fatalf("seed %d: %v of %v, by %+v", seed, choices, list, wish)
		}
	}
}
