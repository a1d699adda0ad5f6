package gossip

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

func TestThreeNodesSeeEachOther(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		a := n.join(t, "a", "a.example:4240")
		b := n.join(t, "b", "b.example:4240", "a.example:4240")
		c := n.join(t, "c", "c.example:4240", "a.example:4240")
		a.sees("b.example:4240", "c.example:4240")
		b.sees("a.example:4240", "c.example:4240")
		c.sees("a.example:4240", "b.example:4240")
		if got := a.Members()[0]; got.Cluster != "b" || got.Node != b.Node() {
			t.Errorf("a's first member is %+v", got)
		}
		time.Sleep(5 * time.Minute)
		a.sees("b.example:4240", "c.example:4240")
		c.sees("a.example:4240", "b.example:4240")
	})
}

func TestJoinsASeedThatComesUpLater(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		b := n.join(t, "b", "b.example:4240", "a.example:4240")
		time.Sleep(3 * time.Second)
		a := n.join(t, "a", "a.example:4240")
		began := time.Now()
		b.sees("a.example:4240")
		a.sees("b.example:4240")
		if late := time.Since(began); late > 5*time.Second {
			t.Errorf("joined after %v", late)
		}
	})
}

func TestStartJoinsAtOnce(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		n.join(t, "a", "a.example:4240").sees()
		began := time.Now()
		n.join(t, "b", "b.example:4240", "a.example:4240").sees("a.example:4240")
		if late := time.Since(began); late > firstJoin {
			t.Errorf("joined after %v", late)
		}
	})
}

func TestFindsANodeAgainThatCameBackElsewhere(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		a := n.join(t, "a", "a.example:4240")
		b := n.join(t, "b", "b.example:4240", "a.example:4240")
		c := n.join(t, "c", "c.example:4240", "a.example:4240")
		a.sees("b.example:4240", "c.example:4240")

		n.isolate("c.example:4240", true) // nobody hears its goodbye
		c.stop()
		again := n.join(t, "c", "c2.example:4240", "a.example:4240")
		again.sees("a.example:4240", "b.example:4240")
		a.sees("b.example:4240", "c2.example:4240")
		b.sees("a.example:4240", "c2.example:4240")
	})
}

func TestALongWayBetweenMembersIsNoFailure(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		n.delay = 250 * time.Millisecond
		a := n.join(t, "a", "a.example:4240")
		b := n.join(t, "b", "b.example:4240", "a.example:4240")
		c := n.join(t, "c", "c.example:4240", "a.example:4240")
		a.sees("b.example:4240", "c.example:4240")
		b.sees("a.example:4240", "c.example:4240")
		c.sees("a.example:4240", "b.example:4240")
		all := []*member{a, b, c}
		editions := []<-chan struct{}{a.Changed(), b.Changed(), c.Changed()}
		time.Sleep(5 * time.Minute)
		for i, edition := range editions {
			select {
			case <-edition:
				t.Errorf("%s lost a member", all[i].Node())
			default:
			}
		}
	})
}

func TestNewestIncarnationComesFirst(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		a := n.join(t, "a", "a.example:4240")
		n.join(t, "b", "b1.example:4240", "a.example:4240")
		time.Sleep(time.Second)
		n.join(t, "b", "b2.example:4240", "a.example:4240")
		a.sees("b1.example:4240", "b2.example:4240")
		if got := a.Members()[0].Address; got != "b2.example:4240" {
			t.Errorf("the first is %s", got)
		}
	})
}

func TestOurFormerSelfIsNoPeer(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		a := n.join(t, "a", "a.example:4240")
		n.join(t, "b", "b1.example:4240", "a.example:4240")
		b2 := n.join(t, "b", "b2.example:4240", "a.example:4240")
		a.sees("b1.example:4240", "b2.example:4240")
		time.Sleep(time.Minute)
		b2.sees("a.example:4240")
	})
}

func TestGoodbyeIsHeard(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		a := n.join(t, "a", "a.example:4240")
		b := n.join(t, "b", "b.example:4240", "a.example:4240")
		a.sees("b.example:4240")
		b.sees("a.example:4240")
		began := time.Now()
		b.stop()
		a.sees()
		if late := time.Since(began); late > leaveTime+flushTime {
			t.Errorf("heard after %v", late)
		}
	})
}

func TestRejoinsAfterAPartitionThatMemberlistForgot(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		a := n.join(t, "a", "a.example:4240")
		b := n.join(t, "b", "b.example:4240", "a.example:4240")
		c := n.join(t, "c", "c.example:4240", "a.example:4240")
		a.sees("b.example:4240", "c.example:4240")
		b.sees("a.example:4240", "c.example:4240")
		c.sees("a.example:4240", "b.example:4240")
		n.isolate("a.example:4240", true)
		a.sees()
		b.sees("c.example:4240")
		c.sees("b.example:4240")
		time.Sleep(10 * time.Minute)
		n.isolate("a.example:4240", false)
		began := time.Now()
		a.sees("b.example:4240", "c.example:4240")
		b.sees("a.example:4240", "c.example:4240")
		c.sees("a.example:4240", "b.example:4240")
		if late := time.Since(began); late > 2*lastJoin {
			t.Errorf("rejoined after %v", late)
		}
	})
}

func TestASeedThatChangesItsAddressIsFoundByItsName(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		b := n.join(t, "b", "b.example:4240", "seed.example:4240")
		for _, address := range []string{"a1.example:4240", "a2.example:4240"} {
			a := n.join(t, "a", address)
			n.alias("seed.example:4240", address)
			b.sees(address)
			n.isolate(address, true)
			a.stop()
			b.sees()
		}
	})
}

func TestHeadsSpread(t *testing.T) {
	inMemory(t, func(t *testing.T, n *network) {
		var seq atomic.Uint64
		h := n.listen("a", "a.example:4240")
		a := start(t, Config{Cluster: "a", Advertise: "a.example:4240", Dial: n.dialFrom(h), Listener: h,
			Heads: func() Heads { return Heads{"a": {Term: 1, Seq: seq.Load()}, "z": {Term: 3, Seq: 4}} }})
		b := n.join(t, "b", "b.example:4240", "a.example:4240")
		c := n.join(t, "c", "c.example:4240", "b.example:4240")
		a.sees("b.example:4240", "c.example:4240")
		c.sees("a.example:4240", "b.example:4240")
		time.Sleep(2 * time.Minute) // push/pulls
		synctest.Wait()
		for _, m := range []*member{b, c} {
			if got := m.Seen()["z"]; got != (federation.Version{Term: 3, Seq: 4}) {
				t.Errorf("%s has seen z at %v by push/pull", m.Node(), got)
			}
		}
		seq.Store(7)
		a.Advance()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for _, m := range []*member{b, c} {
			if got := m.Seen()["a"]; got.Seq != 7 {
				t.Errorf("%s has seen a at %v by broadcast", m.Node(), got)
			}
		}
	})
}

func TestNewsArePassedOnAndOldNewsAreNot(t *testing.T) {
	h := newNetwork().listen("a", "")
	g, err := New(Config{Cluster: "a", Advertise: "a.example:1", Dial: newNetwork().dialFrom(h), Listener: h,
		Heads: func() Heads { return nil }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		head   Heads
		queued int
	}{
		{Heads{"b": {Term: 1, Seq: 1}}, 1},
		{Heads{"b": {Term: 1, Seq: 2}}, 1}, // in place of the former
		{Heads{"c": {Term: 1, Seq: 1}}, 2},
	} {
		(&delegate{g}).NotifyMsg(encodeHeads(step.head))
		if got := g.Stats().Queued; got != step.queued {
			t.Errorf("after %v: %d queued", step.head, got)
		}
	}
	g.queue.Reset()
	(&delegate{g}).NotifyMsg(encodeHeads(Heads{"b": {Term: 1, Seq: 2}}))
	(&delegate{g}).NotifyMsg([]byte("what?"))
	if got := g.Stats().Queued; got != 0 {
		t.Errorf("%d queued of what is no news", got)
	}
}

func TestOurHeadIsToldAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		g := &Gossip{advanced: make(chan struct{}, 1), cfg: Config{Cluster: "a", Heads: func() Heads {
			told++
			return nil
		}}}
		go g.announceHeads(t.Context())
		for range 50 { // five seconds
			g.Advance()
			g.Advance()
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if told != 6 { // at once, and after each second
			t.Errorf("told %d times", told)
		}
	})
}

func TestNewRefusesWhatItCannotUse(t *testing.T) {
	good := Config{Cluster: "a", Advertise: "a.example:4240", Dial: newNetwork().dialFrom(nil), Listener: newNetwork().listen("a", ""),
		Heads: func() Heads { return nil }, Log: slog.New(slog.DiscardHandler)}
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"cluster":   {func(c *Config) { c.Cluster = "A/b" }, `cluster ID "A/b": want`},
		"advertise": {func(c *Config) { c.Advertise = "a.example" }, `advertise: address "a.example": want host:port`},
		"seed":      {func(c *Config) { c.Seeds = []string{"ok:1", "no port"} }, `seeds: address "no port": want host:port`},
		"no log":    {func(c *Config) { c.Log = nil }, "must be set"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			tt.change(&cfg)
			if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}
