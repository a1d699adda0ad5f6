package stream

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
	"github.com/hansa-mcs/hansa/integration/rule"
)

var webName = federation.ServiceName{Namespace: "shop", Name: "web"}

// Whatever one member says, the other understands the same.
func TestUpdatesSurviveTheWire(t *testing.T) {
	r := random(t)
	for range 300 {
		u := &federation.Update{Owner: "east", To: federation.Version{Term: r.Uint64(), Seq: r.Uint64()}}
		if r.IntN(2) == 0 {
			u.From = federation.Version{Term: u.To.Term, Seq: 1 + r.Uint64N(9)}
		}
		for i := range r.IntN(4) {
			u.Put = append(u.Put, anyExport(r, "east", fmt.Sprintf("s-%d", i)))
		}
		for i := range r.IntN(3) {
			u.Withdrawn = append(u.Withdrawn, federation.ServiceName{Namespace: "shop", Name: fmt.Sprintf("w-%d", i)})
		}
		data, err := encodeUpdate(u)
		if err != nil {
			t.Fatal(err)
		}
		got, refused, err := decodeUpdate(data)
		if err != nil || len(refused) > 0 || len(got.Unread) > 0 || !sameUpdate(u, got) {
			t.Fatalf("said\n%+v\nunderstood\n%+v\nrefused %v, error %v", u, got, refused, err)
		}
	}
}

// What means something in the owner's cluster alone never leaves it: a record arrives without its nodes.
func TestNodesDoNotCrossTheWire(t *testing.T) {
	e := export("east", "web", "10.0.0.1", "10.0.0.2")
	for i := range e.Subsets[0].Endpoints {
		e.Subsets[0].Endpoints[i].Node = fmt.Sprintf("secret-node-%d", i)
	}
	data, err := encodeUpdate(&federation.Update{Owner: "east", To: federation.Version{Term: 1, Seq: 1}, Put: []*federation.Export{e}})
	if err != nil || !bytes.Contains(data, []byte("web-0")) || bytes.Contains(data, []byte("secret-node")) {
		t.Fatalf("on the wire: %q, error %v", data, err)
	}
	got, refused, err := decodeUpdate(data)
	if err != nil || len(refused) > 0 || !got.Put[0].Equal(export("east", "web", "10.0.0.1", "10.0.0.2")) {
		t.Fatalf("understood %+v, refused %v, error %v", got, refused, err)
	}
}

// A label that no API server would take is refused with its record, named.
func TestALabelThatNoAPIServerTakesIsRefused(t *testing.T) {
	rule.Covers(t, "E8")
	for what, spoil := range map[string]func(*wire.Export){
		`exportedLabels "a b"`:         func(e *wire.Export) { e.Labels = map[string]string{"a b": ""} },
		`exportedLabels "a": value`:    func(e *wire.Export) { e.Labels = map[string]string{"a": "-"} },
		`exportedAnnotations "a/b/c":`: func(e *wire.Export) { e.Annotations = map[string]string{"a/b/c": ""} },
	} {
		u, refused, err := decodeUpdate(wireUpdate(t, func(_ int, e *wire.Export) { spoil(e) }, export("east", "web", "10.0.0.1")))
		if err != nil || len(u.Put) != 0 || !slices.Equal(u.Unread, []federation.ServiceName{webName}) {
			t.Errorf("%s: update %+v, error %v", what, u, err)
		}
		if len(refused) != 1 || !strings.HasPrefix(refused[0].Error(), `record "shop/web" of east: `+what) {
			t.Errorf("%s: refused %v", what, refused)
		}
	}
}

// wireUpdate returns the wire form of a whole set with these exports, each changed by spoil.
func wireUpdate(t *testing.T, spoil func(i int, e *wire.Export), exports ...*federation.Export) []byte {
	t.Helper()
	m := &wire.Update{Owner: "east", To: &wire.Version{Term: 1, Seq: 1}}
	for i, e := range exports {
		x := encodeExport(e)
		spoil(i, x)
		m.Put = append(m.Put, x)
	}
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Each kind of bad record is refused alone, with its name: the others go on, and what is held of it stays.
func TestBadRecordIsRefusedAlone(t *testing.T) {
	for what, spoil := range map[string]func(*wire.Export){
		"no type":                    func(e *wire.Export) { e.Type = wire.Type_TYPE_UNSPECIFIED },
		"an unknown type":            func(e *wire.Export) { e.Type = 3 },
		"a negative type":            func(e *wire.Export) { e.Type = -1 },
		"no protocol":                func(e *wire.Export) { e.Ports[0].Protocol = 0 },
		"an unknown protocol":        func(e *wire.Export) { e.Ports[0].Protocol = 99 },
		"an unknown target protocol": func(e *wire.Export) { e.Subsets[0].Ports[0].Protocol = 4 },
		"no family":                  func(e *wire.Export) { e.IpFamilies = []wire.IPFamily{0} },
		"an unknown family":          func(e *wire.Export) { e.IpFamilies = []wire.IPFamily{1, 3} },
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
	} {
		before, after := export("east", "before", "10.0.0.1"), export("east", "after", "10.0.0.1")
		data := wireUpdate(t, func(i int, e *wire.Export) {
			if i == 1 {
				spoil(e)
			}
		}, before, export("east", "web", "10.0.0.1"), after)
		u, refused, err := decodeUpdate(data)
		if err != nil || len(u.Put) != 2 || !u.Put[0].Equal(before) || !u.Put[1].Equal(after) {
			t.Errorf("%s: error %v, update %+v", what, err, u)
			continue
		}
		if !slices.Equal(u.Unread, []federation.ServiceName{webName}) {
			t.Errorf("%s: unread %v", what, u.Unread)
		}
		if len(refused) != 1 || !strings.HasPrefix(refused[0].Error(), `record "shop/web" of east: `) || len(refused[0].Error()) > 500 {
			t.Errorf("%s: refused %.1000v", what, refused)
		}
	}
}

// A record without a name that can be read is refused, and named nowhere.
func TestRecordWithoutANameIsRefused(t *testing.T) {
	for _, name := range []*wire.Name{nil, {}, {Namespace: "shop"}, {Namespace: "Shop", Name: "web"}, {Namespace: "shop", Name: strings.Repeat("a", 1<<20)}} {
		data := wireUpdate(t, func(_ int, e *wire.Export) { e.Name = name }, export("east", "web", "10.0.0.1"))
		u, refused, err := decodeUpdate(data)
		if err != nil || len(u.Put)+len(u.Unread) != 0 || len(refused) != 1 || len(refused[0].Error()) > 1000 {
			t.Errorf("%.20q: update %+v, refused %.1000v, error %v", name, u, refused, err)
		}
	}
}

// Addresses that a peer could turn against us are dropped one by one; the service itself is taken.
func TestHostileEndpointsAreDropped(t *testing.T) {
	hostile := [][]byte{
		nil, {}, {10}, {10, 0, 0, 1, 0}, make([]byte, 1<<16),
		netip.MustParseAddr("127.0.0.1").AsSlice(), netip.MustParseAddr("169.254.169.254").AsSlice(),
		netip.MustParseAddr("fe80::1").AsSlice(), netip.MustParseAddr("::1").AsSlice(),
		netip.MustParseAddr("224.0.0.1").AsSlice(), netip.MustParseAddr("ff02::1").AsSlice(),
		make([]byte, 4), make([]byte, 16), {255, 255, 255, 255},
		netip.MustParseAddr("::ffff:10.0.0.1").AsSlice(),
	}
	good := export("east", "web", "10.0.0.1", "fd00::1")
	data := wireUpdate(t, func(_ int, e *wire.Export) {
		for _, a := range hostile {
			e.Subsets[0].Endpoints = append(e.Subsets[0].Endpoints, &wire.Endpoint{Address: a, Ready: true})
		}
		e.Subsets = append(e.Subsets, &wire.Subset{Endpoints: []*wire.Endpoint{{Address: hostile[5]}}})
	}, good)
	u, refused, err := decodeUpdate(data)
	if err != nil || len(refused) > 0 || len(u.Put) != 1 || !u.Put[0].Equal(good) {
		t.Errorf("update %+v, refused %v, error %v", u, refused, err)
	}
}

// Nothing of an update can be used that is not one, or that has no owner.
func TestUpdateWithoutAnOwnerIsAnError(t *testing.T) {
	nobody, _ := proto.Marshal(&wire.Update{To: &wire.Version{Term: 1, Seq: 1}})
	illegal, _ := proto.Marshal(&wire.Update{Owner: strings.Repeat("E", 1<<20)})
	for _, data := range [][]byte{nil, nobody, illegal, []byte("\xff\xff\xff"), {0x0a, 0x7f}} {
		if u, _, err := decodeUpdate(data); err == nil || len(err.Error()) > 1000 {
			t.Errorf("%.20q: update %+v, error %.1000v", data, u, err)
		}
	}
}

// What a later minor version adds to a message does not keep this one from reading it.
func TestUnknownFieldsAreNoHindrance(t *testing.T) {
	want := export("east", "web", "10.0.0.1")
	data := wireUpdate(t, func(_ int, e *wire.Export) {
		e.ProtoReflect().SetUnknown([]byte{0xf8, 0x3f, 0x01}) // field 1023, a varint
	}, want)
	data = append(data, 0xfa, 0x3f, 0x01, 0x00) // field 1023, a byte
	if u, refused, err := decodeUpdate(data); err != nil || len(refused) > 0 || len(u.Put) != 1 || !u.Put[0].Equal(want) {
		t.Errorf("update %+v, refused %v, error %v", u, refused, err)
	}
}

// Whatever comes, nothing panics; what is taken passes Check, is normalized, and says the same again.
func FuzzDecodeUpdate(f *testing.F) {
	for _, u := range []*federation.Update{
		{Owner: "east", To: federation.Version{Term: 1, Seq: 1}, Put: []*federation.Export{export("east", "web", "10.0.0.1", "fd00::1")}},
		{Owner: "east", From: federation.Version{Term: 1, Seq: 1}, To: federation.Version{Term: 1, Seq: 2}, Withdrawn: []federation.ServiceName{webName}},
	} {
		data, err := encodeUpdate(u)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		u, _, err := decodeUpdate(data)
		if err != nil {
			return
		}
		for _, e := range u.Put {
			if err := e.Check(); err != nil {
				t.Fatalf("taken: %+v: %v", e, err)
			}
		}
		again, err := encodeUpdate(u)
		if err != nil {
			t.Fatal(err)
		}
		if got, refused, err := decodeUpdate(again); err != nil || len(refused) > 0 || !sameUpdate(u, got) {
			t.Fatalf("first\n%+v\nagain\n%+v\nrefused %v, error %v", u, got, refused, err)
		}
	})
}
