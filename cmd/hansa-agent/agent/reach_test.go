package agent

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAnAPIServerOutOfReachIsTold(t *testing.T) {
	refused := errors.New("connection refused")
	const cannot = "level=WARN msg=\"cannot reach the API server; trying for ever\" error=\"connection refused\"\n"
	log, out := logging(slog.LevelInfo)
	r := &reach{log: log}
	began := time.Unix(1000, 0)
	for _, step := range []struct {
		at   time.Duration
		err  error
		want string
	}{
		{0, nil, ""},
		{1 * time.Second, refused, ""},
		{2 * time.Second, nil, ""}, // soon back, and not told
		{10 * time.Second, refused, ""},
		{12 * time.Second, refused, ""},
		{13 * time.Second, refused, cannot},
		{72 * time.Second, refused, ""},
		{73 * time.Second, refused, cannot},
		{80 * time.Second, nil, "level=INFO msg=\"the API server answers again\" after=1m10s\n"},
		{81 * time.Second, nil, ""},
		{82 * time.Second, refused, ""},
		{85 * time.Second, refused, cannot},
	} {
		out.Reset()
		if r.heard(step.err, began.Add(step.at), began.Add(step.at)); out.String() != step.want {
			t.Errorf("at %s: logged %q, want %q", step.at, out, step.want)
		}
	}
}

func TestAnAPIServerThatHangsIsOutOfReachSinceItWasAsked(t *testing.T) {
	timeout := errors.New("timeout")
	at := func(seconds int) time.Time { return time.Unix(int64(1000+seconds), 0) }
	for what, test := range map[string]struct {
		before func(r *reach)
		want   string
	}{
		"the first that fails was sent before": {func(*reach) {}, "after=1m30s"},
		"others were given up earlier":         {func(r *reach) { r.gaveUp(at(4)); r.gaveUp(at(6)) }, "after=1m36s"},
		"what was given up before an answer":   {func(r *reach) { r.gaveUp(at(4)); r.heard(nil, at(8), at(8)) }, "after=1m30s"},
		"an answer came meanwhile":             {func(r *reach) { r.heard(nil, at(20), at(20)) }, "after=1m20s"},
	} {
		log, out := logging(slog.LevelInfo)
		r := &reach{log: log}
		test.before(r)
		r.heard(timeout, at(10), at(40))
		r.heard(timeout, at(40), at(70))
		if r.heard(nil, at(99), at(100)); !strings.HasSuffix(out.String(), test.want+"\n") {
			t.Errorf("%s: logged %q, want %s", what, out, test.want)
		}
	}
}

type broken struct{}

func (broken) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("broken") }

func TestWhoGivesUpSaysNothingAboutTheAPIServer(t *testing.T) {
	log, _ := logging(slog.LevelInfo)
	r := &reach{log: log}
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://api.example", nil)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	way := r.wrap(broken{})
	if _, err := way.RoundTrip(request); err == nil || !r.since.IsZero() {
		t.Errorf("error %v; out of reach since %s, want that nothing is known", err, r.since)
	}
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	if _, err := way.RoundTrip(request.WithContext(late)); err == nil || !r.since.IsZero() || r.unanswered.IsZero() {
		t.Errorf("error %v; out of reach since %s, want that it is kept in mind", err, r.since)
	}
	if _, err := way.RoundTrip(request.WithContext(t.Context())); err == nil || r.since.IsZero() {
		t.Errorf("error %v, and nothing is known of it", err)
	}
}
