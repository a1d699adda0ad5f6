package state

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/hansa-mcs/hansa/federation"
)

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	for seed := range uint64(2000) {
		s := randomState(rand.New(rand.NewPCG(seed, 1)))
		got, err := Decode(Encode(s))
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Fatalf("seed %d: %+v became %+v, error %v", seed, s, got, err)
		}
	}
}

func randomState(r *rand.Rand) State {
	s := State{Self: federation.ClusterID(pick(r, "", "east")), Term: r.Uint64() >> r.IntN(65)}
	for _, id := range slices.Sorted(maps.Keys(map[string]bool{pick(r, "a", "b"): true, pick(r, "c", "x-1"): true, pick(r, "north", "0"): true})) {
		c := Cluster{ID: federation.ClusterID(id), UID: pick(r, "", "u", strings.Repeat("u", maxUID))}
		for range r.IntN(MaxAddresses + 1) {
			c.Addresses = append(c.Addresses, fmt.Sprintf("%s:%d", pick(r, "198.51.100.7", "[2001:db8::7]", "a_b.example.com."), 1+r.IntN(65535)))
		}
		slices.Sort(c.Addresses)
		c.Addresses = slices.Compact(c.Addresses)
		if r.IntN(3) > 0 {
			c.Heard = time.Date(1+r.IntN(9999), 1, r.IntN(365), 0, 0, r.IntN(86400), 0, time.UTC)
		}
		if r.IntN(3) == 0 {
			c.rest = map[string]json.RawMessage{pick(r, "network", "<&>"): json.RawMessage(pick(r, "1e400", `{"a":[null]}`, `"\u2028<"`))}
		}
		s.Clusters = append(s.Clusters, c)
	}
	if r.IntN(2) == 0 {
		s.rest = map[string]string{pick(r, "eviction.a", "cluster"): pick(r, "", "x")}
	}
	return s
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// greatest returns a State that no other has more bytes than.
func greatest(t *testing.T) State {
	t.Helper()
	s := State{Self: federation.ClusterID(strings.Repeat("s", 63)), Term: 1<<64 - 1}
	for i := range MaxClusters {
		c := Cluster{ID: federation.ClusterID(fmt.Sprintf("%063d", i)), UID: strings.Repeat("u", maxUID), Heard: noon}
		for j := range MaxAddresses {
			label := strings.Repeat("a", 63)
			c.Addresses = append(c.Addresses, fmt.Sprintf("%d%s.%s.%s.%s.:65535", j, label[:62], label, label, label[:61]))
			if err := checkAddress(c.Addresses[j]); err != nil {
				t.Fatal(err)
			}
		}
		s.Clusters = append(s.Clusters, c)
	}
	if err := checkAddress("a." + s.Clusters[0].Addresses[0][1:]); err == nil {
		t.Fatal("an address can be greater")
	}
	return s
}

// A clusterset of the greatest names that there can be is remembered whole.
func TestTheGreatestStateFits(t *testing.T) {
	s := greatest(t)
	data := Encode(s)
	if err := fits(nil, data); err != nil {
		t.Fatal(err)
	}
	if got, err := Decode(data); err != nil || !reflect.DeepEqual(got, s) {
		t.Fatalf("%d clusters read, error %v", len(got.Clusters), err)
	}
}

func TestEncodeLeavesOutWhatDecodeWouldNotRead(t *testing.T) {
	data := Encode(State{Clusters: []Cluster{
		{ID: "EAST", UID: "u"},
		{ID: "west", UID: "a b", Addresses: []string{"w:2", "nowhere", "w:1", "w:2", "w:3", "w:0", "w:4"}, Heard: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	}})
	if want := map[string]string{"cluster.west": `{"addresses":["w:1","w:2","w:3"]}`}; !maps.Equal(data, want) {
		t.Errorf("%v, want %v", data, want)
	}
}

func TestADocumentIsBounded(t *testing.T) {
	text := func(n int) string { return `{"uid":"u","x":"` + strings.Repeat("y", n) + `"}` }
	for _, test := range []struct {
		what   string
		text   string
		uid    string
		rest   int
		faults string
	}{
		{"the most in unknown fields", text(maxRest - 5), "u", 1, "[]"},
		{"one more", text(maxRest - 2), "u", 0, `[cluster "west": 8193 bytes in fields that this release does not know: want at most 8192]`},
		{"the longest", text(maxDocument - len(text(0))), "u", 0, `[cluster "west": 65521 bytes in fields that this release does not know: want at most 8192]`},
		{"longer", text(maxDocument - len(text(0)) + 1), "", 0, `[cluster "west": 65537 bytes: want at most 65536]`},
	} {
		c, faults := decodeCluster("west", test.text)
		if c.UID != test.uid || len(c.rest) != test.rest || fmt.Sprint(faults) != test.faults {
			t.Errorf("%s: uid %q, %d unknown fields, %v", test.what, c.UID, len(c.rest), faults)
		}
	}
}

// FuzzDecode holds whatever is in a ConfigMap to what is promised of it: nothing panics, what is read is valid
// and reads the same once it was written, and other keys stay as they are.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, term, id, document, key, value string) {
		data := map[string]string{termKey: term, clusterPrefix + id: document, key: value}
		s, err := Decode(data)
		for _, fault := range lines(err) {
			if text := fault.Error(); strings.Contains(text, "\n") || len(text) > 2000 {
				t.Errorf("want one readable line: %.3000q", text)
			}
		}
		for _, c := range s.Clusters {
			if _, faults := c.normal(); len(faults) > 0 || len(c.Addresses) > MaxAddresses {
				t.Errorf("read what is not valid: %v of %+v", faults, c)
			}
		}
		written := Encode(s)
		again, _ := Decode(written)
		if !reflect.DeepEqual(again, s) {
			t.Errorf("%+v became %+v by %q", s, again, written)
		}
		for key, value := range data {
			if own, _ := clusterOf(key); own == "" && key != selfKey && key != termKey && written[key] != value {
				t.Errorf("key %q became %q", key, written[key])
			}
		}
		if _, err := nextTerm(data, 0, noon); err == nil && s.Term > federation.MaxTerm(noon) {
			t.Errorf("term %d is believed", s.Term)
		}
		if changes, _, err := plan(data, s.Term, s.Clusters); err != nil || len(changes) > 0 && onlyRead(data) {
			t.Errorf("writes %v of what was read, error %v", changes, err)
		}
	})
}

// onlyRead reports whether all of data was read without a fault.
func onlyRead(data map[string]string) bool {
	_, err := Decode(data)
	return err == nil
}

// A ConfigMap's bound is that of Kubernetes.
func TestTheBoundOfAConfigMap(t *testing.T) {
	full := func(n int) *corev1.ConfigMap {
		return &corev1.ConfigMap{Data: map[string]string{"a": strings.Repeat("x", n), "term": "1"}, BinaryData: map[string][]byte{"b": make([]byte, 9), "term": nil}}
	}
	changes := map[string]string{"term": "12"}
	most := maxBytes - len("a") - len("b") - 9 - len("term") - len("12")
	if err := fits(full(most), changes); err != nil {
		t.Error(err)
	}
	if err := fits(full(most+1), changes); err == nil || !strings.Contains(err.Error(), "it would have 1048577 bytes, want at most 1048576: remove from it what is not Hansa's") {
		t.Errorf("one byte more: %v", err)
	}
}
