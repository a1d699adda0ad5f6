package xds

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// newDeltaTalk is a session of the incremental variant.
func newDeltaTalk(t *testing.T, s *store) *talk {
	c := newTalk(t, s)
	c.session = newSession(true, counting())
	return c
}

func (c *talk) add(k kind, names ...string) []string {
	c.t.Helper()
	return c.request(request{kind: k, subscribe: names})
}

func (c *talk) ack(k kind, nonce string) []string {
	c.t.Helper()
	return c.request(request{kind: k, nonce: nonce})
}

func TestDeltaSaysOnlyWhatDiffers(t *testing.T) {
	s := newStore()
	s.apply(service("web", "1"))
	s.apply(service("api", "1"))
	c := newDeltaTalk(t, s)
	c.want("all clusters", c.add(clusterKind), "CDS 1: api@1 web@1")
	c.want("two assignments", c.add(assignmentKind, "web", "api"), "EDS 2: api@1 web@1")
	c.ack(clusterKind, "1")
	c.ack(assignmentKind, "2")
	s.apply(at(assignmentKind, "web", "2"))
	c.want("one changed", c.hear(), "EDS 3: web@2")
	s.apply(at(clusterKind, "api", "2"))
	c.want("a cluster changed, its assignment waits", c.hear(), "CDS 4: api@2")
	c.want("and follows", c.ack(assignmentKind, "3"), "EDS 5: api@1")
	c.ack(clusterKind, "4")
	c.ack(assignmentKind, "5")
	s.apply(service("web", ""))
	c.want("went, empty first", c.hear(), "EDS 6: web@empty", "CDS 7: no web")
}

func TestDeltaTellsWhoAsksThatThereIsNothing(t *testing.T) {
	c := newDeltaTalk(t, newStore())
	for k := range kinds {
		name := [kinds]string{"CDS", "EDS", "LDS", "RDS"}[k]
		c.want("nothing", c.add(k, "web"), fmt.Sprintf("%s %d: no web", name, k+1))
	}
	c.ack(assignmentKind, "2")
	c.store.apply(at(assignmentKind, "web", "1"))
	c.want("came", c.hear(), "EDS 5: web@1")
}

// A client says with its first request what it has: what is the same is not sent, what went meanwhile is told.
func TestDeltaGoesOnWhereAnotherStreamEnded(t *testing.T) {
	s := newStore()
	for _, name := range []string{"same", "other", "new"} {
		s.apply(at(clusterKind, name, "2"))
		s.apply(at(assignmentKind, name, "2"))
	}
	has := map[string]string{"same": "2", "other": "1", "gone": "1"}
	c := newDeltaTalk(t, s)
	c.want("all", c.request(request{kind: clusterKind, has: has}), "CDS 1: new@2 other@2")
	c.want("what went comes last", c.request(request{kind: assignmentKind, has: has, subscribe: []string{"same", "other", "gone"}}),
		"EDS 2: other@2")
	c.want("assignments that went", c.ack(assignmentKind, "2"), "EDS 3: no gone")
	c.want("clusters that went", c.ack(assignmentKind, "3"))
	c.want("clusters that went", c.ack(clusterKind, "1"), "CDS 4: no gone")
	c.ack(clusterKind, "4")

	c = newDeltaTalk(t, s)
	c.want("nothing new is an answer too", c.request(request{kind: clusterKind, has: map[string]string{"same": "2", "other": "2", "new": "2"}}), "CDS 1:")
	c.want("of what it does not ask for it is told nothing", c.request(request{kind: assignmentKind, has: has, subscribe: []string{"same"}}), "EDS 2:")
}

func TestDeltaSendsAgainWhatIsAskedForAgain(t *testing.T) {
	s := newStore()
	s.apply(at(assignmentKind, "web", "1"))
	c := newDeltaTalk(t, s)
	c.want("first", c.add(assignmentKind, "web"), "EDS 1: web@1")
	c.want("again, while the first is on its way", c.add(assignmentKind, "web"))
	c.want("once more", c.ack(assignmentKind, "1"), "EDS 2: web@1")
	c.want("done", c.ack(assignmentKind, "2"))
	c.want("dropped", c.request(request{kind: assignmentKind, unsubscribe: []string{"web", "never"}}))
	s.apply(at(assignmentKind, "web", "2"))
	c.want("no business of it", c.hear())
	c.want("back", c.add(assignmentKind, "web"), "EDS 3: web@2")
}

func TestDeltaWildcardAndNamesSideBySide(t *testing.T) {
	s := newStore()
	s.apply(at(clusterKind, "web", "1"))
	c := newDeltaTalk(t, s)
	c.want("one by name", c.add(clusterKind, "api"), "CDS 1: no api")
	c.want("no names later are no wildcard", c.ack(clusterKind, "1"))
	c.want("all", c.add(clusterKind, "*"), "CDS 2: web@1")
	c.ack(clusterKind, "2")
	s.apply(at(clusterKind, "api", "1"))
	c.want("both cover it", c.hear(), "CDS 3: api@1")
	c.ack(clusterKind, "3")
	c.want("what the wildcard still covers is told again", c.request(request{kind: clusterKind, unsubscribe: []string{"api"}}), "CDS 4: api@1")
	c.ack(clusterKind, "4")
	c.want("by name once more", c.add(clusterKind, "web"), "CDS 5: web@1")
	c.ack(clusterKind, "5")
	c.want("no wildcard any more", c.request(request{kind: clusterKind, unsubscribe: []string{"*"}}))
	s.apply(at(clusterKind, "api", "2"))
	c.want("not wanted", c.hear())
	s.apply(at(clusterKind, "web", ""))
	c.want("the named one goes", c.hear(), "CDS 6: no web")
}

func TestDeltaSpreadsWhatIsMuchOverResponses(t *testing.T) {
	s := newStore()
	large := strings.Repeat("x", maxResponse/2)
	for _, name := range []string{"a", "b", "c"} {
		s.apply(at(clusterKind, name, large))
	}
	c := newDeltaTalk(t, s)
	var sizes []int
	for got := c.add(clusterKind); len(got) > 0; got = c.ack(clusterKind, c.session.types[clusterKind].nonce) {
		sizes = append(sizes, strings.Count(got[0], "@"))
	}
	if !slices.Equal(sizes, []int{1, 1, 1}) {
		t.Errorf("clusters by response: %v, want one in each", sizes)
	}
}

// Envoy uses a new cluster when it has the assignment, which it asks for when it has the cluster: a route that came before
// would lead to nothing for so long.
func TestRoutesWaitForTheAssignmentsOfNewClusters(t *testing.T) {
	s := newStore()
	s.apply(at(routeKind, EgressName, "1"))
	c := newDeltaTalk(t, s)
	c.add(clusterKind)
	c.ack(clusterKind, "1")
	c.want("routes", c.add(routeKind, EgressName), "RDS 2: hansa-egress@1")
	c.ack(routeKind, "2")
	step := service("web", "1")
	maps.Copy(step, at(routeKind, EgressName, "2"))
	s.apply(step)
	c.want("the cluster first", c.hear(), "CDS 3: web@1")
	c.want("it has the cluster", c.ack(clusterKind, "3"))
	c.want("it asks for the assignment", c.add(assignmentKind, "web"), "EDS 4: web@1", "RDS 5: hansa-egress@2")
	c.ack(assignmentKind, "4")
	c.ack(routeKind, "5")

	step = service("api", "1")
	maps.Copy(step, at(routeKind, EgressName, "3"))
	s.apply(step)
	c.want("another one", c.hear(), "CDS 6: api@1")
	step = service("api", "")
	maps.Copy(step, at(routeKind, EgressName, "2"))
	s.apply(step)
	c.want("that went again before it was asked for", c.ack(clusterKind, "6"), "CDS 7: no api")
	c.ack(clusterKind, "7")

	s.apply(at(clusterKind, "db", "1"))
	s.apply(at(routeKind, EgressName, "4"))
	c.want("nobody asks for its assignment", c.hear(), "CDS 8: db@1")
	if c.ack(clusterKind, "8"); !c.session.held() {
		t.Error("nothing is held")
	}
	c.session.release()
	c.want("it waited long enough", c.hear(), "RDS 9: hansa-egress@4")
}

func TestWhatAllStreamsSubscribeToIsBounded(t *testing.T) {
	s := newStore()
	s.subscriptions = maxSubscriptions - 1
	c := newDeltaTalk(t, s)
	c.add(assignmentKind, "web")
	if _, err := s.subscribe(newMailbox(func() {}), wanting("web")); err == nil {
		t.Error("one more was taken")
	}
	s.leave(c.mailbox, c.session.end())
	if s.subscriptions != maxSubscriptions-1 || len(s.every()) != 0 {
		t.Errorf("%d subscriptions and %d entries are left", s.subscriptions, len(s.every()))
	}
}

// Whoever comes back has the assignment of the cluster before, which is not what Envoy waits for when the cluster changed.
func TestAnAssignmentFollowsAClusterThatChangedMeanwhile(t *testing.T) {
	s := newStore()
	s.apply(at(clusterKind, "web", "2"))
	s.apply(at(clusterKind, "api", "1"))
	s.apply(at(assignmentKind, "web", "1"))
	s.apply(at(assignmentKind, "api", "1"))
	has := map[string]string{"web": "1", "api": "1"}
	c := newDeltaTalk(t, s)
	c.want("one changed", c.request(request{kind: clusterKind, has: has}), "CDS 1: web@2")
	c.want("its assignment too", c.request(request{kind: assignmentKind, has: has, subscribe: []string{"web", "api"}}), "EDS 2: web@1")
}

func TestNamesThatAreDroppedUnreadAreBounded(t *testing.T) {
	s := newStore()
	box := newMailbox(func() {})
	names := make([]string, maxNames/4)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	var err error
	for round := 0; err == nil && round < 20; round++ {
		in := wanting(names...)
		if _, err = s.subscribe(box, in); err == nil {
			_, err = s.subscribe(box, interest{kind: assignmentKind, drop: in.add})
		}
	}
	if status.Code(err) != codes.ResourceExhausted || len(box.changed) > 2*maxNames {
		t.Errorf("%d names are held: %v", len(box.changed), err)
	}
}

// The version is of all that a client has, however it came to it: so two clients are told apart from one another by nothing else.
func TestTheSameAtClientsHasTheSameVersion(t *testing.T) {
	s := newStore()
	s.apply(at(clusterKind, "web", "1"))
	s.apply(at(clusterKind, "api", "1"))
	version := func(c *talk, acked string) (sent, took string) {
		t.Helper()
		c.ack(clusterKind, acked)
		of := &c.session.types[clusterKind]
		return of.state.version(), of.acked.version()
	}
	first, late, back := newDeltaTalk(t, s), newDeltaTalk(t, s), newDeltaTalk(t, s)
	if sent, took := version(first, ""); sent == "0" || took != "0" {
		t.Errorf("told, and not answered: %s, %s", sent, took)
	}
	s.apply(at(clusterKind, "web", "2"))
	version(first, "1")
	sent, took := version(first, "2")
	back.want("it has all", back.request(request{kind: clusterKind, has: map[string]string{"web": "2", "api": "1"}}), "CDS 1:")
	late.request(request{kind: clusterKind})
	for name, c := range map[string]*talk{"late": late, "back": back} {
		if s, a := version(c, "1"); s != sent || a != sent || took != sent {
			t.Errorf("%s: %s, %s acknowledged; the first one: %s, %s", name, s, a, sent, took)
		}
	}
	s.apply(at(clusterKind, "web", ""))
	s.apply(at(clusterKind, "api", ""))
	first.hear()
	if sent, _ := version(first, "3"); sent != "0" {
		t.Errorf("without anything: %s, want 0", sent)
	}
}
