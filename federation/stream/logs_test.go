package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hansa-mcs/hansa/federation"
)

func TestTroubleIsToldLateAndThenEachMinute(t *testing.T) {
	began := time.Unix(1000, 0)
	without := trouble{since: began}
	for _, step := range []struct {
		after time.Duration
		want  slog.Level
	}{
		{0, slog.LevelDebug},
		{bearable - 1, slog.LevelDebug},
		{bearable, slog.LevelWarn},
		{bearable + time.Second, slog.LevelDebug},
		{bearable + tellAgain - 1, slog.LevelDebug},
		{bearable + tellAgain, slog.LevelWarn},
	} {
		if got := without.level(began.Add(step.after)); got != step.want {
			t.Errorf("after %s: level %s, want %s", step.after, got, step.want)
		}
	}
}

func TestReasonsAreWords(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{nil, "the connection ended"},
		{io.EOF, "the connection ended"},
		{context.Canceled, "the connection ended"},
		{status.Error(codes.Canceled, "context canceled"), "the connection ended"},
		{status.Error(codes.Unavailable, "no route to host"), "no route to host"},
		{fmt.Errorf("dialing: %w", errors.New("refused")), "dialing: refused"},
		{errUnknown, "the member is not at that address any more"},
	} {
		if got := reason(test.err); got != test.want {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
	}
}

// lines collects the lines of a log, and tells when one says that a stream is up or down.
type lines struct {
	mu       sync.Mutex
	all      []string
	up, down chan struct{}
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(line))
	for text, told := range map[string]chan struct{}{`msg="stream up"`: l.up, `msg="stream down"`: l.down} {
		if strings.Contains(string(line), text) {
			select {
			case told <- struct{}{}:
			default:
			}
		}
	}
	return len(line), nil
}

// says reports whether one line has all those parts.
func (l *lines) says(parts ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.all, func(line string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
	})
}

// A member that stops ends its streams, which is news for the other side alone.
func TestAStreamThatEndsIsToldWhereItWasNotMeant(t *testing.T) {
	for _, stops := range []string{"the dialer", "the listener"} {
		t.Run(stops, func(t *testing.T) {
			n := newNetwork()
			start := func(self federation.ClusterID, peers ...federation.ClusterID) (*member, *lines) {
				log := &lines{up: make(chan struct{}, 1), down: make(chan struct{}, 1)}
				n.log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				return n.start(t, self, peers...), log
			}
			stays, staysLog := start("east")
			ends, endsLog := start("west", "east")
			if stops == "the listener" {
				stays, staysLog, ends, endsLog = ends, endsLog, stays, staysLog
			}
			<-endsLog.up
			<-staysLog.up
			ends.stop()
			<-endsLog.down
			<-staysLog.down
			if !endsLog.says("level=DEBUG", `msg="stream down" peer=`+string(stays.store.Self())) {
				t.Errorf("who stopped says %q", endsLog.all)
			}
			if !staysLog.says("level=INFO", `msg="stream down" peer=`+string(ends.store.Self())) || staysLog.says("context canceled") {
				t.Errorf("who stays says %q", staysLog.all)
			}
		})
	}
}

// However long an attempt takes, a member that cannot be reached is told after a while, and then each minute.
func TestAMemberOutOfReachIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &lines{}
		x := New(Config{
			Store: federation.NewStore("east"),
			Dial: func(ctx context.Context, _ string, _ federation.ClusterID) (Conn, error) {
				select {
				case <-time.After(2 * backoffReset):
				case <-ctx.Done():
				}
				return nil, errors.New("no route to west")
			},
			Log: slog.New(slog.NewTextHandler(log, nil)),
		})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		x.keepDialing(ctx, Member{Cluster: "west", Address: "west.example:1"})
		synctest.Wait()
		if n := len(log.all); n != 3 || !log.says("level=WARN", `msg="no stream to a peer; trying for ever" peer=west address=west.example:1`, "no route to west") {
			t.Errorf("%d lines: %q", n, log.all)
		}
	})
}
