package state

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestATermIsBeyondAllThatIsKnown(t *testing.T) {
	clock, most := uint64(noon.UnixMilli()), federation.MaxTerm(noon)
	number := func(n uint64) map[string]string { return map[string]string{"term": fmt.Sprint(n)} }
	for _, test := range []struct {
		what    string
		data    map[string]string
		atLeast uint64
		want    uint64
		doubt   string
	}{
		{"a first start", nil, 0, clock, ""},
		{"an earlier leader", number(clock - 5), 0, clock, ""},
		{"one of this millisecond", number(clock), 0, clock + 1, ""},
		{"one whose clock was ahead", number(clock + 1000), 0, clock + 1001, ""},
		{"a peer holds more", number(clock - 5), clock + 7, clock + 7, ""},
		{"a peer holds less", number(clock - 5), clock - 7, clock, ""},
		{"as far ahead as can be", number(most), 0, most + 1, ""},
		{"further", number(most + 1), 0, clock, "term 1772452800001: more than a day ahead of this machine's clock, 2026-03-01T12:00:00Z"},
		{"further, and a peer knows better", number(most + 1), clock + 7, clock + 7, "more than a day ahead"},
		{"the greatest number", number(math.MaxUint64), 0, clock, "more than a day ahead"},
		{"no number", map[string]string{"term": "7.5"}, 0, clock, `term "7.5": want a whole number`},
	} {
		got, doubt := nextTerm(test.data, test.atLeast, noon)
		if got != test.want || (doubt == nil) != (test.doubt == "") || doubt != nil && !strings.Contains(doubt.Error(), test.doubt) {
			t.Errorf("%s: term %d, doubt %v; want %d, %q", test.what, got, doubt, test.want, test.doubt)
		}
	}
}

func TestOnlyWhatChangedIsWritten(t *testing.T) {
	const west = `{"addresses":["w:1"],"heard":"2026-03-01T12:00:00Z","network":"n","uid":"u"}`
	held := map[string]string{"term": "7", "cluster.west": west, "cluster.north": `{"uid":"v"}`}
	full := Cluster{ID: "west", UID: "u", Addresses: []string{"w:1"}, Heard: noon}
	with := func(change func(*Cluster)) []Cluster {
		c := full
		change(&c)
		return []Cluster{c}
	}
	for _, test := range []struct {
		what   string
		data   map[string]string
		term   uint64
		noted  []Cluster
		want   map[string]string
		urgent bool
	}{
		{"nothing noted", held, 7, nil, nil, false},
		{"the same", held, 7, []Cluster{full}, nil, false},
		{"nothing known of it", held, 0, []Cluster{{ID: "west"}}, nil, false},
		{"heard later", held, 0, with(func(c *Cluster) { c.Heard = noon.Add(time.Second) }),
			map[string]string{"cluster.west": strings.Replace(west, "12:00:00", "12:00:01", 1)}, false},
		{"heard earlier, as a clock was wrong", held, 0, with(func(c *Cluster) { c.Heard = noon.Add(-time.Hour) }),
			map[string]string{"cluster.west": strings.Replace(west, "12:00:00", "11:00:00", 1)}, false},
		{"another address", held, 0, with(func(c *Cluster) { c.Addresses = []string{"w:2"} }),
			map[string]string{"cluster.west": strings.Replace(west, "w:1", "w:2", 1)}, true},
		{"another UID alone", held, 0, []Cluster{{ID: "west", UID: "x"}},
			map[string]string{"cluster.west": strings.Replace(west, `"u"`, `"x"`, 1)}, true},
		{"a cluster came", held, 0, []Cluster{{ID: "east"}, full}, map[string]string{"cluster.east": "{}"}, true},
		{"a first cluster", nil, 0, []Cluster{full}, map[string]string{"cluster.west": strings.Replace(west, `"network":"n",`, "", 1)}, true},
		{"one left", held, 0, []Cluster{{ID: "west", Left: true, Heard: noon}}, map[string]string{"cluster.west": ""}, true},
		{"one left that is not remembered", held, 0, []Cluster{{ID: "east", Left: true}}, nil, false},
		{"a greater term", held, 8, nil, map[string]string{"term": "8"}, true},
		{"the term of a later leader", held, 6, nil, nil, false},
		{"the term edited to garbage", map[string]string{"term": "x"}, 8, nil, map[string]string{"term": "8"}, true},
		{"garbage, and no term taken", map[string]string{"term": "x"}, 0, nil, nil, false},
		{"a cluster edited to garbage", map[string]string{"cluster.west": "x"}, 0, []Cluster{{ID: "west"}}, map[string]string{"cluster.west": "{}"}, true},
		{"a field edited to garbage", map[string]string{"cluster.west": strings.Replace(west, `"u"`, "5", 1)}, 0, []Cluster{full}, map[string]string{"cluster.west": west}, true},
		{"garbage of a cluster that is not noted", map[string]string{"cluster.north": "x"}, 0, nil, nil, false},
	} {
		got, urgent, err := plan(test.data, test.term, test.noted)
		if !maps.Equal(got, test.want) || urgent != test.urgent || err != nil {
			t.Errorf("%s: write %v, urgent %t, error %v; want %v, %t", test.what, got, urgent, err, test.want, test.urgent)
		}
	}
}

// Whoever fills the ConfigMap pushes out none that is noted: of the others those go that were heard longest ago, and that
// is told.
func TestWhoIsNotedTakesTheRoomOfWhoIsNot(t *testing.T) {
	data := map[string]string{"cluster.NONE": "counts for nothing", "cluster.heard": `{"heard":"2026-03-01T12:00:00Z"}`, "cluster.later": `{"heard":"2026-03-01T12:00:01Z"}`}
	for i := range MaxClusters - 3 {
		data[fmt.Sprintf("cluster.c%04d", i)] = "{}"
	}
	noted := []Cluster{{ID: "a"}, {ID: "b"}, {ID: "c0007", UID: "u"}, {ID: "c1020"}}
	changes, urgent, err := plan(data, 0, noted)
	if want := map[string]string{"cluster.a": "{}", "cluster.b": "{}", "cluster.c0007": `{"uid":"u"}`, "cluster.c1019": ""}; !maps.Equal(changes, want) || !urgent {
		t.Errorf("writes %v, want %v", changes, want)
	}
	if want := `cluster "c1019": one too many: want at most 1024 clusters, and 1048576 bytes; those stay that were heard last`; err == nil || err.Error() != want {
		t.Errorf("says %v", err)
	}
	noted[2] = Cluster{ID: "c0001", Left: true}
	if changes, _, err := plan(data, 0, noted); err != nil || changes["cluster.c0001"] != "" || changes["cluster.b"] != "{}" {
		t.Errorf("one left, which makes room: writes %v, error %v", changes, err)
	}
	data["cluster.a"], data["cluster.b"] = "{}", "{}"
	s, err := Decode(data)
	if len(s.Clusters) != MaxClusters || err == nil || !strings.Contains(err.Error(), `cluster "c1020": one too many`) {
		t.Errorf("%d clusters read, error %v", len(s.Clusters), err)
	}
	for _, id := range []federation.ClusterID{"heard", "later", "a", "c0000"} {
		if !slices.ContainsFunc(s.Clusters, func(c Cluster) bool { return c.ID == id }) {
			t.Errorf("%s is not read", id)
		}
	}
	if again := Encode(s); !maps.Equal(again, data) {
		t.Error("what was too much is lost")
	}
	if changes, _, err := plan(data, 0, nil); len(changes) > 0 || err != nil {
		t.Errorf("writes %v of what nobody noted, error %v", changes, err)
	}
}

// More are noted than there is room for: they are told, and those that are there stay.
func TestTooManyThatAreNotedAreTold(t *testing.T) {
	var noted []Cluster
	for i := range MaxClusters + 2 {
		noted = append(noted, Cluster{ID: federation.ClusterID(fmt.Sprintf("c%04d", i))})
	}
	changes, _, err := plan(map[string]string{"cluster.x": "{}"}, 0, noted)
	if err == nil || !strings.Contains(err.Error(), `cluster "c1025": one too many`) || len(changes) != MaxClusters+1 || changes["cluster.c1023"] != "{}" || !has(changes, "cluster.x") {
		t.Errorf("%d changes, error %v", len(changes), err)
	}
}

// Clusters are bounded in bytes as well; but what is too large without them costs none.
func TestClustersAreBoundedInBytes(t *testing.T) {
	data := stuffed(t)
	changes, urgent, err := plan(data, 0, []Cluster{{ID: "west"}})
	if want := map[string]string{"cluster.west": "{}", "cluster.f207": ""}; !maps.Equal(changes, want) || !urgent || err == nil {
		t.Errorf("writes %.200v, error %v", changes, err)
	}
	data["notes"] = strings.Repeat("x", maxBytes)
	changes, _, err = plan(data, 0, []Cluster{{ID: "west"}})
	if want := map[string]string{"cluster.west": "{}"}; !maps.Equal(changes, want) || err != nil {
		t.Errorf("writes %.200v, error %v", changes, err)
	}
}

// What was lost with a ConfigMap takes no room from who is noted either.
func TestWhatWasLostPushesOutNobody(t *testing.T) {
	l := &loss{}
	for i := range MaxClusters {
		l.clusters = append(l.clusters, Cluster{ID: federation.ClusterID(fmt.Sprintf("c%04d", i)), Heard: noon.Add(time.Duration(i) * time.Second)})
	}
	changes, _, err := plan(nil, 0, l.with([]Cluster{{ID: "west"}}))
	if err == nil || len(changes) != MaxClusters || changes["cluster.west"] != "{}" || has(changes, "cluster.c0000") || !has(changes, "cluster.c0001") {
		t.Errorf("%d changes, error %v", len(changes), err)
	}
}
