package tables

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// status is of a cluster with three others.
func status() *report.Status {
	return &report.Status{
		Cluster: "east", Clusterset: "acme", Verdict: report.Degraded, Problems: []string{"cluster north is unreachable"},
		Agent: report.Agent{Name: "east-0", Leads: true}, Exported: report.Exports{Version: "1.2", Services: 1, Endpoints: 2},
		Gates: []report.Gate{
			{Name: "MCSServiceDiscovery", On: true, Origin: "flag", Where: "--feature-gates"},
			{Name: "MCSHost", Origin: "environment", Where: "ENABLE_MCS_HOST", Since: noon},
			{Name: "MCSAutoExport", On: true, Origin: "configmap", Where: "ConfigMap a/b", Since: noon, Idle: "MCSServiceDiscovery is off"},
		},
		Frozen: new(noon),
		Peers: []report.Peer{
			{Cluster: "north", State: report.Unreachable, Others: report.OthersLost, Why: "it was not heard for 2m"},
			{Cluster: "south-west", State: report.Gone, Others: report.OthersUnknown},
			{Cluster: "wést", State: report.Alive, Others: report.OthersHear, Address: "w:1", HeardAgo: new(1.0), Behind: new(uint64(0)), Services: 12},
		},
	}
}

const plain = `Cluster east of clusterset acme: degraded
Agent   east-0 leads
Exports 1 service with 2 endpoints, version 1.2
Imports 0 services, 0 of them with conflicts
Frozen  since 2026-03-01T12:00:00Z: what is imported stays as it is
Gate    MCSHost is off since 2026-03-01T12:00:00Z, by environment ENABLE_MCS_HOST
Gate    MCSAutoExport is on, idle since 2026-03-01T12:00:00Z, by ConfigMap a/b
  ! cluster north is unreachable

CLUSTER     STATE        OTHERS   ADDRESS  HEARD  BEHIND  SERVICES  ENDPOINTS  WHY                      LAST ERROR
north       unreachable  lost     -        -      -       0         0          it was not heard for 2m  -
south-west  gone         unknown  -        -      -       0         0          -                        -
wést        alive        alive    w:1      1s     0       12        0          -                        -
`

func write(t *testing.T, s *report.Status, colour bool) string {
	t.Helper()
	var b bytes.Buffer
	var err error
	if colour {
		err = Status(InColour(&b), s, false)
	} else {
		err = Status(&b, s, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestColumnsAreAsWideAsTheirWidestCell(t *testing.T) {
	if got := write(t, status(), false); got != plain {
		t.Errorf("got\n%s\nwant\n%s", got, plain)
	}
}

// Colours are around words that say how something is, and nothing else is changed by them.
func TestColoursLeaveTheTextAsItIs(t *testing.T) {
	got := write(t, status(), true)
	for _, want := range []string{
		"acme: \x1b[33mdegraded\x1b[0m\n", "\x1b[31munreachable\x1b[0m  \x1b[33mlost\x1b[0m     -", "\x1b[2mgone\x1b[0m         unknown  -",
		"\x1b[32malive\x1b[0m        \x1b[32malive\x1b[0m    w:1",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%q", want, got)
		}
	}
	for _, escape := range []string{"\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[2m", "\x1b[0m"} {
		got = strings.ReplaceAll(got, escape, "")
	}
	if got != plain {
		t.Errorf("without colours\n%s\nwant\n%s", got, plain)
	}
}

// What another cluster says, such as why a stream ended, does nothing to a terminal, and a row stays one line.
func TestWhatOthersSayDoesNothingToATerminal(t *testing.T) {
	s := status()
	s.Problems[0] = "north says \x1b[2J\x1b]0;mine\x07"
	s.Peers[0].Why = "it says\r\n\u009b31m alive"
	got := write(t, s, true)
	if strings.ContainsAny(got, "\r\x07\u009b") || strings.Contains(got, "\x1b[2J") || strings.Count(got, "\n") != strings.Count(plain, "\n") {
		t.Errorf("%q", got)
	}
}

// A service that cannot be used is said so in red.
func TestTheSummaryHasTheColourOfItsVerdict(t *testing.T) {
	var b bytes.Buffer
	if err := Explain(InColour(&b), &report.Explanation{Verdict: report.Failed, Summary: "nobody exports it"}, false); err != nil || b.String() != "\x1b[31mnobody exports it\x1b[0m\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}
