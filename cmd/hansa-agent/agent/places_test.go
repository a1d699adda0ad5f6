package agent

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/federationtest"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
)

func TestWhoGetsAClusterID(t *testing.T) {
	store := federation.NewStore("east")
	if err := store.Meet("east", "uid-east"); err != nil {
		t.Fatal(err)
	}
	if err := store.Meet("west", "uid-west"); err != nil {
		t.Fatal(err)
	}
	store.Expect("dark") // a member of which no UID is known
	for _, cluster := range []federation.ClusterID{"left"} {
		if err := store.Meet(cluster, "uid-left"); err != nil {
			t.Fatal(err)
		}
		if err := federationtest.Say(store, cluster, federation.Version{Term: 1, Seq: 1}); err != nil {
			t.Fatal(err)
		}
		u := &federation.Update{Owner: cluster, From: federation.Version{Term: 1, Seq: 1}, To: federation.Version{Term: 1, Seq: 2}, Left: true}
		if _, err := store.Apply(u); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Unix(1e9, 0)
	p := newPlaces(store)
	p.now = func() time.Time { return now }
	for _, c := range []struct {
		cluster federation.ClusterID
		uid     string
		by      enroll.Proof
		after   time.Duration
		refused error
	}{
		{cluster: "east", uid: "another", refused: enroll.ErrTaken},
		{cluster: "east", uid: "uid-east", refused: enroll.ErrMember},
		{cluster: "west", uid: "another", refused: enroll.ErrTaken},
		{cluster: "west", uid: "another", by: enroll.ByCertificate, refused: enroll.ErrTaken},
		{cluster: "west", uid: "uid-west", refused: enroll.ErrMember}, // a UID is no secret
		{cluster: "west", uid: "uid-west", by: enroll.ByBoundToken},   // joins again, as its Secret is lost
		{cluster: "west", uid: "another", by: enroll.ByBoundToken, refused: enroll.ErrTaken},
		{cluster: "dark", uid: "any", refused: enroll.ErrTaken},
		{cluster: "dark", uid: "any", by: enroll.ByBoundToken, refused: enroll.ErrTaken},
		{cluster: "dark", uid: "any", by: enroll.ByCertificate},
		{cluster: "left", uid: "another"},
		{cluster: "new", uid: "first"},
		{cluster: "new", uid: "second", refused: enroll.ErrTaken},
		{cluster: "new", uid: "first"},
		{cluster: "new", uid: "second", after: placeTime - time.Minute, refused: enroll.ErrTaken},
		{cluster: "new", uid: "second", after: time.Minute},
	} {
		now = now.Add(c.after)
		if err := p.Claim(t.Context(), c.cluster, c.uid, c.by); !errors.Is(err, c.refused) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// Whoever is refused an ID that is kept for another cluster is told until when; one that came and has left is not waited for.
func TestAPlaceIsKeptForWhoHasNotComeYet(t *testing.T) {
	store := federation.NewStore("east")
	p := newPlaces(store)
	now := time.Unix(1e9, 0)
	p.now = func() time.Time { return now }
	claim := func(uid string) error { return p.Claim(t.Context(), "west", uid, enroll.ByToken) }
	if err := claim("first"); err != nil {
		t.Fatal(err)
	}
	var awaited *enroll.AwaitedError
	if err := claim("second"); !errors.As(err, &awaited) || !awaited.Since.Equal(now) || !awaited.Until.Equal(now.Add(placeTime)) {
		t.Errorf("%v, want that the first is awaited", err)
	}
	now = now.Add(time.Minute)
	if err := store.Meet("west", "first"); err != nil {
		t.Fatal(err)
	}
	store.Heard("west", now)
	if err := claim("second"); !errors.Is(err, enroll.ErrTaken) || errors.As(err, &awaited) {
		t.Errorf("%v, want that the ID is taken, by one that has come", err)
	}
	v := federation.Version{Term: 1, Seq: 1}
	if err := federationtest.Say(store, "west", v); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Apply(&federation.Update{Owner: "west", From: v, To: federation.Version{Term: 1, Seq: 2}, Left: true}); err != nil {
		t.Fatal(err)
	}
	if err := claim("second"); err != nil {
		t.Errorf("after the first has left: %v", err)
	}
	if err := claim("first"); !errors.As(err, &awaited) {
		t.Errorf("%v, want that the second is awaited", err)
	}
}

func TestPlacesAreBounded(t *testing.T) {
	p := newPlaces(federation.NewStore("east"))
	now := time.Unix(1e9, 0)
	p.now = func() time.Time { return now }
	for i := range mostPlaces {
		if err := p.Claim(t.Context(), federation.ClusterID(fmt.Sprint("c", i)), "u", enroll.ByToken); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Claim(t.Context(), "more", "u", enroll.ByToken); err == nil || errors.Is(err, enroll.ErrTaken) {
		t.Errorf("one more: %v", err)
	}
	now = now.Add(placeTime)
	if err := p.Claim(t.Context(), "more", "u", enroll.ByToken); err != nil {
		t.Errorf("a day later: %v", err)
	}
}
