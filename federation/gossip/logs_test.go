package gossip

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
)

// A cluster is told once when it comes and once when it goes, however many nodes it has meanwhile: one that was
// killed and started again has two, until the first is found dead.
func TestMembersComeAndGoInTheLogAsClusters(t *testing.T) {
	var out strings.Builder
	quiet := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	g := &Gossip{directory: newDirectory("a/0", "a"), cfg: Config{Log: slog.New(slog.NewTextHandler(&out, quiet))}}
	d := &delegate{g}
	node := func(name string) *memberlist.Node {
		return &memberlist.Node{Name: name, Meta: encodeMeta("host.example:1")}
	}
	for _, name := range []string{"b/1", "b/2", "a/9"} {
		if err := g.directory.admit(name, node(name).Meta, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		what func(*memberlist.Node)
		node string
		want string
	}{
		{d.NotifyJoin, "b/1", "level=INFO msg=\"member joined\" peer=b address=host.example:1\n"},
		{d.NotifyUpdate, "b/1", ""},
		{d.NotifyJoin, "b/2", ""},
		{d.NotifyLeave, "b/1", ""},
		{d.NotifyLeave, "b/1", ""},
		{d.NotifyLeave, "b/2", "level=INFO msg=\"member gone: it left, or nobody hears it\" peer=b address=host.example:1\n"},
		{d.NotifyLeave, "b/2", ""},
		{d.NotifyJoin, "a/9", ""}, // another node of our own cluster
		{d.NotifyLeave, "a/9", ""},
		{d.NotifyLeave, "a/0", ""}, // ourselves
		{d.NotifyJoin, "c/1", ""},  // never admitted
	} {
		out.Reset()
		if step.what(node(step.node)); out.String() != step.want {
			t.Errorf("%s: logged %q, want %q", step.node, out.String(), step.want)
		}
	}
}

func TestTroubleIsToldLateAndThenEachMinute(t *testing.T) {
	began := time.Unix(1000, 0)
	apart := trouble{since: began}
	for _, step := range []struct {
		after time.Duration
		want  slog.Level
	}{
		{0, slog.LevelDebug},
		{bearable - 1, slog.LevelDebug},
		{bearable, slog.LevelWarn},
		{bearable + time.Second, slog.LevelDebug},
		{bearable + tellAgain - 1, slog.LevelDebug},
		{bearable + tellAgain, slog.LevelWarn},
	} {
		if got := apart.level(began.Add(step.after)); got != step.want {
			t.Errorf("after %s: level %s, want %s", step.after, got, step.want)
		}
	}
}

// What a peer that cannot be joined is called in the log is what the operator called it.
func TestJoinCauseNamesNoAddressThatNobodyGave(t *testing.T) {
	c := memberlist.DefaultLANConfig()
	c.Name, c.Transport, c.LogOutput, c.RequireNodeNames = "a/0", &deafTransport{}, io.Discard, true
	list, err := memberlist.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := list.Shutdown(); err != nil {
			t.Error(err)
		}
	}()
	if _, err = list.Join([]string{"b.example:8443" + noAddress}); err == nil {
		t.Fatal("joined nobody")
	}
	if got := joinCause(err); got != "nobody answers" {
		t.Errorf("the cause of %q is %q", err, got)
	}
	if got := joinCause(errors.New("another")); got != "another" {
		t.Errorf("the cause is %q, want what was said", got)
	}
}

// deafTransport reaches nobody.
type deafTransport struct{ transport }

func (*deafTransport) DialAddressTimeout(memberlist.Address, time.Duration) (net.Conn, error) {
	return nil, errors.New("nobody answers")
}
func (*deafTransport) Shutdown() error { return nil }
