package report

import (
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream"
)

// What stories do not tell: what lasts for a moment, or needs other times than the usual ones.
func TestWordsOnHearing(t *testing.T) {
	usual := federation.DefaultPatience
	never := federation.Patience{Demote: time.Second}
	heard := func(h hearing) hearing { h.now, h.heard = epoch.Add(42*time.Second), epoch; return h }
	const silent = "the cluster was not heard for 42s; "
	for _, c := range []struct {
		about           string
		h               hearing
		settled         federation.Fate
		outlook, served string
	}{
		{"well", heard(hearing{alive: true, patience: usual}), federation.Served, "", ""},
		{"heard since the View", heard(hearing{alive: true, patience: usual}), federation.Demoted, "", "the cluster is heard again just now"},
		{"demoted, and never withdrawn", heard(hearing{patience: never, fate: federation.Demoted}), federation.Demoted,
			"its endpoints come behind those of other clusters (demoted after 3s)", silent + "its endpoints come behind those of other clusters (demoted after 3s)"},
		{"unsteady, and silent just now", heard(hearing{patience: federation.Patience{Demote: time.Minute, Withdraw: time.Hour}, fate: federation.Demoted, unsteady: true}), federation.Demoted,
			"its endpoints come behind those of other clusters until it was heard for a while without a break; they are withdrawn after 1h",
			silent + "its endpoints come behind those of other clusters until it was heard for a while without a break"},
		{"unsteady, and silent for long", heard(hearing{patience: usual, fate: federation.Demoted, unsteady: true}), federation.Demoted,
			"its endpoints come behind those of other clusters (demoted after 30s); they are withdrawn after 10m",
			silent + "its endpoints come behind those of other clusters (demoted after 30s)"},
		{"heard, without a stream", heard(hearing{alive: true, streams: true, patience: usual}), federation.Served,
			"its endpoints are served as last known; they are demoted after 30s and withdrawn after 10m",
			"the cluster was heard 42s ago, and there is no stream with it; its endpoints are served as last known"},
		{"left", heard(hearing{left: true, fate: federation.Withdrawn, patience: usual}), federation.Withdrawn, "", silent + "its endpoints are not served (withdrawn after 10m)"},
		{"our own", hearing{self: true, alive: true}, federation.Served, "", ""},
	} {
		if got := c.h.outlook(); got != c.outlook {
			t.Errorf("%s: outlook %q, want %q", c.about, got, c.outlook)
		}
		if got := c.h.served(c.settled); got != c.served {
			t.Errorf("%s: served %q, want %q", c.about, got, c.served)
		}
	}
}

// The newest stream to a cluster counts, and none that a standby has to us.
func TestWhichStreamCounts(t *testing.T) {
	s := Scene{Streams: []stream.Up{
		{Peer: "west", Since: epoch}, {Peer: "west", Since: epoch.Add(2)}, {Peer: "west", Since: epoch.Add(1)},
		{Peer: "east", Since: epoch, Role: stream.Standby},
	}}
	if up := s.stream("west"); up == nil || !up.Since.Equal(epoch.Add(2)) {
		t.Errorf("to west: %+v", up)
	}
	if up := s.stream("east"); up != nil {
		t.Errorf("to our own leader: %+v", up)
	}
}

// An address that several clusters have is ours first, then the lower cluster ID's, in whatever order they come.
func TestWhoseAnAddressIs(t *testing.T) {
	d := &dossier{inquiry: &inquiry{Scene: &Scene{Store: federation.NewStore("east")}}}
	order := []federation.ClusterID{"east", "alpha", "north"}
	for i, a := range order {
		for j, b := range order {
			if got := d.goesFirst(a, b); got != (i < j) {
				t.Errorf("%s goes before %s: %t", a, b, got)
			}
		}
	}
}
