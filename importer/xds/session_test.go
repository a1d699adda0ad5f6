package xds

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// talk is a session with its mailbox and store: what a stream's handler does, without the stream.
type talk struct {
	t       *testing.T
	store   *store
	mailbox *mailbox
	session *session
}

func newTalk(t *testing.T, s *store) *talk {
	return &talk{t: t, store: s, mailbox: newMailbox(func() {}), session: newSession(false, counting())}
}

// counting returns nonces that tests can name.
func counting() func() string {
	n := 0
	return func() string {
		n++
		return strconv.Itoa(n)
	}
}

// ask sends a request, and returns what comes back.
func (c *talk) ask(k kind, nonce string, names ...string) []string {
	c.t.Helper()
	return c.request(request{kind: k, nonce: nonce, names: names})
}

func (c *talk) request(r request) []string {
	c.t.Helper()
	c.tell(r)
	return c.hear()
}

func (c *talk) tell(r request) {
	c.t.Helper()
	c.session.acknowledge(r)
	in, err := c.session.subscribe(r)
	if err == nil {
		_, err = c.store.subscribe(c.mailbox, in)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.update()
}

// update takes what changed, as it is told a client that does not say what it is.
func (c *talk) update() {
	for _, change := range c.store.take(nil, c.mailbox) {
		k, r := change.key, change.now
		var b *body
		if r != nil {
			var err error
			if b, err = r.encode(Audience{}); err != nil {
				c.t.Fatal(err)
			}
		}
		c.session.update(k, b)
	}
}

// hear returns what is sent now: "type nonce: names at versions".
func (c *talk) hear() []string {
	c.update()
	var lines []string
	for r := c.session.next(); r != nil; r = c.session.next() {
		var bodies []string
		for _, b := range r.bodies {
			bodies = append(bodies, string(b.value()))
		}
		for _, name := range r.removed {
			bodies = append(bodies, "no "+name)
		}
		lines = append(lines, fmt.Sprintf("%s %s:%s", [kinds]string{"CDS", "EDS", "LDS", "RDS"}[r.kind], r.nonce, strings.Join(append([]string{""}, bodies...), " ")))
	}
	return lines
}

func (c *talk) want(what string, got []string, want ...string) {
	c.t.Helper()
	for i := range got {
		got[i] = strings.ReplaceAll(got[i], nobody("web"), "web@empty")
	}
	if !slices.Equal(got, want) {
		c.t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// at is the resource name@version; a version of "" is none.
func at(k kind, name, version string) map[key]*resource {
	if version == "" {
		return map[key]*resource{{k, name}: nil}
	}
	return map[key]*resource{{k, name}: newResource(text{name, version})}
}

// wanting is the interest of a session in assignments.
func wanting(names ...string) interest {
	in := interest{kind: assignmentKind}
	for _, name := range names {
		in.add = append(in.add, &item{name: name})
	}
	return in
}

// every returns all entries of a store.
func (s *store) every() map[key]*entry {
	all := map[key]*entry{}
	for k := range s.entries {
		for name, e := range s.entries[k] {
			all[key{kind(k), name}] = e
		}
	}
	return all
}

// text is a content that all are told as name@version.
type text struct{ name, version string }

func (c text) equal(o content) bool { return o == c }

func (c text) narrow(Audience) Audience { return Audience{} }

func (c text) encode(Audience) (*body, error) {
	return newBody(c.name, c.version, []byte(c.name+"@"+c.version)), nil
}

// nobody is the assignment of a cluster without endpoints.
func nobody(name string) string {
	b, _ := emptied(name).encode(Audience{})
	return string(b.value())
}

// service is all resources of a service in one step.
func service(name, version string) map[key]*resource {
	all := map[key]*resource{}
	for _, k := range []kind{clusterKind, assignmentKind, listenerKind} {
		maps.Copy(all, at(k, name, version))
	}
	return all
}

func TestTheFirstRequestOfATypeIsAlwaysAnswered(t *testing.T) {
	for k := range kinds {
		c := newTalk(t, newStore())
		got := c.request(request{kind: k, names: []string{"web"}, nonce: "from before"})
		if len(got) != 1 {
			t.Errorf("%s: %q, want one answer although nothing exists", typeURLs[k], got)
		}
	}
}

func TestWhatIsNotAcknowledgedConflates(t *testing.T) {
	s := newStore()
	s.apply(at(assignmentKind, "web", "1"))
	c := newTalk(t, s)
	c.want("subscribed", c.ask(assignmentKind, "", "web", "api"), "EDS 1: web@1")
	for _, v := range []string{"2", "3", "4"} {
		s.apply(at(assignmentKind, "web", v))
		c.want("on its way", c.hear())
	}
	s.apply(at(assignmentKind, "api", "1"))
	c.want("older nonce", c.ask(assignmentKind, "0", "web", "api"))
	c.want("acknowledged", c.ask(assignmentKind, "1", "web", "api"), "EDS 2: api@1 web@4")
	s.apply(at(assignmentKind, "web", "5"))
	s.apply(at(assignmentKind, "web", "4"))
	c.want("back to what was sent", c.ask(assignmentKind, "2", "web", "api"))
}

func TestWhatWasRefusedIsSentAgainOnlyWhenItChanges(t *testing.T) {
	s := newStore()
	s.apply(at(assignmentKind, "web", "1"))
	c := newTalk(t, s)
	c.ask(assignmentKind, "", "web")
	nack := request{kind: assignmentKind, nonce: "1", names: []string{"web"}, refused: true}
	if !c.session.acknowledge(nack) || c.session.acknowledge(nack) {
		t.Error("want one refusal of one response")
	}
	c.want("refused", c.request(nack))
	s.apply(at(assignmentKind, "web", "2"))
	c.want("changed", c.hear(), "EDS 2: web@2")
}

func TestAServiceComesFromItsClusterAndGoesFromItsListener(t *testing.T) {
	s := newStore()
	c := newTalk(t, s)
	c.want("wildcard", c.ask(clusterKind, ""), "CDS 1:")
	c.want("wildcard", c.ask(listenerKind, ""), "LDS 2:")
	c.want("by name", c.ask(assignmentKind, "", "web"), "EDS 3:")
	c.ask(clusterKind, "1")
	c.ask(listenerKind, "2")
	s.apply(service("web", "1"))
	c.want("came, while assignments are on their way", c.hear(), "CDS 4: web@1")
	c.want("acknowledged", c.ask(assignmentKind, "3", "web"), "EDS 5: web@1", "LDS 6: web@1")
	c.ask(clusterKind, "4")
	c.ask(assignmentKind, "5", "web")
	s.apply(service("web", ""))
	c.want("went, while listeners are on their way", c.hear())
	c.want("acknowledged", c.ask(listenerKind, "6"), "LDS 7:", "EDS 8: web@empty", "CDS 9:")
}

// A service without endpoints has the same assignment as one that went; that is no reason to send its listener first.
func TestAServiceComesBackInOrderWithoutEndpoints(t *testing.T) {
	s := newStore()
	s.apply(service("web", "1"))
	c := newTalk(t, s)
	c.ask(clusterKind, "")
	c.ask(listenerKind, "")
	c.want("there", c.ask(assignmentKind, "", "web"), "EDS 3: web@1")
	c.ask(clusterKind, "1")
	c.ask(listenerKind, "2")
	c.ask(assignmentKind, "3", "web")
	s.apply(service("web", ""))
	c.want("went", c.hear(), "LDS 4:", "EDS 5: web@empty", "CDS 6:")
	c.ask(listenerKind, "4")
	c.ask(assignmentKind, "5", "web")
	c.ask(clusterKind, "6")
	back := service("web", "1")
	back[key{assignmentKind, "web"}] = newResource(&assignment{name: "web", wish: &unsaid})
	s.apply(back)
	c.want("came back", c.hear(), "CDS 7: web@1", "EDS 8: web@empty", "LDS 9: web@1")
}

func TestAClusterThatGoesStaysUntilTheListenersAreMoved(t *testing.T) {
	s := newStore()
	s.apply(service("web", "1"))
	c := newTalk(t, s)
	c.ask(clusterKind, "")
	c.ask(clusterKind, "1")
	c.ask(listenerKind, "")
	c.ask(listenerKind, "2")
	step := service("web", "")
	maps.Copy(step, service("api", "1"))
	s.apply(step)
	c.want("one for another", c.hear(), "CDS 3: api@1 web@1", "LDS 4: api@1")
	c.want("acknowledged", c.ask(clusterKind, "3"), "CDS 5: api@1")
}

func TestAnAssignmentFollowsItsClusterAgain(t *testing.T) {
	s := newStore()
	s.apply(service("web", "1"))
	c := newTalk(t, s)
	c.ask(clusterKind, "", "web")
	c.ask(clusterKind, "1", "web")
	c.ask(assignmentKind, "", "web")
	c.ask(assignmentKind, "2", "web")
	s.apply(at(clusterKind, "web", "2"))
	c.want("cluster changed", c.hear(), "CDS 3: web@2", "EDS 4: web@1")
}

func TestWhatIsSubscribedAgainIsSentAgain(t *testing.T) {
	s := newStore()
	s.apply(at(assignmentKind, "web", "1"))
	s.apply(at(assignmentKind, "api", "1"))
	c := newTalk(t, s)
	c.want("both", c.ask(assignmentKind, "", "web", "api"), "EDS 1: api@1 web@1")
	c.want("one dropped", c.ask(assignmentKind, "1", "api"))
	s.apply(at(assignmentKind, "web", "2"))
	c.want("no business of ours", c.hear())
	c.want("there again", c.ask(assignmentKind, "1", "web", "api"), "EDS 2: web@2")
}

func TestWhatWasDroppedMeanwhileIsNotSent(t *testing.T) {
	s := newStore()
	s.apply(at(assignmentKind, "web", "1"))
	c := newTalk(t, s)
	c.ask(assignmentKind, "", "web", "api")
	s.apply(at(assignmentKind, "web", "2"))
	c.want("on its way", c.hear())
	c.want("dropped", c.ask(assignmentKind, "", "api"))
	c.want("acknowledged", c.ask(assignmentKind, "1", "api"))
}

func TestNoNamesMeanAllOnlyBeforeAnyName(t *testing.T) {
	s := newStore()
	s.apply(at(listenerKind, "web", "1"))
	c := newTalk(t, s)
	c.want("named", c.ask(listenerKind, "", "api"), "LDS 1:")
	c.want("nothing wanted any more", c.ask(listenerKind, "1"))
	c.want("everything, by its name", c.ask(listenerKind, "1", "*"), "LDS 2: web@1")
	s.apply(at(listenerKind, "api", "1"))
	c.want("new one", c.ask(listenerKind, "2", "*"), "LDS 3: api@1 web@1")
	c.want("one of them", c.ask(listenerKind, "3", "web"))
	s.apply(at(listenerKind, "api", "2"))
	c.want("not wanted", c.hear())
	s.apply(at(listenerKind, "web", ""))
	c.want("gone", c.hear(), "LDS 4:")
}

func TestLargeAssignmentsAreSpreadOverResponses(t *testing.T) {
	s := newStore()
	large := strings.Repeat("x", maxResponse/2)
	for _, name := range []string{"a", "b", "c"} {
		s.apply(at(assignmentKind, name, large))
	}
	c := newTalk(t, s)
	var sizes []int
	for nonce, names := "", []string{"a", "b", "c"}; ; {
		got := c.ask(assignmentKind, nonce, names...)
		if len(got) == 0 {
			break
		}
		sizes = append(sizes, strings.Count(got[0], "@"))
		nonce = c.session.types[assignmentKind].nonce
	}
	if !slices.Equal(sizes, []int{1, 1, 1}) {
		t.Errorf("assignments by response: %v, want one in each", sizes)
	}
}

func TestWhatOneStreamMaySubscribeToIsBounded(t *testing.T) {
	names := make([]string, maxNames)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	longest := strings.Repeat("n", maxNameLength)
	tests := map[string]struct {
		kind  kind
		names []string
		want  codes.Code
	}{
		"as many as allowed":       {clusterKind, names, codes.OK},
		"one more":                 {clusterKind, append(slices.Clone(names), "one more"), codes.ResourceExhausted},
		"one more of another type": {listenerKind, []string{"one more"}, codes.ResourceExhausted},
		"as long as allowed":       {clusterKind, []string{longest}, codes.OK},
		"longer":                   {clusterKind, []string{longest + "n"}, codes.InvalidArgument},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSession(false, counting())
			if tt.kind != clusterKind {
				if _, err := s.subscribe(request{kind: clusterKind, names: names}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.subscribe(request{kind: tt.kind, names: tt.names}); status.Code(err) != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
