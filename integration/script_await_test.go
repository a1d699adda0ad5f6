package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

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
	all, err := parseExpressions(args[1:])
	if err != nil {
		return err
	}
	ctx, cancel := s.patiently()
	defer cancel()
	last, err := at.await(ctx, r, func(o *unstructured.Unstructured) (bool, error) {
		return allHold(all, o), nil
	})
	if err != nil {
		return fmt.Errorf("awaiting %s: %w\n%s\n%s", strings.Join(append([]string{r.String()}, args[1:]...), " "), inWords(err), s.instead(at, r, all, last), tail(at.LogFile()))
	}
	return nil
}

// inWords says of an error that it was patience that ended, if it was.
func inWords(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("not within %s", patience)
	}
	return err
}

// instead tells what there is, if it is not what was awaited: the object as it was last, or, when it is nil,
// the others of its kind.
func (s *scene) instead(at *site, r ref, all []expression, last *unstructured.Unstructured) string {
	if last != nil {
		return mismatches(all, last)
	}
	wanted := r.name
	r.name = ""
	list, err := at.of(r).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		return fmt.Sprintf("there is no %s/%s; listing its kind: %v", r, wanted, err)
	}
	var others []string
	for _, o := range list.Items {
		others = append(others, o.GetName())
	}
	slices.Sort(others)
	return fmt.Sprintf("there is no %s/%s; those that there are: [%s]", r, wanted, strings.Join(others, " "))
}

// mismatches says what of an object is not as expected, and then all of it.
func mismatches(all []expression, o *unstructured.Unstructured) string {
	var b strings.Builder
	for _, e := range all {
		if !e.holds(o) {
			fmt.Fprintf(&b, "  want %s\n  have %s\n", e, e.found(o))
		}
	}
	text, err := showObjects([]unstructured.Unstructured{*o})
	if err != nil {
		return b.String() + err.Error()
	}
	return b.String() + "it was last\n" + text
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
		text, found := s.found(at, args)
		return errors.Join(fmt.Errorf("awaiting that there is no %s: %w; there is\n%s\n%s", strings.Join(args, " "), inWords(err), text, tail(at.LogFile())), found)
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
		others = append(others, why+": "+note+"\n")
		return why == reason && strings.Contains(note, text), nil
	})
	if err != nil {
		return fmt.Errorf("awaiting an Event %s %q about %s: %w; there are [\n%s]\n%s", reason, text, about, inWords(err), strings.Join(others, ""), tail(at.LogFile()))
	}
	return nil
}

// dns asks once and prints the answer, or, given one, asks until it is that: nothing tells when it would be.
func (s *scene) dns(at *site, args []string) error {
	ctx, cancel := s.patiently()
	defer cancel()
	want := strings.Join(args[2:], "\n")
	for {
		answer, err := probe.Query(ctx, at.DNS, args[0], args[1])
		if err != nil {
			return err
		}
		lines := append([]string{answer.Rcode}, answer.Records...)
		if want == "" {
			s.print(strings.Join(lines, "\n") + "\n")
			return nil
		}
		if strings.Join(lines, "\n") == want {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s %s is %s, want %s: %w", args[0], args[1], lines, args[2:], inWords(ctx.Err()))
		}
	}
}
