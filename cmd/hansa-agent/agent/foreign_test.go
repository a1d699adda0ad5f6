package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/election"
)

func TestAnAddressInUseIsNamedOnce(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	address := taken.Addr().String()
	_, err = net.Listen("tcp", address)
	err = blameAddress("listen", address, fmt.Errorf("open the port at %q: %w", address, err))
	if want := fmt.Sprintf("--listen %q: bind: address already in use", address); err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := blameAddress("listen", ":8443", errors.New("odd")); err.Error() != `--listen ":8443": odd` {
		t.Error(err)
	}
}

func TestATakeoverIsOneLine(t *testing.T) {
	now := time.Unix(1000, 0)
	for want, s := range map[string]election.Standing{
		"level=INFO msg=\"took the lead, and know of no leader before\" term=7\n":                  {Stint: 1},
		"level=INFO msg=\"took over the lead\" from=b/b.example:7946 not_heard_for=10.5s term=7\n": {Former: election.Identity{Name: "b", Address: "b.example:7946"}, FormerWrote: now.Add(-10500 * time.Millisecond)},
		"level=INFO msg=\"took over the lead\" from=b not_heard_for=0s term=7\n":                   {Former: election.Identity{Name: "b"}, FormerWrote: now.Add(time.Hour)}, // by its clock
	} {
		log, out := logging(slog.LevelInfo)
		if tellTakeover(log, s, 7, now); out.String() != want || strings.Count(want, "\n") != 1 {
			t.Errorf("logged %q, want %q", out, want)
		}
	}
}
