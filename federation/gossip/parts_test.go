package gossip

import (
	"fmt"
	"log" //nolint:depguard // it is what memberlist writes with
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/hansa-mcs/hansa/federation"
)

func TestCheckAddress(t *testing.T) {
	for _, s := range []string{"a:1", "a.example.org:4240", "a.example.org.:65535", "_x.example:1", "10.0.0.1:4240", "[2001:db8::1]:4240", "localhost:1"} {
		if err := CheckAddress(s); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{"", "a", ":1", "a:0", "a:65536", "a:http", "a b:1", "0.0.0.0:1", "[::]:1", "224.0.0.1:1", "169.254.169.254:80",
		"[fe80::1]:1", "http://a:1", "a..b:1", "-a:1", strings.Repeat("a.", 127) + "toolong:1", strings.Repeat("a", 300) + ":1"} {
		if err := CheckAddress(s); err == nil || !strings.Contains(err.Error(), "want host:port") {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestNodeNames(t *testing.T) {
	now := time.Now()
	first, second := newNodeName("a", now), newNodeName("a", now.Add(time.Millisecond))
	if first >= second || newNodeName("a", now) == first {
		t.Errorf("%s, then %s", first, second)
	}
	if c, err := parseNodeName(first); c != "a" || err != nil {
		t.Error(c, err)
	}
	for _, name := range []string{"", "a", "a/", "/1", "A/1", "a/x", "a/1/2", "a/" + strings.Repeat("1", maxIncarnation+1), strings.Repeat("a", 64) + "/1"} {
		if c, err := parseNodeName(name); err == nil {
			t.Errorf("%q: %q", name, c)
		}
	}
}

func TestMetaTakesTheLongestAddress(t *testing.T) {
	host := strings.Repeat("abcdefg.", 31) + "abcde" // 253
	meta := encodeMeta(host + ":65535")
	if got, err := decodeMeta(meta); got != host+":65535" || err != nil || len(meta) > memberlist.MetaMaxSize {
		t.Errorf("%q, %v, %d bytes", got, err, len(meta))
	}
	if got, err := decodeMeta(append(meta, "later"...)); got != host+":65535" || err != nil {
		t.Errorf("with a later version's addition: %v", err)
	}
	for _, bad := range []string{"", "\x01\x00", "\x02\x00\x03a:1", "\x01\x00\x04a:1", "\x01\xff\xffa:1", "\x01\x00\x01a"} {
		if got, err := decodeMeta([]byte(bad)); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

func TestDecodeHeadsRefusesWhatEncodeDoesNotWrite(t *testing.T) {
	for name, b := range map[string]string{
		"nothing":          "",
		"another format":   "\x02\x00",
		"no count":         "\x01",
		"too many":         "\x01\x81\x08",
		"fewer than said":  "\x01\x02\x01a\x01\x01",
		"more than said":   "\x01\x01\x01a\x01\x01x",
		"a bad ID":         "\x01\x01\x01A\x01\x01",
		"an endless ID":    "\x01\x01\xff\xff\xff\xff\x0fa",
		"twice the same":   "\x01\x02\x01a\x01\x01\x01a\x01\x01",
		"out of order":     "\x01\x02\x01b\x01\x01\x01a\x01\x01",
		"an endless seq":   "\x01\x01\x01a\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"a padded number":  "\x01\x01\x01a\x81\x00\x01",
		"a seq cut short":  "\x01\x01\x01a\x01",
		"a number is open": "\x01\x01\x01a\x01\x80",
	} {
		if h, err := decodeHeads([]byte(b)); err == nil {
			t.Errorf("%s: %v", name, h)
		}
	}
}

func FuzzDecodeHeads(f *testing.F) {
	f.Add([]byte{})
	f.Add(encodeHeads(Heads{"a": {Term: 1, Seq: 2}, "b-c": {Term: 1 << 63}}))
	f.Add([]byte("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHeads(b)
		if err == nil && string(encodeHeads(h)) != string(b) {
			t.Errorf("%q decodes to %v, which encodes differently", b, h)
		}
		if len(h) > maxHeads {
			t.Errorf("%d heads", len(h))
		}
	})
}

func FuzzDecodeMeta(f *testing.F) {
	f.Add(encodeMeta("a.example:4240"))
	f.Add([]byte("\x01\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if address, err := decodeMeta(b); err == nil && !strings.HasPrefix(string(b), string(encodeMeta(address))) {
			t.Errorf("%q decodes to %q, which encodes differently", b, address)
		}
	})
}

func FuzzGuards(f *testing.F) {
	f.Add([]byte("\x06\x83\xa5Nodes\x01\xacUserStateLen\x01\xa4Join\xc3"))
	f.Add([]byte{msgCRC, 0, 0, 0, 0, msgCompound, 2, 0, 1, 0, 2, 0, msgCompress, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if head, err := guardHeader(strings.NewReader(string(b)), false); err == nil && !strings.HasPrefix(string(b), string(head)) {
			t.Errorf("the header of %q became %q", b, head)
		}
		guardPacket(b)
	})
}

func TestTheLargestStateFits(t *testing.T) {
	heads := Heads{}
	for i := range maxHeads + 1 {
		heads[federation.ClusterID(fmt.Sprintf("%063d", i))] = federation.Version{Term: 1<<64 - 1, Seq: 1<<64 - 1}
	}
	b := encodeHeads(heads)
	if got, err := decodeHeads(b); err != nil || len(got) != maxHeads || len(b) > maxState {
		t.Errorf("%d heads in %d bytes: %v", len(got), len(b), err)
	}
}

func TestBoardKeepsTheGreatest(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	tooFar := federation.MaxTerm(now) + 1
	b := board{seen: Heads{}}
	for _, step := range []struct{ report, news Heads }{
		{Heads{"a": {Term: 1, Seq: 5}, "b": {Term: 2}}, Heads{"a": {Term: 1, Seq: 5}, "b": {Term: 2}}},
		{Heads{"a": {Term: 1, Seq: 4}, "b": {Term: 2}}, Heads{}},         // older, equal
		{Heads{"a": {Term: 2, Seq: 1}}, Heads{"a": {Term: 2, Seq: 1}}},   // a new term begins anew
		{Heads{"a": {Term: tooFar}}, Heads{}},                            // would stand for ever
		{Heads{"a": {Term: tooFar - 1}}, Heads{"a": {Term: tooFar - 1}}}, // just believable
		{Heads{"zero": {}}, Heads{}},                                     // says nothing
	} {
		if news := b.note(step.report, now); !maps.Equal(news, step.news) {
			t.Errorf("%v: got %v, want %v", step.report, news, step.news)
		}
	}
	for i := range maxHeads {
		b.note(Heads{federation.ClusterID(fmt.Sprint("c", i)): {Term: 1}}, now)
	}
	if n := len(b.all()); n != maxHeads {
		t.Errorf("%d heads", n)
	}
}

func TestAdmitIsBounded(t *testing.T) {
	now := time.Now()
	d := newDirectory("a/0", "a")
	meta := encodeMeta("b.example:1")
	for i := range maxNodesPerCluster {
		if err := d.admit(fmt.Sprintf("b/%x", i), meta, now); err != nil {
			t.Fatal(err)
		}
	}
	for i := range maxNodesPerCluster {
		d.arrive(fmt.Sprintf("b/%x", i), meta)
	}
	if d.admit("b/ff", meta, now) == nil {
		t.Error("one cluster has too many nodes")
	}
	if err := d.admit("b/1", meta, now); err != nil {
		t.Errorf("a known node is refused: %v", err)
	}
	// A cluster that starts again and again makes room for itself: the one that is gone for the longest goes.
	d.depart("b/3", now)
	d.depart("b/4", now.Add(-time.Second))
	if err := d.admit("b/ff", meta, now); err != nil || d.nodes["b/4"] != nil || d.nodes["b/3"] == nil {
		t.Errorf("the dead still count: %v", err)
	}
	for i := range maxNodes {
		d.admit(fmt.Sprintf("c%d/1", i), meta, now)
	}
	if len(d.nodes) != maxNodes {
		t.Errorf("%d nodes", len(d.nodes))
	}
	for name, meta := range map[string][]byte{"B/1": meta, "no-incarnation": meta, "x/1": []byte("?"), "a/1": nil} {
		if newDirectory("a/0", "a").admit(name, meta, now) == nil {
			t.Errorf("%s with Meta %q is admitted", name, meta)
		}
	}
}

func TestNodesThatWouldMakeOthersRefusedAreRefused(t *testing.T) {
	g := &Gossip{directory: newDirectory("a/0", "a")}
	good := memberlist.Node{Name: "b/1", Meta: encodeMeta("b.example:1"), PMin: 1, PCur: spoken, PMax: 5}
	for name, change := range map[string]func(*memberlist.Node){
		"narrow below": func(n *memberlist.Node) { n.PMin = 3 },
		"narrow above": func(n *memberlist.Node) { n.PMax = 1 },
		"speaks ahead": func(n *memberlist.Node) { n.PCur = 5 },
		"delegate":     func(n *memberlist.Node) { n.DCur = 1 },
		"demands":      func(n *memberlist.Node) { n.DMin = 1 },
	} {
		n := good
		change(&n)
		if (&delegate{g}).NotifyAlive(&n) == nil {
			t.Errorf("%s: admitted", name)
		}
	}
	if err := (&delegate{g}).NotifyAlive(&good); err != nil {
		t.Error(err)
	}
}

func TestMemberlistsLinesGoToSlog(t *testing.T) {
	var out strings.Builder
	l := log.New(&logBridge{slog.New(slog.NewTextHandler(&out, nil))}, "", log.LstdFlags)
	l.Print("[DEBUG] memberlist: not shown")
	l.Print("[INFO] memberlist: Suspect b/1 has failed, no acks received")
	l.Print("[WARN] memberlist: Got ping for unexpected node 'b/1' from=10.0.0.1:2")
	l.Print("[ERR] memberlist: Push/Pull with b/1 failed: EOF")
	l.Printf("[WARN] memberlist: Refuting %s", "x")
	if got := out.String(); !strings.HasSuffix(got, "level=WARN msg=memberlist said=\"Refuting x\"\n") || strings.Count(got, "\n") != 1 {
		t.Errorf("got %q", got)
	}
}

func TestSplitLevel(t *testing.T) {
	for line, want := range map[string]struct {
		level slog.Level
		text  string
	}{
		"[DEBUG] memberlist: Stream connection": {slog.LevelDebug, "Stream connection"},
		"[INFO] memberlist: Suspect":            {slog.LevelInfo, "Suspect"},
		"[WARN] memberlist: Refuting":           {slog.LevelWarn, "Refuting"},
		"[ERR] memberlist: Failed":              {slog.LevelError, "Failed"},
		"[ERROR] memberlist: Failed":            {slog.LevelError, "Failed"},
		"Err: Could not set the deadline":       {slog.LevelWarn, "Err: Could not set the deadline"},
		"":                                      {slog.LevelWarn, ""},
	} {
		if level, text := splitLevel(line); level != want.level || text != want.text {
			t.Errorf("%q: %v %q", line, level, text)
		}
	}
}
