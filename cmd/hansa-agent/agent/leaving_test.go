package agent

import (
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/election"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream"
	"github.com/hansa-mcs/hansa/importer"
)

// Those that are members and have not confirmed our last word on a stream of their own are waited for.
func TestWhoHasNotConfirmed(t *testing.T) {
	owners := []federation.Owner{
		{Cluster: "behind", Version: seq(4)}, {Cluster: "cut", Version: seq(4)}, {Cluster: "expected"}, {Cluster: "knows", Version: seq(4)},
		{Cluster: "left", Version: seq(4), Left: true}, {Cluster: "own", Version: seq(9), Left: true}, {Cluster: "twice", Version: seq(4)},
	}
	up := func(peer federation.ClusterID, role stream.Role, acked uint64) stream.Up {
		return stream.Up{Peer: peer, Role: role, Acked: federation.Head{Version: seq(acked)}}
	}
	streams := []stream.Up{up("behind", stream.Peer, 8), up("knows", stream.Peer, 9), up("own", stream.Standby, 9), up("twice", stream.Peer, 3), up("twice", stream.Peer, 9)}
	if got, want := unconfirmed("own", owners, streams), []federation.ClusterID{"behind", "cut", "expected"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := unconfirmed("own", owners[5:6], nil); got != nil {
		t.Errorf("alone, but %v are waited for", got)
	}
}

func TestWhatAnAgentIsToItsClusterset(t *testing.T) {
	us, other := election.Identity{Name: "us", Address: "10.0.0.1:1"}, election.Identity{Name: "other", Address: "10.0.0.2:1"}
	for _, c := range []struct {
		what    string
		leading election.Standing
		left    bool
		want    stream.Standing
	}{
		{"it leads", election.Standing{Leader: us, Leading: true}, false, stream.Standing{Leads: true}},
		{"it may not write for a while", election.Standing{Leader: us}, false, stream.Standing{Leads: true}},
		{"another leads", election.Standing{Leader: other}, false, stream.Standing{Leader: "10.0.0.2:1"}},
		{"nobody leads", election.Standing{}, false, stream.Standing{}},
		{"it leads a cluster that has left", election.Standing{Leader: us, Leading: true}, true, stream.Standing{}},
		{"another leads a cluster that has left", election.Standing{Leader: other}, true, stream.Standing{}},
	} {
		if got := presenceOf(c.leading, us, c.left); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.what, got, c.want)
		}
	}
}

// What has left is noted so, and forgotten; what this cluster forgot as it left itself is not noted, and stays.
func TestWhatIsRememberedOfTheClusters(t *testing.T) {
	owners := []federation.Owner{
		{Cluster: "east", Version: seq(1), Heard: noon, UID: "uid-of-east"}, {Cluster: "forgotten", Left: true}, {Cluster: "left", Version: seq(1), Heard: noon, Left: true}, {Cluster: "own", Version: seq(1)},
	}
	members := []stream.Member{{Cluster: "east", Address: "e:1"}, {Cluster: "east", Address: "e:2"}, {Cluster: "new", Address: "n:1"}}
	want := []state.Cluster{{ID: "east", UID: "uid-of-east", Addresses: []string{"e:1", "e:2"}, Heard: noon}, {ID: "left", Heard: noon, Left: true}}
	if got := clustersOf("own", owners, members); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	for after, want := range map[time.Duration]bool{0: true, federation.Silence: false} {
		if got := returning(owners, noon.Add(after)); got != want {
			t.Errorf("%s after one that left was heard it may be back: %t", after, got)
		}
	}
	if returning(owners[:2], noon) {
		t.Error("nobody who is heard has left, but one is to be back")
	}
}

// Whoever waits is woken by a change of what is said, and by nothing else.
func TestADepartureTellsWhatChanged(t *testing.T) {
	d, err := newDeparture(&rest.Config{}, "hansa-system", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	cm := func(asks bool, data map[string]string) *corev1.ConfigMap {
		o := &corev1.ConfigMap{Data: data}
		if asks {
			o.ObjectMeta = metav1.ObjectMeta{Annotations: map[string]string{state.LeaveAnnotation: "true"}}
		}
		return o
	}
	told := map[string]string{"left": "2026-03-01T12:00:00Z"}
	d.miss([]federation.ClusterID{"west"})
	for _, c := range []struct {
		what                    string
		seen                    any
		woken, leaving, outside bool
		missed                  int
	}{
		{"nothing is asked", cm(false, nil), false, false, false, 1},
		{"somebody asks", cm(true, nil), true, true, false, 1},
		{"something else changed", cm(true, map[string]string{"term": "7"}), false, true, false, 1},
		{"the others know", cm(true, told), true, true, true, 1},
		{"nobody asks any more", cm(false, told), true, true, true, 1},
		{"the leader noted that", cm(false, nil), true, false, false, 0},
		{"asked again", cm(true, nil), true, true, false, 0},
		{"the ConfigMap went", nil, true, false, false, 0},
	} {
		_, changed := d.now()
		d.see(c.seen)
		is, _ := d.now()
		leaving := is.Phase() != state.Inside
		if closed(changed) != c.woken || leaving != c.leaving || d.outside() != c.outside || len(d.missed()) != c.missed {
			t.Errorf("%s: woken %t, leaving %t, outside %t, missed %v; want %+v", c.what, closed(changed), leaving, d.outside(), d.missed(), c)
		}
	}
}

// The log tells of each cluster once when its endpoints are demoted, withdrawn, and neither any more.
func TestFatesAreLogged(t *testing.T) {
	var lines strings.Builder
	d := newDooming(slog.New(slog.NewTextHandler(&lines, nil)))
	demoted, more := importer.Fated{Cluster: "east", Services: 2, Alone: 1}, importer.Fated{Cluster: "east", Services: 2, Behind: 1, Alone: 1}
	withdrawn, west := importer.Fated{Cluster: "east", Services: 2, Alone: 1, Withdrawn: 1}, importer.Fated{Cluster: "west", Services: 1, Behind: 1}
	for _, c := range []struct {
		list        []importer.Fated
		begin, ends int
	}{
		{[]importer.Fated{demoted}, 1, 0},
		{[]importer.Fated{more}, 1, 0},
		{[]importer.Fated{withdrawn, west}, 3, 0},
		{[]importer.Fated{west}, 3, 1},
		{nil, 3, 2},
	} {
		_, changed := d.now()
		d.take(c.list)
		now, _ := d.now()
		if begin, ends := strings.Count(lines.String(), "level=WARN"), strings.Count(lines.String(), "level=INFO"); !closed(changed) || !slices.Equal(now, c.list) || begin != c.begin || ends != c.ends {
			t.Errorf("%+v: %d begun, %d ended, want %d and %d", c.list, begin, ends, c.begin, c.ends)
		}
	}
}

// The log tells of each hold once when it begins and once when it ends.
func TestHoldsAreLogged(t *testing.T) {
	var lines strings.Builder
	h := newHolding(slog.New(slog.NewTextHandler(&lines, nil)))
	east, west := importer.Held{Cluster: "east", Until: noon, Services: 12}, importer.Held{Cluster: "west", Until: noon, Services: 20}
	for _, c := range []struct {
		list        []importer.Held
		begin, ends int
	}{
		{[]importer.Held{east}, 1, 0},
		{[]importer.Held{east, west}, 2, 0},
		{[]importer.Held{{Cluster: "east", Until: noon.Add(time.Minute), Services: 3}, west}, 2, 0},
		{[]importer.Held{west}, 2, 1},
		{nil, 2, 2},
	} {
		_, changed := h.now()
		h.take(c.list)
		now, _ := h.now()
		if begin, ends := strings.Count(lines.String(), "level=WARN"), strings.Count(lines.String(), "level=INFO"); !closed(changed) || !slices.Equal(now, c.list) || begin != c.begin || ends != c.ends {
			t.Errorf("%+v: %d begun, %d ended, want %d and %d; holds %+v", c.list, begin, ends, c.begin, c.ends, now)
		}
	}
}
