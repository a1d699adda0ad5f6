package election

import (
	"math"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// at is a moment of a test.
func at(seconds float64) time.Time {
	return start.Add(time.Duration(seconds * float64(time.Second)))
}

// lease is one of a version that a holder wrote.
func lease(version, holder string) *coordinationv1.Lease {
	l := created("hansa-agent", Identity{}, 10*time.Second, start)
	l.UID = "u"
	l.ResourceVersion = version
	l.Spec.HolderIdentity = &holder
	return l
}

// event is a sight of a lease that a watch told.
func event(l *coordinationv1.Lease) sight { return sight{lease: l, version: l.ResourceVersion} }

func coreOf(t *testing.T) core {
	t.Helper()
	c, err := sound().complete()
	if err != nil {
		t.Fatal(err)
	}
	return newCore(c)
}

// next is what to do in the story of a test, and when.
type next struct {
	step step
	at   time.Time
}

func TestWhatAnAgentDoesNext(t *testing.T) {
	never := time.Time{}
	seconds := func(l *coordinationv1.Lease, n int32) *coordinationv1.Lease {
		l.Spec.LeaseDurationSeconds = &n
		return l
	}
	for what, test := range map[string]struct {
		story func(c *core)
		want  next
	}{
		"nothing before it saw anything":     {func(*core) {}, next{idle, never}},
		"nothing while it never saw, blind":  {func(c *core) { c.lookAway() }, next{idle, never}},
		"makes a Lease at once":              {func(c *core) { c.see(sight{version: "5"}, at(1)) }, next{create, never}},
		"takes a free one at once":           {func(c *core) { c.see(event(lease("5", "")), at(1)) }, next{take, never}},
		"takes one without holder at once":   {func(c *core) { l := lease("5", ""); l.Spec = coordinationv1.LeaseSpec{}; c.see(event(l), at(1)) }, next{take, never}},
		"renews its own at once":             {func(c *core) { c.see(event(lease("5", "a/a:1")), at(1)) }, next{renew, never}},
		"waits for another's to run out":     {func(c *core) { c.see(event(lease("5", "b/b:1")), at(1)) }, next{take, at(11)}},
		"waits for a garbled one to run out": {func(c *core) { c.see(event(lease("5", "\x00///")), at(1)) }, next{take, at(11)}},
		"waits longer if the Lease says so":  {func(c *core) { c.see(event(seconds(lease("5", "b"), 30)), at(1)) }, next{take, at(31)}},
		"waits no shorter":                   {func(c *core) { c.see(event(seconds(lease("5", "b"), 1)), at(1)) }, next{take, at(11)}},
		"waits not for years":                {func(c *core) { c.see(event(seconds(lease("5", "b"), math.MaxInt32)), at(1)) }, next{take, at(61)}},
		"waits not backwards":                {func(c *core) { c.see(event(seconds(lease("5", "b"), math.MinInt32)), at(1)) }, next{take, at(11)}},
		"waits if a Lease says no duration": {func(c *core) {
			l := lease("5", "b")
			l.Spec.LeaseDurationSeconds = nil
			c.see(event(l), at(1))
		}, next{take, at(11)}},
		"begins to wait again when it is renewed": {func(c *core) {
			c.see(event(lease("5", "b")), at(1))
			renewal := lease("6", "b")
			renewal.Spec.RenewTime = &metav1.MicroTime{Time: at(4)}
			c.see(event(renewal), at(5))
		}, next{take, at(15)}},
		"does not for a label": {func(c *core) {
			c.see(event(lease("5", "b")), at(1))
			labelled := lease("6", "b")
			labelled.Labels = map[string]string{"a": "b"}
			c.see(event(labelled), at(5))
		}, next{take, at(11)}},
		"believes no clock but its own": {func(c *core) {
			l := lease("5", "b")
			l.Spec.RenewTime = &metav1.MicroTime{Time: at(-1e9)}
			c.see(event(l), at(1))
		}, next{take, at(11)}},
		"does nothing while blind, for the holder may renew": {func(c *core) {
			c.see(event(lease("5", "b")), at(1))
			c.lookAway()
		}, next{idle, never}},
		"leaves the holder some time when it sees again": {func(c *core) {
			c.see(event(lease("5", "b")), at(1))
			c.lookAway()
			c.lookAgain(at(900))
		}, next{take, at(903)}},
		"does not leave more than that": {func(c *core) {
			c.see(event(lease("5", "b")), at(1))
			c.lookAway()
			c.lookAgain(at(2))
		}, next{take, at(11)}},
		"leaves a free one to nobody when it sees again": {func(c *core) {
			c.see(event(lease("5", "")), at(1))
			c.lookAway()
			c.lookAgain(at(900))
		}, next{take, never}},
		"renews though blind": {func(c *core) {
			c.see(event(lease("5", "a")), at(1))
			c.lookAway()
		}, next{renew, never}},
		"tries again after a while": {func(c *core) {
			c.see(event(lease("5", "")), at(1))
			c.record(take, at(2))
		}, next{take, at(3)}},
		"tries again at once if somebody freed it once more": {func(c *core) {
			c.see(event(lease("5", "")), at(1))
			c.record(take, at(2))
			c.see(event(lease("6", "b")), at(2.1))
			c.see(event(lease("7", "")), at(2.2))
		}, next{take, never}},
		"renews one Retry after it wrote": {func(c *core) {
			c.see(event(lease("5", "")), at(1))
			c.record(take, at(2))
			c.wrote(sight{lease("6", "a"), "6", at(2)}, at(2.5))
		}, next{renew, at(3)}},
		"is in no hurry because of its own renewal": {func(c *core) {
			c.see(event(lease("5", "a")), at(1))
			c.record(renew, at(2))
			renewal := lease("6", "a")
			renewal.Spec.RenewTime = &metav1.MicroTime{Time: at(2)}
			c.see(event(renewal), at(2.1))
		}, next{renew, at(3)}},
		"makes it again when it is deleted": {func(c *core) {
			c.see(event(lease("5", "b")), at(1))
			c.see(sight{version: "6"}, at(2))
		}, next{create, never}},
		"heeds no event that is late": {func(c *core) {
			c.see(sight{version: "6", asked: at(0)}, at(1))
			c.see(event(lease("5", "b")), at(2))
		}, next{create, never}},
		"heeds no answer to an older question": {func(c *core) {
			c.see(event(lease("9", "b")), at(2))
			c.see(sight{version: "8", asked: at(1)}, at(3))
		}, next{take, at(12)}},
		"heeds the answer to a newer question though versions begin again": {func(c *core) {
			c.see(event(lease("900", "b")), at(2))
			c.see(sight{lease("10", ""), "10", at(3)}, at(3.1))
		}, next{take, never}},
		"heeds events though versions are no numbers": {func(c *core) {
			c.see(event(lease("x", "b")), at(2))
			c.see(event(lease("y", "")), at(3))
		}, next{take, never}},
	} {
		t.Run(what, func(t *testing.T) {
			c := coreOf(t)
			test.story(&c)
			if step, at := c.next(); step != test.want.step || !at.Equal(test.want.at) {
				t.Errorf("step %d at %v, want %d at %v", step, at, test.want.step, test.want.at)
			}
		})
	}
}

func TestAStintEndsWhenTheLeaseIsSomebodyElses(t *testing.T) {
	own := func(version string) sight { return sight{lease(version, "a/a.example:7946"), version, at(1)} }
	for what, test := range map[string]struct {
		story func(c *core)
		want  uint64
		leads bool
	}{
		"a renewal":                     {func(c *core) { c.wrote(own("6"), at(2)) }, 1, true},
		"a late event":                  {func(c *core) { c.see(event(lease("4", "b")), at(2)) }, 1, true},
		"another's label":               {func(c *core) { c.see(event(lease("6", "a")), at(2)) }, 1, true},
		"another holder":                {func(c *core) { c.see(event(lease("6", "b")), at(2)) }, 1, false},
		"another holder, and us again":  {func(c *core) { c.see(event(lease("6", "b")), at(2)); c.wrote(own("7"), at(3)) }, 2, true},
		"nobody":                        {func(c *core) { c.see(event(lease("6", "")), at(2)) }, 1, false},
		"no Lease":                      {func(c *core) { c.see(sight{version: "6"}, at(2)) }, 1, false},
		"no Lease, and ours again":      {func(c *core) { c.see(sight{version: "6"}, at(2)); c.wrote(own("7"), at(3)) }, 2, true},
		"somebody faster than we knew":  {func(c *core) { c.see(event(lease("9", "b")), at(2)); c.wrote(own("8"), at(3)) }, 1, false},
		"named by a hand, but not ours": {func(c *core) { c.see(event(lease("6", "b")), at(2)); c.see(own("7"), at(3)) }, 1, false},
	} {
		t.Run(what, func(t *testing.T) {
			c := coreOf(t)
			c.see(sight{version: "1"}, at(0))
			c.wrote(own("5"), at(1))
			test.story(&c)
			if c.stint != test.want || c.leads(at(3)) != test.leads {
				t.Errorf("stint %d, leads %v, want %d, %v", c.stint, c.leads(at(3)), test.want, test.leads)
			}
		})
	}
}

// The time that counts is when the renewal was sent, however late the answer came.
func TestALeaderFreezesByTheTimeItsRenewalWasSent(t *testing.T) {
	c := coreOf(t)
	c.see(sight{version: "1"}, at(0))
	c.wrote(sight{lease("5", "a"), "5", at(1)}, at(7.5))
	if !c.leads(at(7.999)) || c.leads(at(8)) || !c.until().Equal(at(8)) {
		t.Errorf("leads until %v, want %v", c.until(), at(8))
	}
}

func TestWhatIsWrittenIntoALease(t *testing.T) {
	me := Identity{"a", "a.example:7946"}
	c := coreOf(t)
	c.me = me
	made := c.record(create, at(1))
	wantSpec(t, made, me.String(), 10, at(1), at(1), 0)
	if made.Name != "hansa-agent" || made.ResourceVersion != "" {
		t.Errorf("made %+v", made.ObjectMeta)
	}
	theirs := lease("7", "b")
	theirs.Labels = map[string]string{"of": "others"}
	theirs.Spec.LeaseTransitions = new(int32(4))
	theirs.Spec.Strategy = new(coordinationv1.OldestEmulationVersion)
	c.see(event(theirs), at(2))
	took := c.record(take, at(3))
	wantSpec(t, took, me.String(), 10, at(3), at(3), 5)
	if took.ResourceVersion != "7" || took.UID != types.UID("u") || took.Labels["of"] != "others" || took.Spec.Strategy != nil {
		t.Errorf("took %+v with strategy %v, want the version that was seen, labels, and no strategy", took.ObjectMeta, took.Spec.Strategy)
	}
	wantSpec(t, theirs, "b", 10, start, start, 4)
	c.see(event(setVersion(took, "8")), at(3))
	kept := c.record(renew, at(4))
	wantSpec(t, kept, me.String(), 10, at(3), at(4), 5)
	wantSpec(t, released(kept, at(5)), "", 1, at(5), at(5), 5)
}

func TestGarbageInALeaseIsRepaired(t *testing.T) {
	me := Identity{Name: "a"}
	empty := &coordinationv1.Lease{}
	wantSpec(t, taken(empty, me, 1500*time.Millisecond, at(1)), "a", 2, at(1), at(1), 1)
	wantSpec(t, renewed(empty, me, time.Second, at(1)), "a", 1, at(1), at(1), 0)
	odd := &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{LeaseTransitions: new(int32(math.MaxInt32)), LeaseDurationSeconds: new(int32(-1))}}
	wantSpec(t, taken(odd, me, time.Second, at(1)), "a", 1, at(1), at(1), 0)
	odd.Spec.LeaseTransitions = new(int32(-7))
	wantSpec(t, taken(odd, me, time.Second, at(1)), "a", 1, at(1), at(1), 1)
}

func TestSinceIsWhenTheLeaderTookTheLease(t *testing.T) {
	c := coreOf(t)
	if s := c.standing(at(0)); s != (Standing{}) {
		t.Errorf("%+v before anything was seen", s)
	}
	l := lease("5", "b")
	l.Spec.AcquireTime = &metav1.MicroTime{Time: at(-100)}
	c.see(event(l), at(1))
	if s := c.standing(at(2)); !s.Since.Equal(at(-100)) || s.Leader.Name != "b" {
		t.Errorf("%+v, want since the Lease says so", s)
	}
	l = lease("6", "d")
	l.Spec.AcquireTime = &metav1.MicroTime{Time: at(1e6)}
	c.see(event(l), at(3))
	l = lease("7", "d")
	l.Spec.AcquireTime = nil
	c.see(event(l), at(4))
	if s := c.standing(at(5)); !s.Since.Equal(at(3)) {
		t.Errorf("since %v, want when it was first seen, as a clock is ahead", s.Since)
	}
	c.see(event(lease("8", "")), at(6))
	if s := c.standing(at(7)); s.Leader != (Identity{}) || !s.Since.IsZero() {
		t.Errorf("%+v, want no leader", s)
	}
}

func setVersion(l *coordinationv1.Lease, version string) *coordinationv1.Lease {
	l.ResourceVersion = version
	return l
}

func wantSpec(t *testing.T, l *coordinationv1.Lease, holder string, seconds int32, acquired, renewed time.Time, transitions int32) {
	t.Helper()
	s := l.Spec
	if *s.HolderIdentity != holder || *s.LeaseDurationSeconds != seconds || *s.LeaseTransitions != transitions ||
		!s.AcquireTime.Equal(&metav1.MicroTime{Time: acquired}) || !s.RenewTime.Equal(&metav1.MicroTime{Time: renewed}) {
		t.Errorf("holder %q, %d s, %d transitions, acquired %v, renewed %v; want %q, %d, %d, %v, %v", *s.HolderIdentity, *s.LeaseDurationSeconds,
			*s.LeaseTransitions, s.AcquireTime, s.RenewTime, holder, seconds, transitions, acquired, renewed)
	}
}

func TestALeaderKnowsWhomItFollows(t *testing.T) {
	b := Identity{"b", "b.example:7946"}
	held := func(version, holder string, renewed float64) *coordinationv1.Lease {
		l := lease(version, holder)
		l.Spec.RenewTime = &metav1.MicroTime{Time: at(renewed)}
		return l
	}
	type sights []*coordinationv1.Lease // nil where it was deleted
	for what, test := range map[string]struct {
		seen  sights
		want  Identity
		wrote float64
	}{
		"nobody":                      {sights{nil, held("2", "a", 1)}, Identity{}, 0},
		"one that nobody can name":    {sights{held("1", "b/", 1), held("2", "a", 9)}, Identity{}, 0},
		"one that was silent":         {sights{held("1", b.String(), 1), held("2", b.String(), 2), held("3", "a", 12), held("4", "a", 13)}, b, 2},
		"one that gave it back":       {sights{held("1", b.String(), 1), held("2", "", 5), held("3", "a", 6)}, b, 5},
		"one whose Lease was deleted": {sights{held("1", b.String(), 1), nil, held("3", "a", 6)}, b, 1},
		"the last of several":         {sights{held("1", "d", 1), held("2", b.String(), 2), held("3", "a", 6)}, b, 2},
		"itself":                      {sights{held("1", b.String(), 1), held("2", "a", 2), held("3", "", 3), held("4", "a", 4)}, Identity{}, 0},
	} {
		c := coreOf(t)
		for i, l := range test.seen {
			if s := c.standing(at(0)); !c.mine() && s.Former != (Identity{}) {
				t.Errorf("%s: %+v while it is not ours", what, s)
			}
			if l == nil {
				c.see(sight{asked: at(float64(i) + 1)}, at(float64(i)))
			} else {
				c.see(event(l), at(float64(i)))
			}
		}
		s := c.standing(at(0))
		if s.Former != test.want || !s.FormerWrote.IsZero() && !s.FormerWrote.Equal(at(test.wrote)) || s.FormerWrote.IsZero() != (test.want == Identity{}) {
			t.Errorf("%s: %+v wrote %v, want %+v at %v", what, s.Former, s.FormerWrote, test.want, at(test.wrote))
		}
	}
}
