package state

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/hansa-mcs/hansa/federation"
)

// journal is a log that tests read.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

// count returns how many lines hold a text.
func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for line := range strings.Lines(j.text.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func newKeeper(m *configMaps) (*Keeper, *journal) {
	j := &journal{}
	return New(Config{ConfigMaps: m, Name: DefaultName, Log: slog.New(slog.NewTextHandler(j, nil))}), j
}

func TestLoadOfNothingIsZero(t *testing.T) {
	k, j := newKeeper(newConfigMaps(t, nil))
	s, err := k.Load(t.Context())
	if err != nil || s.Term != 0 || len(s.Clusters) > 0 || j.count("") > 0 {
		t.Errorf("%+v, error %v, logged %d lines", s, err, j.count(""))
	}
}

// What was seen last is known without a request, and without another word in the log.
func TestSeenAsksNobody(t *testing.T) {
	m := newConfigMaps(t, map[string]string{"cluster.west": `{"addresses":["west:8443"]}`, "cluster.NONE": "x"})
	k, j := newKeeper(m)
	if got := k.Seen(); len(got) != 0 {
		t.Errorf("before the first look: %+v", got)
	}
	if _, err := k.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	reads, logged := m.reads, j.count("")
	if got := k.Seen(); len(got) != 1 || got[0].ID != "west" || len(got[0].Addresses) != 1 || m.reads != reads || j.count("") != logged {
		t.Errorf("%+v after %d reads, logged %s", got, m.reads-reads, j.text.String())
	}
}

func TestLoadReadsWhatItCanAndLogsTheRest(t *testing.T) {
	k, j := newKeeper(newConfigMaps(t, map[string]string{"term": "x", "cluster.east": "x", "cluster.west": `{"uid":"u"}`}))
	s, err := k.Load(t.Context())
	if err != nil || s.Term != 0 || len(s.Clusters) != 2 || s.Clusters[1].UID != "u" {
		t.Errorf("%+v, error %v", s, err)
	}
	const line = `config_map=hansa-state mistakes=2 first="term \"x\": want a whole number below 2^64"`
	if _, err := k.Load(t.Context()); err != nil || j.count(line) != 1 || j.count("") != 1 {
		t.Errorf("error %v, logged %s, want %s", err, j.text.String(), line)
	}
}

// However much is wrong, it is told in one line, with the first key and what is wrong with it; and again when something
// else is wrong.
func TestAThousandMistakesAreOneLine(t *testing.T) {
	data := map[string]string{"cluster.NONE": strings.Repeat("x", 1000)}
	for i := range 999 {
		data[fmt.Sprintf("cluster.c%04d", i)] = "x"
	}
	m := newConfigMaps(t, data)
	k, j := newKeeper(m)
	for range 5 {
		if s, err := k.Load(t.Context()); err != nil || len(s.Clusters) != 999 {
			t.Errorf("%d clusters, error %v", len(s.Clusters), err)
		}
	}
	if j.count(`mistakes=1000 first="key \"cluster.NONE\": cluster ID \"NONE\": want`) != 1 || j.count("") != 1 {
		t.Errorf("logged %s", j.text.String())
	}
	m.edit(func(o *corev1.ConfigMap) { delete(o.Data, "cluster.NONE") })
	if _, err := k.Load(t.Context()); err != nil || j.count(`mistakes=999 first="cluster \"c0000\": \"x\": want a JSON object"`) != 1 || j.count("") != 2 {
		t.Errorf("error %v, logged %s", err, j.text.String())
	}
}

// Clusters that never were, and fill the ConfigMap, keep nobody from leading; those that are noted stay.
func TestATermFindsRoomAmongClustersThatNeverWere(t *testing.T) {
	data := stuffed(t)
	m := newConfigMaps(t, data)
	k, j := newKeeper(m)
	k.Note([]Cluster{{ID: "f207"}})
	if term, err := k.TakeTerm(t.Context(), 0, noon); err != nil || m.says()["term"] != fmt.Sprint(term) {
		t.Fatalf("term %d, error %v", term, err)
	}
	if says := m.says(); says["cluster.f207"] == "" || says["cluster.f206"] != "" || says["cluster.f205"] == "" || says["notes"] != "mine" {
		t.Errorf("of %d keys %d are left", len(data), len(says))
	}
	if j.count(`cluster \"f206\": one too many`) != 1 || j.count("") != 1 {
		t.Errorf("logged %s", j.text.String())
	}
}

// stuffed returns what fills a ConfigMap to the last byte with clusters that were never heard.
func stuffed(t *testing.T) map[string]string {
	t.Helper()
	data := map[string]string{"notes": "mine"}
	for i := range 208 {
		data[fmt.Sprintf("cluster.f%03d", i)] = `{"x":"` + strings.Repeat("y", 5000) + `"}`
	}
	rest := maxBytes - sizeOf(data)
	if rest < len("cluster.x")+len(`{"x":""}`) || rest > maxRest {
		t.Fatalf("%d bytes are left", rest)
	}
	data["cluster.f000"] = `{"x":"` + strings.Repeat("y", 5000+rest) + `"}`
	return data
}

func TestLoadTellsWhatTheAPIServerSays(t *testing.T) {
	m := newConfigMaps(t, map[string]string{})
	m.answer(func(string) error { return apierrors.NewForbidden(resource, DefaultName, errors.New("no such right")) })
	k, _ := newKeeper(m)
	if _, err := k.Load(t.Context()); !apierrors.IsForbidden(err) || !strings.HasPrefix(err.Error(), `reading ConfigMap "hansa-state": `) {
		t.Errorf("error %v", err)
	}
	if _, err := k.TakeTerm(t.Context(), 0, noon); !apierrors.IsForbidden(err) || !strings.HasPrefix(err.Error(), `taking a term: reading ConfigMap "hansa-state": `) {
		t.Errorf("error %v", err)
	}
}

func TestATermIsWrittenBeforeItIsTaken(t *testing.T) {
	m := newConfigMaps(t, nil)
	k, _ := newKeeper(m)
	for i, want := range []string{"1772366400000", "1772366400001", "1772366400002"} {
		term, err := k.TakeTerm(t.Context(), 0, noon)
		if err != nil || term != federation.NextTerm(0, noon)+uint64(i) || m.says()["term"] != want {
			t.Fatalf("term %d, error %v, ConfigMap %v", term, err, m.says())
		}
	}
}

func TestATermThatCannotBeWrittenIsNotTaken(t *testing.T) {
	for what, test := range map[string]struct {
		change func(*corev1.ConfigMap)
		want   string
	}{
		"immutable": {func(o *corev1.ConfigMap) { o.Immutable = new(true) }, "it is immutable: delete it, and it is made anew"},
		"full":      {func(o *corev1.ConfigMap) { o.Data = map[string]string{"notes": strings.Repeat("x", maxBytes)} }, "want at most 1048576"},
	} {
		m := newConfigMaps(t, map[string]string{})
		m.edit(test.change)
		k, _ := newKeeper(m)
		term, err := k.TakeTerm(t.Context(), 0, noon)
		if term != 0 || !errors.Is(err, errUnfit) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: term %d, error %v", what, term, err)
		}
		if len(m.writes()) > 0 || k.term != 0 {
			t.Errorf("%s: wrote %q, took %d", what, m.writes(), k.term)
		}
	}
}

func TestATermLeavesWhatElseIsThere(t *testing.T) {
	m := newConfigMaps(t, map[string]string{"cluster.west": "x", "note": "mine"})
	m.edit(func(o *corev1.ConfigMap) { o.BinaryData = map[string][]byte{"term": {1}, "other": {2}} })
	k, _ := newKeeper(m)
	if _, err := k.TakeTerm(t.Context(), 0, noon); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"cluster.west": "x", "note": "mine", "term": "1772366400000"}; !maps.Equal(m.says(), want) {
		t.Errorf("%v, want %v", m.says(), want)
	}
	if binary := m.object.BinaryData; len(binary) != 1 || binary["other"] == nil {
		t.Errorf("binary data %v", binary)
	}
}

// Whatever somebody else does between reading and writing, the term is beyond the one that is there.
func TestATermIsTakenAgainWhenSomebodyElseWrote(t *testing.T) {
	for what, test := range map[string]struct {
		data map[string]string
		race func(*configMaps)
		want string
	}{
		"another leader": {map[string]string{"term": "5"}, func(m *configMaps) {
			m.edit(func(o *corev1.ConfigMap) { o.Data = map[string]string{"term": "1772366400000"} })
		}, "1772366400001"},
		"made meanwhile": {nil, func(m *configMaps) {
			m.edit(func(o *corev1.ConfigMap) { o.Data = map[string]string{"term": "1772366400000"} })
		}, "1772366400001"},
		"deleted meanwhile": {map[string]string{"term": "5"}, (*configMaps).remove, "1772366400000"},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newConfigMaps(t, test.data)
			m.before = func() { test.race(m) }
			k, _ := newKeeper(m)
			if _, err := k.TakeTerm(t.Context(), 0, noon); err != nil || m.says()["term"] != test.want {
				t.Errorf("%s: ConfigMap %v, error %v; want %s", what, m.says(), err, test.want)
			}
		})
	}
}

func TestATermIsNotWaitedForBeyondTheContext(t *testing.T) {
	m := newConfigMaps(t, map[string]string{})
	ctx, stop := context.WithCancel(t.Context())
	m.answer(func(verb string) error {
		if verb == "get" {
			return nil
		}
		stop()
		return apierrors.NewConflict(resource, DefaultName, errors.New("again and again"))
	})
	k, _ := newKeeper(m)
	if term, err := k.TakeTerm(ctx, 0, noon); term != 0 || !errors.Is(err, errRaced) || !errors.Is(err, context.Canceled) {
		t.Errorf("term %d, error %v", term, err)
	}
}

// One bad write does not silence a cluster for ever: peers would refuse a term beyond MaxTerm.
func TestATermThatCannotBeIsReplacedAndLogged(t *testing.T) {
	for _, bad := range []string{"18446744073709551615", "1772452800001", "soon"} {
		m := newConfigMaps(t, map[string]string{"term": bad})
		k, j := newKeeper(m)
		if term, err := k.TakeTerm(t.Context(), 0, noon); err != nil || term != federation.NextTerm(0, noon) || m.says()["term"] != "1772366400000" {
			t.Errorf("%s: term %d, error %v", bad, term, err)
		}
		if j.count("set it") != 1 || j.count("config_map=hansa-state term=1772366400000") != 1 || j.count(bad) != 1 {
			t.Errorf("%s: logged %s", bad, j.text.String())
		}
		if _, err := k.TakeTerm(t.Context(), 0, noon); err != nil || j.count("") != 1 {
			t.Errorf("%s: error %v, logged %s", bad, err, j.text.String())
		}
	}
}

func TestWhatCannotBeNotedIsLoggedOnce(t *testing.T) {
	k, j := newKeeper(newConfigMaps(t, nil))
	bad := []Cluster{{ID: "EAST"}, {ID: "west", UID: "a b", Addresses: []string{"nowhere", "w:1", "w:2", "w:3", "w:4"}}}
	for range 3 {
		k.Note(bad)
	}
	for _, text := range []string{`cluster ID \"EAST\": want`, `cluster \"west\": uid \"a b\": want`, `cluster \"west\": address \"nowhere\": want`} {
		if j.count(text) != 1 {
			t.Errorf("logged %s, want %s once", j.text.String(), text)
		}
	}
	if j.count("") != 3 {
		t.Errorf("logged %s", j.text.String())
	}
	k.Note(nil)
	k.Note(bad)
	if j.count("") != 6 {
		t.Error("the same mistake, made again, is not told")
	}
}
