package stream

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

var update = flag.Bool("update", false, "record the conversation of the current wire version anew; never one that was released")

// recording is a conversation of the first wire version: the comment in it says what that is for.
const recording = "testdata/conversation-v1.txtar"

const recordingComment = `A conversation of east and west in wire version 1. Members of different versions must understand each other: what
one of version 1 said is played to the current code, which must come to hold what is written below. While version 1
is not released, go test -update records it anew; once it is, this file is never written again: a change that it
does not survive is another wire version.

Each frame is a line, who sent it and its bytes in base64, below what it is.

`

// TestConversationOfVersion1 plays what each side said in the recording to a member of today.
func TestConversationOfVersion1(t *testing.T) {
	if *update {
		synctest.Test(t, record) // in which it is always the same time
	}
	archive, err := txtar.ParseFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	if len(archive.Files) != 3 {
		t.Fatalf("%d sections, want 3", len(archive.Files))
	}
	listens := map[string]*Session{
		"east": NewSession(newStore("west"), "east", Peer, epoch),
		"west": NewSession(newStore("east"), "west", Peer, epoch),
	}
	kinds := map[string]int{}
	for i, line := range strings.Split(strings.TrimSpace(string(archive.Files[0].Data)), "\n") {
		if strings.HasPrefix(line, "# ") {
			kinds[strings.Fields(line)[1]]++
			continue
		}
		from, data, _ := strings.Cut(line, " ")
		f := &wire.Frame{}
		if raw, err := base64.StdEncoding.DecodeString(data); err != nil || proto.Unmarshal(raw, f) != nil || listens[from] == nil {
			t.Fatalf("line %d is no frame: %v", i+1, err)
		}
		if f.GetHello() != nil { // each begins a stream
			listens[from] = NewSession(listens[from].store, federation.ClusterID(from), Peer, epoch)
		}
		if refused, err := listens[from].Handle(f, epoch); err != nil || len(refused) > 0 {
			t.Fatalf("line %d, a frame of %s: refused %v, error %v", i+1, from, refused, err)
		}
		drain(t, listens[from])
	}
	for _, kind := range []string{"hello", "heartbeat", "ask", "chunk", "part", "update", "hashes"} {
		if kinds[kind] == 0 {
			t.Errorf("the recording has no %s", kind)
		}
	}
	for _, f := range archive.Files[1:] {
		if got := shown(t, listens[f.Name].store, federation.ClusterID(f.Name)); got != string(f.Data) {
			t.Errorf("held of %s:\n%s\nwant\n%s", f.Name, got, f.Data)
		}
	}
}

// shown returns what is held of a cluster, as text.
func shown(t *testing.T, s *federation.Store, owner federation.ClusterID) string {
	t.Helper()
	head := s.Head(owner)
	text := &strings.Builder{}
	fmt.Fprintf(text, "version %s, digest %016x, %d records\n", head.Version, uint64(head.Digest), head.Records)
	u := holds(s, owner)
	for _, r := range u.Put {
		data, err := json.Marshal(said(t, r.Export))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(text, "%016x %s\n", uint64(r.Hash), data)
	}
	for _, x := range u.Unread {
		fmt.Fprintf(text, "%016x %s cannot be read\n", uint64(x.Hash), x.Name)
	}
	return text.String()
}

// said returns what is said of a service without what is not: so a field that is new since a recording changes
// nothing in it.
func said(t *testing.T, e *federation.Export) any {
	t.Helper()
	data, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	prune(all)
	return all
}

// prune takes out what is empty, and reports whether all is.
func prune(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(_ string, inner any) bool { return prune(inner) })
		return len(v) == 0
	case []any:
		for _, inner := range v {
			prune(inner)
		}
		return len(v) == 0
	}
	return v == nil || v == "" || v == 0.0 || v == false || v == "0001-01-01T00:00:00Z"
}

// record writes the recording: all that version 1 has to say, in parts, in chunks, and with a loss on the way.
func record(t *testing.T) {
	t.Helper()
	frames := &bytes.Buffer{}
	note := func(from federation.ClusterID, f *wire.Frame) {
		data, err := proto.MarshalOptions{Deterministic: true}.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(frames, "# %s\n%s %s\n", told(f), from, base64.StdEncoding.EncodeToString(data))
	}
	a, b := talk(newStore("east", recordedSet("east")...), newStore("west", recordedSet("west")...))
	a.heard, b.heard = note, note
	a.part, b.part = smallPart, smallPart
	a.reconnect()
	recordedStory(t, a, b)
	a.agrees(t)
	b.agrees(t)
	archive := &txtar.Archive{Comment: []byte(recordingComment), Files: []txtar.File{
		{Name: "frames", Data: frames.Bytes()},
		{Name: "east", Data: []byte(shown(t, b.store, "east"))},
		{Name: "west", Data: []byte(shown(t, a.store, "west"))},
	}}
	if err := os.WriteFile(recording, txtar.Format(archive), 0o600); err != nil {
		t.Fatal(err)
	}
}

// recordedSet is what a cluster says at first, which has something in every field.
func recordedSet(cluster federation.ClusterID) []*federation.Export {
	web := export(cluster, "web", addresses(12)...)
	web.Annotations = map[string]string{"hansa.dev/note": "ü"}
	headless := export(cluster, "db", "10.9.0.1", "fd00::9")
	headless.Type, headless.SessionAffinity, headless.SessionAffinitySeconds = federation.Headless, "ClientIP", 3600
	headless.IPFamilies = []federation.IPFamily{federation.IPv6, federation.IPv4}
	headless.InternalTrafficPolicy, headless.TrafficDistribution, headless.Network = "Local", "PreferClose", "vpc-1"
	headless.Subsets[0].Endpoints[0].Conditions = federation.Serving | federation.Terminating
	next := export(cluster, "next", "10.9.0.2")
	next.Extra = later()
	return append(many(cluster, 6), web, headless, next, export(cluster, "empty"))
}

func recordedStory(t *testing.T, a, b *end) {
	t.Helper()
	set := recordedSet("east")
	web := flipped(set[6], 5)
	a.settle(t) // first sets
	a.resettle(t)
	a.store.Set(web) // a patch
	b.store.Withdraw(named("empty"))
	a.settle(t)
	a.store.Set(export("east", "lost", "10.9.0.3")) // lost, found, repaired
	a.send(t)
	b.inbox = nil
	a.store.Set(flipped(web, 6))
	a.settle(t)
	a.reconnect() // at the same version
	a.resettle(t)
	a.store.Announce(2, append(set[1:], export("east", "new", "10.9.0.4"))) // another leader
	a.store.Withdraw(named("db"))
	a.settle(t)
	b.store.Renew(2) // the same set
	a.settle(t)
	all := export("west", "web", addresses(60)...) // in two chunks, with a heartbeat between them
	b.store.Set(all)
	b.send(t)
	f := a.inbox[len(a.inbox)-1].GetChunk()
	half := len(f.GetData()) / 2
	a.inbox = []*wire.Frame{chunk(f.GetData()[:half], true, false)}
	a.inbox[0].GetChunk().Size = f.GetSize()
	b.beat(t)
	b.post(chunk(f.GetData()[half:], false, true))
	a.resettle(t)
}

// told says in words what a frame is.
func told(f *wire.Frame) string {
	c := f.GetChunk()
	switch {
	case f.GetHello() != nil:
		return "hello"
	case f.GetHeartbeat() != nil:
		return "heartbeat"
	case f.GetAsk() != nil:
		return "ask"
	case !c.GetFirst() || !c.GetLast():
		return "chunk"
	}
	var in inbox
	m, err := in.take(c)
	if err != nil {
		return err.Error()
	}
	if h := m.GetHashes(); h != nil {
		return fmt.Sprintf("hashes of %s: %d", h.GetOwner(), len(h.GetHashes()))
	}
	u := m.GetUpdate()
	what := "update"
	if u.GetMore() {
		what = "part"
	}
	return fmt.Sprintf("%s of %s from %s to %s: %d put, %d patched, %d withdrawn, %d stale", what, u.GetOwner(),
		decodeVersion(u.GetFrom()), decodeVersion(u.GetTo()), len(u.GetPut()), len(u.GetPatched()), len(u.GetWithdrawn()), len(u.GetStale()))
}
