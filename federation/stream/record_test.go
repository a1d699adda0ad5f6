package stream

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// spoiled returns the wire form of a whole set of east with these exports, each changed by spoil.
func spoiled(spoil func(i int, e *wire.Export), exports ...*federation.Export) *wire.Update {
	m := encodeUpdate(wholeSet("east", federation.Version{Term: 1, Seq: 1}, exports...))
	for i, e := range m.GetPut() {
		spoil(i, e)
	}
	return m
}

// unread is the word on one record that could not be read.
func unread(name federation.ServiceName, e *federation.Export) []federation.Unread {
	return []federation.Unread{{Name: name, Hash: federation.Sealed(e).Hash}}
}

// A label that no API server would take is refused with its record, named.
func TestALabelThatNoAPIServerTakesIsRefused(t *testing.T) {
	rule.Covers(t, "E8")
	for what, spoil := range map[string]func(*wire.Export){
		`exportedLabels "a b"`:         func(e *wire.Export) { e.Labels = map[string]string{"a b": ""} },
		`exportedLabels "a": value`:    func(e *wire.Export) { e.Labels = map[string]string{"a": "-"} },
		`exportedAnnotations "a/b/c":`: func(e *wire.Export) { e.Annotations = map[string]string{"a/b/c": ""} },
	} {
		web := export("east", "web", "10.0.0.1")
		u, refused, err := decodeUpdate(spoiled(func(_ int, e *wire.Export) { spoil(e) }, web), nil)
		if err != nil || len(u.Put) != 0 || !slices.Equal(u.Unread, unread(webName, web)) {
			t.Errorf("%s: update %+v, error %v", what, u, err)
		}
		if len(refused) != 1 || !strings.HasPrefix(refused[0].Error(), `record "shop/web" of east: `+what) {
			t.Errorf("%s: refused %v", what, refused)
		}
	}
}

// bad are the ways in which one record can be wrong.
var bad = map[string]func(*wire.Export){
	"no type":                    func(e *wire.Export) { e.Type = wire.Type_TYPE_UNSPECIFIED },
	"an unknown type":            func(e *wire.Export) { e.Type = 3 },
	"a negative type":            func(e *wire.Export) { e.Type = -1 },
	"no protocol":                func(e *wire.Export) { e.Ports[0].Protocol = 0 },
	"an unknown protocol":        func(e *wire.Export) { e.Ports[0].Protocol = 99 },
	"an unknown target protocol": func(e *wire.Export) { e.Subsets[0].Ports[0].Protocol = 4 },
	"no family":                  func(e *wire.Export) { e.IpFamilies = []wire.IPFamily{0} },
	"an unknown family":          func(e *wire.Export) { e.IpFamilies = []wire.IPFamily{1, 3} },
	"three families":             func(e *wire.Export) { e.IpFamilies = []wire.IPFamily{1, 2, 1} },
	"port 0":                     func(e *wire.Export) { e.Ports[0].Number = 0 },
	"port 65536":                 func(e *wire.Export) { e.Ports[0].Number = 1 << 16 },
	"port 80 behind 16 bits":     func(e *wire.Export) { e.Ports[0].Number = 1<<16 + 80 },
	"target port 65536":          func(e *wire.Export) { e.Subsets[0].Ports[0].Number = 1 << 16 },
	"a host name of two labels":  func(e *wire.Export) { e.Subsets[0].Endpoints[0].Hostname = "a.b" },
	"a long zone":                func(e *wire.Export) { e.Subsets[0].Endpoints[0].Zone = strings.Repeat("z", 254) },
	"a time before 1970":         func(e *wire.Export) { e.Created = -1 },
	"a time beyond any year":     func(e *wire.Export) { e.Created = 1 << 62 },
	"a negative timeout":         func(e *wire.Export) { e.AffinitySeconds = -1 },
	"too many ports": func(e *wire.Export) {
		e.Ports = slices.Repeat(e.Ports, federation.MaxPorts+1)
	},
	"too many bad ports": func(e *wire.Export) {
		e.Ports = slices.Repeat([]*wire.Port{{}}, 10_000)
	},
	"too many bad subsets": func(e *wire.Export) {
		e.Subsets = slices.Repeat([]*wire.Subset{{Ports: []*wire.TargetPort{{}}}}, 10_000)
	},
	"a byte too much that is not known": func(e *wire.Export) { e.ProtoReflect().SetUnknown(unknownOf(maxExtra + 1)) },
	"texts without end": func(e *wire.Export) {
		e.Subsets[0].Endpoints = slices.Repeat([]*wire.Endpoint{{Address: []byte{10, 0, 0, 1}, Zone: strings.Repeat("z", 1<<10)}}, maxRecord>>10)
	},
}

// unknownOf returns fields of n bytes that this version does not know.
func unknownOf(n int) []byte {
	for pad := n; ; pad-- {
		if field := unknownBytes(1000, make([]byte, pad)); len(field) == n {
			return field
		}
	}
}

// Each kind of bad record is refused alone, with its name: the others go on, and of it the hash is taken.
func TestBadRecordIsRefusedAlone(t *testing.T) {
	for what, spoil := range bad {
		before, web, after := export("east", "before", "10.0.0.1"), export("east", "web", "10.0.0.1"), export("east", "after", "10.0.0.1")
		m := spoiled(func(i int, e *wire.Export) {
			if i == 1 {
				spoil(e)
			}
		}, before, web, after)
		patched := proto.CloneOf(m)
		patched.Put = []*wire.Export{m.Put[0], m.Put[2]}
		patched.Patched = []*wire.Patch{{Base: 1, Record: m.Put[1]}}
		for way, m := range map[string]*wire.Update{"put": m, "patched": patched} {
			u, refused, err := decodeUpdate(m, nil)
			if err != nil || len(u.Put) != 2 || !u.Put[0].Equal(before) || !u.Put[1].Equal(after) || len(u.Patched) != 0 {
				t.Errorf("%s, %s: error %v, update %+v", what, way, err, u)
				continue
			}
			if !slices.Equal(u.Unread, unread(webName, web)) {
				t.Errorf("%s, %s: unread %v", what, way, u.Unread)
			}
			if len(refused) != 1 || !strings.HasPrefix(refused[0].Error(), `record "shop/web" of east: `) || len(refused[0].Error()) > 500 {
				t.Errorf("%s, %s: refused %.1000v", what, way, refused)
			}
		}
	}
}

// A patch whose gone endpoints are no good is refused like its record.
func TestBadRemovalIsRefused(t *testing.T) {
	web := export("east", "web", "10.0.0.1")
	m := &wire.Update{Owner: "east", Patched: []*wire.Patch{{Record: encodeRecord(federation.Sealed(web)), Removed: []*wire.Subset{{Ports: []*wire.TargetPort{{Number: 1 << 16}}}}}}}
	u, refused, err := decodeUpdate(m, nil)
	if err != nil || len(u.Patched) > 0 || len(refused) != 1 || !slices.Equal(u.Unread, unread(webName, web)) {
		t.Errorf("update %+v, refused %v, error %v", u, refused, err)
	}
}

// A record without a name that can be read is refused; it counts under its hash, which no service can be called.
func TestRecordWithoutANameCountsByItsHash(t *testing.T) {
	long := strings.Repeat("a", 1<<20)
	for _, name := range []*wire.Name{nil, {}, {Namespace: "shop"}, {Namespace: "Shop", Name: "web"}, {Namespace: "shop", Name: long}} {
		web, good := export("east", "web", "10.0.0.1"), export("east", "good", "10.0.0.1")
		m := spoiled(func(i int, e *wire.Export) {
			if i == 0 {
				e.Name = name
			}
		}, web, good)
		u, refused, err := decodeUpdate(m, nil)
		want := federation.ServiceName{Name: fmt.Sprintf("#%x", uint64(federation.Sealed(web).Hash))}
		if err != nil || len(u.Put) != 1 || !slices.Equal(u.Unread, unread(want, web)) || len(refused) != 1 || len(refused[0].Error()) > 1000 {
			t.Errorf("%.20q: update %+v, refused %.1000v, error %v", name, u, refused, err)
		}
		again, refused, err := through(t, u) // as a leader passes it on
		if err != nil || len(refused) > 0 || !sameUpdate(u, again) {
			t.Errorf("%.20q: passed on as %+v, refused %v, error %v", name, again, refused, err)
		}
		store := federation.NewStore("west")
		if _, err := store.Apply(u); err != nil || store.Head("east").Digest != u.Digest {
			t.Errorf("%.20q: error %v, at %+v", name, err, store.Head("east"))
		}
	}
}

// A good record goes on where bad ones are refused, and few of those are told of.
func TestFewRefusedRecordsAreToldOf(t *testing.T) {
	store := federation.NewStoreWithin("east", federation.Limits{Services: 100})
	s := NewSession(store, "west", Peer, epoch)
	if err := handleAll(s, west()); err != nil {
		t.Fatal(err)
	}
	set := many("west", 160)
	m := encodeUpdate(wholeSet("west", federation.Version{Term: 1, Seq: 1}, set[:100]...))
	for _, e := range m.GetPut()[:40] {
		e.Type = 0
	}
	refused, err := s.Handle(packed(t, &wire.Message{Kind: &wire.Message_Update{Update: m}}), epoch)
	if err != nil || len(refused) != maxReported || store.Head("west").Records != 100 || len(store.NamesIn("shop")) != 60 {
		t.Errorf("%d refused records told of (%v), held %+v", len(refused), err, store.Head("west"))
	}
	beyond := wholeSet("west", federation.Version{Term: 1, Seq: 2}, set[100:]...)
	beyond.From = federation.Version{Term: 1, Seq: 1}
	beyond.Digest += store.Head("west").Digest
	refused, err = s.Handle(says(t, beyond), epoch)
	if err != nil || len(refused) != maxReported || len(store.NamesIn("shop")) != 100 {
		t.Errorf("beyond the limits: %d refused records told of (%v), held %+v", len(refused), err, store.Head("west"))
	}
}

// What a record takes on the wire is never more than what it counts, or a message of many could be too large.
func TestNoRecordIsLargerThanItCounts(t *testing.T) {
	r := random(t)
	worst := export("east", strings.Repeat("w", 63), "fd00::1", "fd00::2")
	worst.Extra = unknownOf(maxExtra)
	for i := range worst.Subsets[0].Endpoints {
		ep := &worst.Subsets[0].Endpoints[i]
		ep.Zone, ep.Region, ep.Hostname = strings.Repeat("z", 253), strings.Repeat("r", 253), strings.Repeat("h", 63)
		ep.Conditions = 7
	}
	for i := range 99 {
		worst.Ports = append(worst.Ports, federation.Port{Name: fmt.Sprintf("p-%d", i), Protocol: federation.SCTP, AppProtocol: strings.Repeat("a", 63), Number: 65535})
		worst.Subsets[0].Ports = append(worst.Subsets[0].Ports, federation.TargetPort{Name: fmt.Sprintf("p-%d", i), Protocol: federation.SCTP, Number: 65535})
	}
	for i := range 300 {
		e := worst
		if i > 0 {
			e = anyExport(r, "east", "web")
		}
		u := &wire.Update{Put: []*wire.Export{encodeRecord(federation.Record{Export: e, Hash: 1<<64 - 1})}}
		if n := proto.Size(u); n > sizeOf(e) {
			t.Fatalf("%d bytes, counted as %d: %+v", n, sizeOf(e), e)
		}
	}
}

// The same record has the same words each time: maps have no order of their own.
func TestTheSameUpdateHasTheSameWords(t *testing.T) {
	e := export("east", "web", "10.0.0.1")
	e.Labels = map[string]string{"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"}
	var first []byte
	for range 50 {
		out, err := pack((&message{update: wholeSet("east", federation.Version{Term: 1, Seq: 1}, e)}).encode())
		if err != nil {
			t.Fatal(err)
		}
		if words := chunksOf(out); first == nil {
			first = words
		} else if !bytes.Equal(first, words) {
			t.Fatal("other words")
		}
	}
}
