package state

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// desk is a Keeper that runs in a bubble of synctest, in which time passes only where a test lets it.
type desk struct {
	*Keeper
	*configMaps
	*journal
	t *testing.T
}

// atDesk runs a test beside Start; prepare, if any, sets the scene before.
func atDesk(t *testing.T, data map[string]string, prepare func(*desk), test func(*desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := newConfigMaps(t, data)
		k, j := newKeeper(m)
		d := &desk{k, m, j, t}
		if prepare != nil {
			prepare(d)
		}
		ctx, stop := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() {
			if err := k.Start(ctx); err != nil {
				t.Errorf("Start returned %v", err)
			}
		})
		synctest.Wait()
		test(d)
		begun := time.Now()
		stop()
		done.Wait()
		if took := time.Since(begun); took > 0 {
			t.Errorf("Start took %s to end", took)
		}
	})
}

// pass lets time pass, and what it brings about happen.
func (d *desk) pass(t time.Duration) {
	time.Sleep(t)
	synctest.Wait()
}

// wrote fails the test unless these keys were written in these writes so far.
func (d *desk) wrote(want ...string) {
	d.t.Helper()
	synctest.Wait()
	if got := d.writes(); !slices.Equal(got, want) {
		d.t.Fatalf("wrote %q, want %q", got, want)
	}
}

func west(heard time.Time) Cluster {
	return Cluster{ID: "west", UID: "u", Addresses: []string{"w:1"}, Heard: heard}
}

func TestANewClusterIsWrittenAtOnce(t *testing.T) {
	atDesk(t, nil, nil, func(d *desk) {
		d.Note([]Cluster{west(noon)})
		d.wrote("cluster.west")
		d.pass(time.Hour)
		d.wrote("cluster.west")
		if s, err := Decode(d.says()); err != nil || !reflect.DeepEqual(s.Clusters, []Cluster{west(noon)}) {
			t.Errorf("%+v, error %v", s, err)
		}
	})
}

func TestAnotherAddressOrUIDIsWrittenAtOnce(t *testing.T) {
	atDesk(t, nil, nil, func(d *desk) {
		c := west(noon)
		d.Note([]Cluster{c})
		d.wrote("cluster.west")
		d.pass(time.Minute)
		c.Addresses = []string{"w:2"}
		d.Note([]Cluster{c})
		d.wrote("cluster.west", "cluster.west")
		d.pass(time.Minute)
		c.UID = "another"
		d.Note([]Cluster{c})
		d.wrote("cluster.west", "cluster.west", "cluster.west")
	})
}

func TestClustersThatComeInAMomentAreFewWrites(t *testing.T) {
	atDesk(t, nil, nil, func(d *desk) {
		d.Note([]Cluster{{ID: "a"}})
		d.wrote("cluster.a")
		d.Note([]Cluster{{ID: "a"}, {ID: "b"}})
		d.pass(apart / 2)
		d.Note([]Cluster{{ID: "a"}, {ID: "b"}, {ID: "c"}})
		d.wrote("cluster.a")
		d.pass(apart / 2)
		d.wrote("cluster.a", "cluster.b cluster.c")
	})
}

func TestHeardAloneIsWrittenEveryFiveMinutes(t *testing.T) {
	start := Encode(State{Clusters: []Cluster{west(noon), {ID: "x"}}})
	atDesk(t, start, nil, func(d *desk) {
		for i := range int(3*HeardEvery/time.Second) - 1 {
			d.Note([]Cluster{west(noon.Add(time.Duration(i) * time.Second))})
			d.pass(time.Second)
		}
		d.wrote("cluster.west", "cluster.west")
		if d.gets() > 3 {
			t.Errorf("%d reads", d.gets())
		}
		d.pass(time.Second)
		d.wrote("cluster.west", "cluster.west", "cluster.west")
		s, err := Decode(d.says())
		if err != nil || !s.Clusters[0].Heard.Equal(noon.Add(3*HeardEvery-2*time.Second)) || len(s.Clusters) != 2 {
			t.Errorf("%+v, error %v", s, err)
		}
	})
}

// A write for another reason takes with it what was heard, and the five minutes count from there.
func TestHeardIsWrittenWithWhateverElseIs(t *testing.T) {
	start := Encode(State{Clusters: []Cluster{west(noon)}})
	atDesk(t, start, nil, func(d *desk) {
		d.pass(HeardEvery - time.Second)
		d.Note([]Cluster{west(noon.Add(time.Minute)), {ID: "x"}})
		d.wrote("cluster.west cluster.x")
		d.Note([]Cluster{west(noon.Add(2 * time.Minute)), {ID: "x"}})
		d.pass(HeardEvery - time.Second)
		d.wrote("cluster.west cluster.x")
		d.pass(time.Second)
		d.wrote("cluster.west cluster.x", "cluster.west")
	})
}

func TestWhatIsRememberedAlreadyIsNotWritten(t *testing.T) {
	start := Encode(State{Clusters: []Cluster{west(noon)}})
	for what, prepare := range map[string]func(*desk){
		"after Load": func(d *desk) {
			if _, err := d.Load(t.Context()); err != nil {
				t.Error(err)
			}
		},
		"without": nil,
	} {
		atDesk(t, start, prepare, func(d *desk) {
			d.Note([]Cluster{west(noon)})
			d.pass(time.Hour)
			d.Note(nil)
			d.pass(time.Hour)
			if d.wrote(); d.gets() != 1 {
				t.Errorf("%s: %d reads", what, d.gets())
			}
		})
	}
}

func TestAnAPIServerThatIsAwayIsAskedLessAndLess(t *testing.T) {
	away := func(string) error { return apierrors.NewServiceUnavailable("away") }
	atDesk(t, nil, func(d *desk) { d.answer(away) }, func(d *desk) {
		d.Note([]Cluster{{ID: "a"}})
		d.pass(15 * time.Minute)
		// 1 2 4 8 16 32 s, then a minute each, and up to half of that more.
		if n := d.count("cannot write what is to outlive a restart"); n < 14 || n > 22 {
			t.Errorf("%d attempts in 15 minutes: %s", n, d.text.String())
		}
		before := d.count("")
		for range 100 {
			d.Note([]Cluster{{ID: "a"}})
		}
		if synctest.Wait(); d.count("") != before {
			t.Error("another word is another attempt")
		}
		d.answer(nil)
		d.pass(90 * time.Second)
		d.wrote("cluster.a")
		d.Note([]Cluster{{ID: "b"}})
		d.wrote("cluster.a", "cluster.b")
		d.pass(time.Minute)
		d.answer(away)
		d.Note([]Cluster{{ID: "c"}})
		d.pass(time.Millisecond)
		d.answer(nil)
		d.pass(3 * time.Second / 2)
		d.wrote("cluster.a", "cluster.b", "cluster.c")
	})
}

// An agent that did not load, or was not the one who wrote, looks before it takes heard for something new.
func TestALookThatShowsOnlyHeardWritesLater(t *testing.T) {
	start := Encode(State{Clusters: []Cluster{west(noon)}})
	atDesk(t, start, nil, func(d *desk) {
		d.Note([]Cluster{west(noon.Add(time.Second))})
		d.pass(HeardEvery - time.Second)
		if d.wrote(); d.gets() != 1 {
			t.Errorf("%d reads", d.gets())
		}
		d.pass(time.Second)
		d.wrote("cluster.west")
	})
}

// What was heard is asked for no more often than anything else, when it is due and cannot be written.
func TestHeardIsTriedLessAndLessToo(t *testing.T) {
	start := Encode(State{Clusters: []Cluster{west(noon)}})
	prepare := func(d *desk) {
		if _, err := d.Load(t.Context()); err != nil {
			t.Error(err)
		}
		d.answer(func(string) error { return apierrors.NewServiceUnavailable("away") })
	}
	atDesk(t, start, prepare, func(d *desk) {
		d.Note([]Cluster{west(noon.Add(time.Second))})
		d.pass(HeardEvery - time.Second)
		if d.count("") > 0 {
			t.Errorf("logged %s", d.text.String())
		}
		d.pass(15*time.Minute + time.Second)
		if n := d.count("cannot write what is to outlive a restart"); n < 14 || n > 22 {
			t.Errorf("%d attempts in 15 minutes: %s", n, d.text.String())
		}
		d.answer(nil)
		d.pass(90 * time.Second)
		d.wrote("cluster.west")
	})
}

func TestAConfigMapThatIsFullIsLeftAloneUntilSomebodyMakesRoom(t *testing.T) {
	atDesk(t, map[string]string{"notes": strings.Repeat("x", maxBytes-10)}, nil, func(d *desk) {
		d.Note([]Cluster{west(noon)})
		for i := range 60 {
			d.Note([]Cluster{west(noon.Add(time.Duration(i) * time.Second))})
			d.pass(time.Second)
		}
		d.wrote()
		if d.count("want at most 1048576: remove from it what is not Hansa's") != 1 || d.count("") != 1 || d.gets() != 1 {
			t.Errorf("%d reads, logged %s", d.gets(), d.text.String())
		}
		d.edit(func(o *corev1.ConfigMap) { delete(o.Data, "notes") })
		d.pass(HeardEvery)
		d.wrote("cluster.west")
	})
}

func TestAWriteGoesOnAfterSomebodyElses(t *testing.T) {
	atDesk(t, map[string]string{"term": "7"}, func(d *desk) {
		d.before = func() {
			d.edit(func(o *corev1.ConfigMap) { o.Data = map[string]string{"term": "8", "cluster.b": "{}"} })
		}
	}, func(d *desk) {
		d.Note([]Cluster{{ID: "a"}, {ID: "b"}})
		d.pass(time.Second)
		d.wrote("cluster.a")
		if want := map[string]string{"term": "8", "cluster.a": "{}", "cluster.b": "{}"}; !maps.Equal(d.says(), want) {
			t.Errorf("%v, want %v", d.says(), want)
		}
	})
}

// What a person breaks is repaired by the next write, as far as it is ours and known, and nothing else is.
func TestTheNextWriteRepairsOurKeysAlone(t *testing.T) {
	atDesk(t, nil, nil, func(d *desk) {
		if _, err := d.TakeTerm(t.Context(), 0, noon); err != nil {
			t.Fatal(err)
		}
		d.Note([]Cluster{west(noon)})
		d.wrote("term", "cluster.west")
		d.edit(func(o *corev1.ConfigMap) {
			o.Data = map[string]string{"term": "x", "cluster.west": "y", "cluster.lost": "z", "note": "mine"}
		})
		d.pass(time.Minute)
		d.Note([]Cluster{west(noon), {ID: "new"}})
		d.wrote("term", "cluster.west", "cluster.new cluster.west term")
		want := map[string]string{"term": "1772366400000", "cluster.west": encodeCluster(west(noon)), "cluster.new": "{}", "cluster.lost": "z", "note": "mine"}
		if !maps.Equal(d.says(), want) {
			t.Errorf("%v, want %v", d.says(), want)
		}
	})
}

func TestAConfigMapThatIsDeletedIsMadeAnew(t *testing.T) {
	atDesk(t, nil, nil, func(d *desk) {
		if _, err := d.TakeTerm(t.Context(), 0, noon); err != nil {
			t.Fatal(err)
		}
		d.remove()
		d.Note([]Cluster{west(noon)})
		d.wrote("term", "cluster.west term")
	})
}

func TestTooManyClustersAreToldOnce(t *testing.T) {
	full := map[string]string{}
	for i := range MaxClusters {
		full[fmt.Sprintf("cluster.c%04d", i)] = "{}"
	}
	atDesk(t, full, nil, func(d *desk) {
		for i := range 10 {
			d.Note([]Cluster{{ID: "north", Heard: noon.Add(time.Duration(i) * time.Second)}})
			d.pass(time.Second)
		}
		d.wrote("cluster.c1023 cluster.north")
		if d.count(`cluster \"c1023\": one too many`) != 1 || d.count("") != 1 || d.gets() != 1 {
			t.Errorf("%d reads, logged %s", d.gets(), d.text.String())
		}
	})
}
