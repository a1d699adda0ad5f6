package state

import (
	"errors"
	"log/slog"
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ofEast is a Keeper of a cluster that has a name.
func ofEast(m *configMaps) (*Keeper, *journal) {
	j := &journal{}
	return New(Config{ConfigMaps: m, Name: DefaultName, Self: "east", Log: slog.New(slog.NewTextHandler(j, nil))}), j
}

func TestTheStateOfAnotherClusterIsLeftAlone(t *testing.T) {
	theirs := map[string]string{"self": "west", "term": "7", "cluster.north": "{}"}
	m := newConfigMaps(t, theirs)
	k, j := ofEast(m)
	s, loaded := k.Load(t.Context())
	_, taken := k.TakeTerm(t.Context(), 0, noon)
	k.Note([]Cluster{{ID: "north", UID: "u"}})
	_, noted := k.remember(t.Context(), newPace(noon))
	for what, err := range map[string]error{"load": loaded, "term": taken, "note": noted} {
		if other, ok := errors.AsType[*OtherClusterError](err); !ok || other.Found != "west" {
			t.Errorf("%s: error %v, want that it is west's", what, err)
		}
	}
	if len(s.Clusters) > 0 || !maps.Equal(m.says(), theirs) || len(m.writes()) > 0 || j.count("") > 0 {
		t.Errorf("read %+v, left %v, logged %s", s, m.says(), j.text.String())
	}
}

func TestAConfigMapThatDoesNotSayWhoseItIsBecomesOurs(t *testing.T) {
	for what, data := range map[string]map[string]string{
		"none":                     nil,
		"one of before":            {"term": "7"},
		"one that nobody can read": {"self": "EAST"},
		"ours":                     {"self": "east"},
	} {
		m := newConfigMaps(t, data)
		k, _ := ofEast(m)
		if _, err := k.TakeTerm(t.Context(), 0, noon); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if want := map[string]string{"self": "east", "term": "1772366400000"}; !maps.Equal(m.says(), want) {
			t.Errorf("%s: became %v, want %v", what, m.says(), want)
		}
		m.edit(func(o *corev1.ConfigMap) { delete(o.Data, "self") })
		k.Note([]Cluster{{ID: "west"}})
		if _, err := k.remember(t.Context(), newPace(noon)); err != nil || m.says()["self"] != "east" {
			t.Errorf("%s: after somebody removed it: %v, error %v", what, m.says(), err)
		}
	}
}

func TestWhichConfigMapThereIsIsKnownOnceItIs(t *testing.T) {
	m := newConfigMaps(t, nil)
	k, _ := ofEast(m)
	if _, err := k.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-k.Made():
		t.Error("it is there before anybody made it")
	default:
	}
	for _, uid := range []types.UID{"first", "second"} {
		m.edit(func(o *corev1.ConfigMap) { o.UID = uid })
		if _, err := k.Load(t.Context()); err != nil || k.UID() != uid {
			t.Errorf("%q, error %v; want %q", k.UID(), err, uid)
		}
		<-k.Made()
	}
	m.remove()
	if _, err := k.Load(t.Context()); err != nil || k.UID() != "" {
		t.Errorf("%q, error %v; want none, as it was deleted", k.UID(), err)
	}
}
