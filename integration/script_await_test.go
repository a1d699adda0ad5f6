package integration

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/hansa-mcs/hansa/integration/probe"
)

func (s *scene) await(at *site, args []string) error {
	r, err := s.one(at, args[0])
	if err != nil {
		return err
	}
	var all []expression
	for _, text := range args[1:] {
		e, err := parseExpression(text)
		if err != nil {
			return err
		}
		all = append(all, e)
	}
	ctx, cancel := s.patiently()
	defer cancel()
	last, err := at.await(ctx, r, func(o *unstructured.Unstructured) (bool, error) {
		return !slices.ContainsFunc(all, func(e expression) bool { return !e.holds(o) }), nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("awaiting %s %s: %w", r, strings.Join(args[1:], " "), err), whatIs(at, last))
	}
	return nil
}

// whatIs tells why waiting was in vain.
func whatIs(at *site, last *unstructured.Unstructured) error {
	if last == nil {
		return fmt.Errorf("there is none\n%s", tail(at.LogFile()))
	}
	text, err := showObjects([]unstructured.Unstructured{*last})
	return errors.Join(fmt.Errorf("there is\n%s\n%s", text, tail(at.LogFile())), err)
}

// tail returns the last lines of an agent's log.
func tail(file string) string {
	const most = 25
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "the agent's log ends\n" + strings.Join(lines[max(0, len(lines)-most):], "\n")
}

func (s *scene) gone(at *site, args []string) error {
	r, err := at.ref(s.ns, args[0])
	if err != nil {
		return err
	}
	ctx, cancel := s.patiently()
	defer cancel()
	if err := at.awaitGone(ctx, r, args[1:]...); err != nil {
		text, _ := s.found(at, args)
		return fmt.Errorf("%w\n%s\n%s", err, text, tail(at.LogFile()))
	}
	return nil
}

func (s *scene) event(at *site, args []string) error {
	about, err := s.one(at, args[0])
	if err != nil {
		return err
	}
	events, err := at.ref(s.ns, "events.events.k8s.io")
	if err != nil {
		return err
	}
	reason, text := args[1], strings.Join(args[2:], "")
	ctx, cancel := s.patiently()
	defer cancel()
	var others []string
	err = at.each(ctx, events, metav1.ListOptions{}, func(what watch.EventType, o *unstructured.Unstructured) (bool, error) {
		kind, _, _ := unstructured.NestedString(o.Object, "regarding", "kind")
		name, _, _ := unstructured.NestedString(o.Object, "regarding", "name")
		if what == watch.Deleted || kind != about.GroupVersionKind.Kind || name != about.name {
			return false, nil
		}
		why, _, _ := unstructured.NestedString(o.Object, "reason")
		note, _, _ := unstructured.NestedString(o.Object, "note")
		others = append(others, why+": "+note)
		return why == reason && strings.Contains(note, text), nil
	})
	if err != nil {
		return fmt.Errorf("awaiting an Event %s %q about %s: %w; there are\n%s\n%s", reason, text, about, err, strings.Join(others, "\n"), tail(at.LogFile()))
	}
	return nil
}

func (s *scene) dns(at *site, args []string) error {
	answer, err := probe.Query(s.t.Context(), at.DNS, args[0], args[1])
	if err != nil {
		return err
	}
	s.print(strings.Join(append([]string{answer.Rcode}, answer.Records...), "\n") + "\n")
	return nil
}
