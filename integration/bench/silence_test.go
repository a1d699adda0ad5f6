package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// sounding opens a door that shows something after each of these times, then fails with end, or shows nothing more if it is nil.
func sounding(t *testing.T, end error, after ...time.Duration) *door[string] {
	t.Helper()
	closed := make(chan struct{})
	next := func() (string, error) {
		if len(after) > 0 {
			select {
			case <-time.After(after[0]):
				after = after[1:]
				return "a sound", nil
			case <-closed:
				return "", errors.New("closed")
			}
		}
		if end == nil {
			<-closed
		}
		return "", end
	}
	d := open("a door", next, func() { close(closed) })
	t.Cleanup(d.close)
	return d
}

func TestSilenceBeginsWithTheLastSoundOfAnyDoor(t *testing.T) {
	for _, c := range []struct {
		name        string
		first, last []time.Duration // sounds of two doors
		want        time.Duration
	}{
		{"no sound at all", nil, nil, 5 * time.Second},
		{"one of each, less apart than the silence", []time.Duration{4 * time.Second}, []time.Duration{8 * time.Second}, 13 * time.Second},
		{"one comes when it is over", nil, []time.Duration{6 * time.Second}, 5 * time.Second},
		{"several of one", []time.Duration{4 * time.Second, 4 * time.Second, 4 * time.Second}, nil, 17 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				err := silent(t.Context(), 5*time.Second, sounding(t, nil, c.first...), sounding(t, nil, c.last...))
				if took := time.Since(began); err != nil || took != c.want {
					t.Errorf("silent after %s (%v), want %s", took, err, c.want)
				}
			})
		})
	}
}

func TestADoorThatFailsIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		if err := silent(t.Context(), time.Second, sounding(t, nil), sounding(t, broken, time.Millisecond)); !errors.Is(err, broken) {
			t.Errorf("err = %v, want %v", err, broken)
		}
	})
}

func TestSilenceIsNotAwaitedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := errors.New("late")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, late)
		defer cancel()
		if err := silent(ctx, time.Minute, sounding(t, nil)); !errors.Is(err, late) {
			t.Errorf("err = %v, want %v", err, late)
		}
	})
}

func TestValueIsOfTheWholeSeries(t *testing.T) {
	const text = `# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total_other 7
process_cpu_seconds_total 12.34
broken many
`
	for _, c := range []struct {
		series string
		value  float64
		there  bool
	}{{"process_cpu_seconds_total", 12.34, true}, {"process_cpu_seconds", 0, false}, {"absent", 0, false}} {
		if value, there, err := valueOf(text, c.series); value != c.value || there != c.there || err != nil {
			t.Errorf("%s: %g, %t (%v), want %g, %t", c.series, value, there, err, c.value, c.there)
		}
	}
	if _, _, err := valueOf(text, "broken"); err == nil || !strings.HasPrefix(err.Error(), "broken many: ") {
		t.Errorf("what is no number is read as one (%v)", err)
	}
}
