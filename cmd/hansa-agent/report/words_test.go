package report

import (
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

func TestSpansAreShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                               "0s",
		400 * time.Millisecond:          "0s",
		42*time.Second + 499*1e6:        "42s",
		60 * time.Second:                "1m",
		70 * time.Second:                "1m10s",
		10 * time.Minute:                "10m",
		time.Hour:                       "1h",
		time.Hour + time.Second:         "1h0m1s",
		100*time.Hour + 5*time.Minute:   "100h5m",
		20*time.Hour + 30*time.Second:   "20h0m30s",
		10*time.Hour + 10*time.Minute*1: "10h10m",
	} {
		if got := span(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

func TestNamesOfManyClustersAreCut(t *testing.T) {
	list := []federation.ClusterID{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	for n, want := range map[int]string{
		0: "", 1: "a", 2: "a and b", 3: "a, b and c", 8: "a, b, c, d, e, f, g and h", 10: "a, b, c, d, e, f, g, h and 2 more",
	} {
		if got := those(list[:n]); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestLagCountsChanges(t *testing.T) {
	v := func(term, seq uint64) federation.Version { return federation.Version{Term: term, Seq: seq} }
	for _, c := range []struct {
		held, latest federation.Version
		want         uint64
	}{
		{v(1, 5), v(1, 5), 0}, {v(1, 5), v(1, 4), 0}, {v(2, 1), v(1, 9), 0},
		{v(1, 5), v(1, 9), 4}, {v(1, 5), v(2, 3), 3}, {v(1, 5), v(2, 0), 1}, {v(0, 0), v(1, 7), 7},
	} {
		if got := Lag(c.held, c.latest); got != c.want {
			t.Errorf("%s behind %s is %d, want %d", c.held, c.latest, got, c.want)
		}
	}
}

func TestExitStatus(t *testing.T) {
	for v, want := range map[Verdict]int{Good: 0, Degraded: 1, Failed: 2, "": 2, "new": 2} {
		if got := v.ExitStatus(); got != want {
			t.Errorf("%q: %d, want %d", v, got, want)
		}
	}
}

// A certificate is no matter until it should have been renewed, and is not; nor is one that is not told of.
func TestCertificatesAreJudgedByTheirLife(t *testing.T) {
	life := func(fault string) *Certificate {
		return &Certificate{Since: epoch, Until: epoch.AddDate(0, 0, 100), Fault: fault}
	}
	for _, c := range []struct {
		about   string
		cert    *Certificate
		day     int
		verdict Verdict
		problem string
	}{
		{"none", nil, 0, Good, ""},
		{"new", life(""), 1, Good, ""},
		{"beyond half", life(""), 74, Good, ""},
		{"a fault", life("no member with the CA answers"), 60, Degraded, "this cluster's certificate is not renewed: no member with the CA answers"},
		{"old", life(""), 76, Degraded, "this cluster's certificate expires at 2026-04-12T12:00:00Z, and was not renewed"},
		{"old, and why", life("no CA"), 76, Degraded, "this cluster's certificate expires at 2026-04-12T12:00:00Z, and was not renewed: no CA"},
		{"expired", life("no CA"), 100, Failed, "this cluster's certificate expired at 2026-04-12T12:00:00Z, and no other cluster lets it in: no CA"},
	} {
		if v, problem := c.cert.judge(epoch.AddDate(0, 0, c.day)); v != c.verdict || problem != c.problem {
			t.Errorf("%s: %s %q, want %s %q", c.about, v, problem, c.verdict, c.problem)
		}
	}
}

// What is wrong with the certificate is a problem of the status.
func TestStatusTellsOfTheCertificate(t *testing.T) {
	scene := still(t)
	scene.Agent.Certificate = &Certificate{Since: epoch.AddDate(-1, 0, 0), Until: epoch}
	if s := scene.Status(); s.Verdict != Failed || len(s.Problems) == 0 || !strings.HasPrefix(s.Problems[0], "this cluster's certificate expired") {
		t.Errorf("%s: %q", s.Verdict, s.Problems)
	}
}
