package integration

import (
	"context"
	"flag"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// inline runs a script in the test that it is given, rather than in one of its own.
type inline struct{ *testing.T }

func (t inline) Parallel()                              {}
func (t inline) Run(_ string, run func(t testscript.T)) { run(t) }

// Verbose reports whether somebody asked for every command: go test -json, which implies -v, does not.
func (t inline) Verbose() bool { return flag.Lookup("test.v").Value.String() == "true" }

// scene is one script that is played.
type scene struct {
	*stage
	t      *testing.T
	ts     *testscript.TestScript // of the command that runs
	above  string                 // what is still to be printed above what that prints
	ns     string
	saved  map[string]string // what was saved, by variable
	away   map[*site]bool    // where the agent is stopped
	told   map[*site]bool    // where it was told something besides
	asked  map[*site]bool    // where the agents' own ConfigMap was to ask for something
	beyond []made            // made outside of any namespace
	left   bool              // what it did was taken back
}

// made is an object that a script made.
type made struct {
	at  *site
	ref ref
}

// enter makes the namespaces.
func (s *scene) enter(clusters []string) {
	s.t.Helper()
	if len(clusters) == 0 {
		clusters = s.names()
	}
	for _, name := range slices.DeleteFunc(clusters, func(c string) bool { return c == "none" }) {
		at, err := s.site(name)
		if err == nil {
			err = at.createNamespace(s.t.Context(), s.ns)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// setup gives the script its variables.
func (s *scene) setup(env *testscript.Env) error {
	env.Setenv("NS", s.ns)
	env.Setenv("ALL", strings.Join(s.names(), ","))
	return nil
}

// leave takes back what the script did, and does not wait for it.
func (s *scene) leave() {
	s.t.Helper()
	if s.left {
		return
	}
	s.left = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), patience)
	defer cancel()
	for at := range s.asked { // a script that failed may have left a brake pulled
		if err := s.askNothing(ctx, at); err != nil {
			s.t.Error(err)
		}
	}
	for at := range s.told {
		usual := len(at.Arguments) == 0
		at.Arguments = nil
		if s.away[at] || usual {
			continue
		}
		if err := at.RestartAgent(ctx); err != nil {
			s.t.Error(err)
		}
	}
	for at := range s.away {
		if err := at.StartAgent(ctx); err != nil {
			s.t.Error(err)
		}
	}
	for _, m := range s.beyond {
		if err := m.at.remove(ctx, m.ref); err != nil {
			s.t.Error(err)
		}
	}
	for _, at := range s.sites {
		if err := at.remove(ctx, at.namespace(s.ns)); err != nil {
			s.t.Error(err)
		}
	}
}

// clear leaves, if the script failed before it could, and waits until all that it made is gone.
func (s *scene) clear() {
	s.leave()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), patience)
	defer cancel()
	for _, at := range s.sites {
		s.beyond = append(s.beyond, made{at, at.namespace(s.ns)})
	}
	for _, m := range s.beyond {
		if err := m.at.awaitGone(ctx, m.ref); err != nil {
			s.t.Errorf("after the script: %v", err)
		}
	}
}
