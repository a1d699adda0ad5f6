package stream

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// through returns what the other side makes of an update: packed, sent, read and decoded.
func through(t testing.TB, u *federation.Update) (*federation.Update, []error, error) {
	t.Helper()
	out, err := pack((&message{update: u}).encode())
	if err != nil {
		t.Fatal(err)
	}
	var in inbox
	for {
		f := out.chunk()
		m, err := in.take(f.GetChunk())
		if err != nil {
			return nil, nil, err
		}
		if f.GetChunk().GetLast() {
			return decodeUpdate(m.GetUpdate(), nil)
		}
	}
}

// anyUpdate returns an update with anything in any field.
func anyUpdate(r *rand.Rand) *federation.Update {
	version := func() federation.Version { return federation.Version{Term: r.Uint64(), Seq: r.Uint64()} }
	hash := func() federation.Hash { return federation.Hash(r.Uint64()) }
	u := &federation.Update{Owner: "east", To: version(), Digest: federation.Digest(r.Uint64()), More: r.IntN(2) == 0}
	if r.IntN(2) == 0 {
		u.From = version()
	}
	if r.IntN(2) == 0 {
		u.At = time.UnixMilli(1 + r.Int64N(1<<53-1))
	}
	for i := range r.IntN(4) {
		u.Put = append(u.Put, federation.Record{Export: anyExport(r, "east", fmt.Sprintf("put-%d", i)), Hash: hash()})
	}
	for i := range r.IntN(4) {
		u.Patched = append(u.Patched, federation.Patch{
			Base:    hash(),
			Record:  federation.Record{Export: anyExport(r, "east", fmt.Sprintf("patched-%d", i)), Hash: hash()},
			Removed: anyRemoved(r),
		})
	}
	for i := range r.IntN(4) {
		u.Withdrawn = append(u.Withdrawn, named(fmt.Sprintf("withdrawn-%d", i)))
	}
	for range r.IntN(4) {
		u.Stale = append(u.Stale, hash())
	}
	for i := range r.IntN(4) {
		u.Unread = append(u.Unread, federation.Unread{Name: named(fmt.Sprintf("unread-%d", i)), Hash: hash()})
	}
	return u
}

// anyRemoved returns endpoints that went: of each only address and host name are said.
func anyRemoved(r *rand.Rand) []federation.Subset {
	e := anyExport(r, "east", "removed")
	for i := range e.Subsets {
		for j := range e.Subsets[i].Endpoints {
			ep := &e.Subsets[i].Endpoints[j]
			*ep = federation.Endpoint{Address: ep.Address, Hostname: ep.Hostname}
		}
	}
	return e.Subsets
}

// Whatever one member says, the other understands the same.
func TestUpdatesSurviveTheWire(t *testing.T) {
	r := random(t)
	for range 300 {
		u := anyUpdate(r)
		if got, refused, err := through(t, u); err != nil || len(refused) > 0 || !sameUpdate(u, got) {
			t.Fatalf("said\n%+v\nunderstood\n%+v\nrefused %v, error %v", u, got, refused, err)
		}
	}
}

// So do heads and hashes.
func TestHeadsAndHashesSurviveTheWire(t *testing.T) {
	r := random(t)
	for range 100 {
		h := federation.Head{Version: federation.Version{Term: r.Uint64(), Seq: r.Uint64()}, Digest: federation.Digest(r.Uint64()), Records: int(r.Uint32())}
		if m := encodeHead("east", h); decodeHead(m) != h || m.GetOwner() != "east" {
			t.Errorf("%+v became %+v", h, decodeHead(m))
		}
		list := make([]federation.Hash, r.IntN(9))
		for i := range list {
			list[i] = federation.Hash(r.Uint64())
		}
		if got := decodeHashes(encodeHashes(list)); !slices.Equal(got, list) {
			t.Errorf("%v became %v", list, got)
		}
	}
	if m := encodeHead("east", federation.Head{Records: 1 << 40}); m.GetRecords() != 1<<32-1 {
		t.Errorf("more than can be said became %d", m.GetRecords())
	}
}

// What means something in the owner's cluster alone never leaves it: a record arrives without its nodes.
func TestNodesDoNotCrossTheWire(t *testing.T) {
	e := export("east", "web", "10.0.0.1", "10.0.0.2")
	for i := range e.Subsets[0].Endpoints {
		e.Subsets[0].Endpoints[i].Node = fmt.Sprintf("secret-node-%d", i)
	}
	u := wholeSet("east", federation.Version{Term: 1, Seq: 1}, e)
	data, err := proto.Marshal(encodeUpdate(u))
	if err != nil || !bytes.Contains(data, []byte("web-0")) || bytes.Contains(data, []byte("secret-node")) {
		t.Fatalf("on the wire: %q, error %v", data, err)
	}
	got, refused, err := through(t, u)
	if err != nil || len(refused) > 0 || !got.Put[0].Equal(export("east", "web", "10.0.0.1", "10.0.0.2")) {
		t.Fatalf("understood %+v, refused %v, error %v", got, refused, err)
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
	m := spoiled(func(_ int, e *wire.Export) {
		for _, a := range hostile {
			e.Subsets[0].Endpoints = append(e.Subsets[0].Endpoints, &wire.Endpoint{Address: a, Ready: true})
		}
		e.Subsets = append(e.Subsets, &wire.Subset{Endpoints: []*wire.Endpoint{{Address: hostile[5]}}})
	}, good)
	m.Patched = []*wire.Patch{{Record: encodeExport(export("east", "api", "10.0.0.1")), Removed: []*wire.Subset{{Endpoints: []*wire.Endpoint{{Address: hostile[5]}, {Address: []byte{10, 0, 0, 9}}}}}}}
	u, refused, err := decodeUpdate(m, nil)
	if err != nil || len(refused) > 0 || len(u.Put) != 1 || !u.Put[0].Equal(good) {
		t.Errorf("update %+v, refused %v, error %v", u, refused, err)
	}
	if gone := u.Patched[0].Removed; len(gone) != 1 || len(gone[0].Endpoints) != 1 {
		t.Errorf("gone: %+v", gone)
	}
}

// Nothing of an update can be used that has no owner, or that names a service twice.
func TestUpdatesOfWhichNothingCanBeUsed(t *testing.T) {
	name, record := encodeName(webName), encodeExport(export("east", "web", "10.0.0.1"))
	bad := encodeExport(export("east", "web", "10.0.0.1"))
	bad.Type = 0
	nameless := &wire.Export{Hash: 7}
	for about, m := range map[string]*wire.Update{
		"nothing":                    nil,
		"nobody's":                   {To: &wire.Version{Term: 1, Seq: 1}},
		"of an impossible owner":     {Owner: strings.Repeat("E", 1<<20)},
		"put and put":                {Put: []*wire.Export{record, record}},
		"put and refused":            {Put: []*wire.Export{record, bad}},
		"put and patched":            {Put: []*wire.Export{record}, Patched: []*wire.Patch{{Record: record}}},
		"put and withdrawn":          {Put: []*wire.Export{record}, Withdrawn: []*wire.Name{name}},
		"patched and patched":        {Patched: []*wire.Patch{{Record: record}, {Record: record}}},
		"withdrawn and withdrawn":    {Withdrawn: []*wire.Name{name, name}},
		"withdrawn and unread":       {Withdrawn: []*wire.Name{name}, Unread: []*wire.Unread{{Name: name, Hash: 1}}},
		"unread and refused":         {Put: []*wire.Export{bad}, Unread: []*wire.Unread{{Name: name, Hash: 1}}},
		"twice without a name":       {Put: []*wire.Export{nameless, nameless}},
		"a long name, withdrawn":     {Withdrawn: []*wire.Name{{Name: strings.Repeat("a", 1<<20)}, {Name: strings.Repeat("a", 1<<20)}}},
		"nothing withdrawn, and yet": {Withdrawn: []*wire.Name{nil, {}}},
	} {
		if m != nil && m.Owner == "" && about != "nobody's" {
			m.Owner = "east"
		}
		if u, refused, err := decodeUpdate(m, nil); err == nil || u != nil || len(refused) > 0 || len(err.Error()) > 1000 {
			t.Errorf("%s: update %+v, refused %v, error %.1000v", about, u, refused, err)
		}
	}
}
