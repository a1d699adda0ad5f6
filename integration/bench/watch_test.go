package main

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

func event(what watch.EventType, name, ip string) watch.Event {
	return watch.Event{Type: what, Object: &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{ClusterIP: ip},
	}}
}

func TestShowingWantsOneObjectThatIsThere(t *testing.T) {
	want := showing("a", isAllocated)
	for _, c := range []struct {
		name  string
		event watch.Event
		shown bool
	}{
		{"as wanted from the first", event(watch.Added, "a", "10.0.0.1"), true},
		{"as wanted at last", event(watch.Modified, "a", "10.0.0.1"), true},
		{"not as wanted", event(watch.Added, "a", ""), false},
		{"gone", event(watch.Deleted, "a", "10.0.0.1"), false},
		{"another", event(watch.Added, "b", "10.0.0.1"), false},
		{"of another kind", watch.Event{Type: watch.Added, Object: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a"}}}, false},
	} {
		if got := want(c.event); got != c.shown {
			t.Errorf("%s: %v, want %v", c.name, got, c.shown)
		}
	}
}

func TestCountingWantsAllAtTheSameTime(t *testing.T) {
	want := counting(2, isAllocated)
	for i, c := range []struct {
		event watch.Event
		all   bool
	}{
		{event(watch.Added, "a", "10.0.0.1"), false},
		{event(watch.Modified, "a", "10.0.0.1"), false}, // the same one
		{event(watch.Added, "b", ""), false},
		{event(watch.Deleted, "a", "10.0.0.1"), false},
		{event(watch.Modified, "b", "10.0.0.2"), false},
		{event(watch.Added, "c", "10.0.0.3"), true},
		{event(watch.Modified, "c", ""), false}, // no longer as wanted
	} {
		if got := want(c.event); got != c.all {
			t.Errorf("event %d: %v, want %v", i+1, got, c.all)
		}
	}
}

func TestCountingToZeroWaitsForWhatIsThere(t *testing.T) {
	want := counting(0, isAllocated)
	for i, e := range []watch.Event{
		event(watch.Added, "a", "10.0.0.1"), event(watch.Added, "b", "10.0.0.2"), event(watch.Deleted, "b", "10.0.0.2"),
	} {
		if want(e) {
			t.Errorf("none is left at event %d", i+1)
		}
	}
	if !want(event(watch.Deleted, "a", "10.0.0.1")) {
		t.Error("one is left when all went")
	}
}

func TestADoorForgetsWhatWasShownBefore(t *testing.T) {
	shown := make(chan int, 4)
	for _, n := range []int{1, 2, 3, 2} {
		shown <- n
	}
	close(shown)
	d := open("a door", func() (int, error) {
		n, ok := <-shown
		if !ok {
			return 0, errors.New("it fell shut")
		}
		return n, nil
	}, func() {})
	defer d.close()
	is := func(want int) func(int) bool { return func(n int) bool { return n == want } }
	third, err := d.await(t.Context(), "3", is(3))
	if err != nil {
		t.Fatal(err)
	}
	fourth, err := d.await(t.Context(), "2", is(2)) // the one after 3
	if err != nil || fourth.Before(third) {
		t.Errorf("2 was shown at %v (%v), which is before 3", fourth, err)
	}
	if at, err := d.await(t.Context(), "1", is(1)); err == nil {
		t.Errorf("1 was shown again at %v, want that the door failed", at)
	}
}
