package federation

import (
	"slices"
	"testing"
)

// spoil makes records of an update unread, as who decodes it does with what it cannot read.
func spoil(u *Update, names ...string) *Update {
	u.Put = slices.DeleteFunc(slices.Clone(u.Put), func(r Record) bool {
		bad := slices.Contains(names, r.Name.Name)
		if bad {
			u.Unread = append(u.Unread, Unread{Name: r.Name, Hash: r.Hash})
		}
		return bad
	})
	return u
}

// spoiled returns a Store that held former of "spoiled" at 1.1, and could not read that record nor "never" at 1.2,
// and their owner.
func spoiled(t *testing.T, former *Export) (s, owner *Store) {
	s, owner = announced(), NewStore("east")
	owner.Announce(1, []*Export{former, web("east", "goes")})
	catchUp(t, owner, s, "east")
	owner.Announce(2, []*Export{web("east", "spoiled", "10.6.6.6"), web("east", "never"), web("east", "web")})
	mustApply(t, s, spoil(owner.SeenBy(owner.Self()).Against("east", s.Hashes("east")), "spoiled", "never"))
	return s, owner
}

// Bad input loses nothing: a record that could not be read keeps what is held of it, also in a complete set. Its hash
// counts, as the digest is the owner's; but it is not offered, so that it may come in a form that can be read.
func TestUnreadRecordsKeepWhatIsHeld(t *testing.T) {
	former := web("east", "spoiled", "10.0.0.1")
	s, owner := spoiled(t, former)
	if list := s.Exports(former.Name); len(list) != 1 || list[0] != former {
		t.Errorf("the unread record became %v", list)
	}
	if s.Exports(named("goes")) != nil || s.Exports(named("never")) != nil || len(s.Exports(named("web"))) != 1 {
		t.Errorf("held: %v", said(s, "east"))
	}
	if s.Head("east") != owner.Head("east") || s.Owners()[0].Exports != 2 {
		t.Errorf("head %+v, want %+v; %d exports", s.Head("east"), owner.Head("east"), s.Owners()[0].Exports)
	}
	if want := []Hash{Sealed(web("east", "web")).Hash}; !slices.Equal(s.Hashes("east"), want) {
		t.Errorf("hashes %x, want %x alone", s.Hashes("east"), want)
	}
}

// Who follows this Store is told the truth: there is a record, which could not be read here.
func TestUnreadIsPassedOnAsUnread(t *testing.T) {
	former := web("east", "spoiled", "10.0.0.1")
	s, owner := spoiled(t, former)
	standby := announced()
	standby.Restore("east", []*Export{former})
	u := s.SeenBy(s.Self()).Against("east", standby.Hashes("east"))
	if len(u.Put) != 1 || len(u.Unread) != 2 {
		t.Fatalf("%+v, want two unread", u)
	}
	mustApply(t, standby, u)
	if standby.Head("east") != owner.Head("east") || standby.Export("east", former.Name) != former {
		t.Errorf("head %+v, held %v", standby.Head("east"), said(standby, "east"))
	}
	u = step(s, "east", Version{2, 1}, Version{2, 2}, []*Export{web("east", "later"), web("east", "web", "10.0.0.1")})
	mustApply(t, s, spoil(u, "later", "web"))
	u, ask := s.SeenBy(s.Self()).Since("east", standby.Head("east"), true)
	if u == nil || ask || len(u.Unread) != 2 || len(u.Put)+len(u.Patched) != 0 {
		t.Fatalf("by the log: %+v, ask %t", u, ask)
	}
	mustApply(t, standby, u)
	if standby.Head("east") != s.Head("east") || !sameSay(said(standby, "east"), said(s, "east")) {
		t.Errorf("held %v, want %v", said(standby, "east"), said(s, "east"))
	}
}

// A standby that could read what its leader could not keeps it.
func TestUnreadElsewhereDoesNotSpoilWhatIsRead(t *testing.T) {
	s, owner := spoiled(t, web("east", "spoiled", "10.0.0.1"))
	standby := announced()
	mustApply(t, standby, owner.SeenBy(owner.Self()).Against("east", nil))
	read := standby.Export("east", named("spoiled"))
	mustApply(t, standby, s.SeenBy(s.Self()).Against("east", standby.Hashes("east")))
	mustApply(t, standby, s.SeenBy(s.Self()).Against("east", nil))
	if standby.Export("east", named("spoiled")) != read || len(standby.Hashes("east")) != 3 {
		t.Errorf("held %v", said(standby, "east"))
	}
}

// The owner sends what can be read later: the same record in another form, or another one.
func TestAGoodRecordReplacesAnUnreadOne(t *testing.T) {
	s, owner := spoiled(t, web("east", "spoiled", "10.0.0.1"))
	_, revision, _ := s.NamesSince(0)
	advanced := s.Advanced("east")
	mustApply(t, s, owner.SeenBy(owner.Self()).Against("east", s.Hashes("east")))
	names, _, _ := s.NamesSince(revision)
	slices.SortFunc(names, ServiceName.Compare)
	if !woken(advanced) || !slices.Equal(names, []ServiceName{named("never"), named("spoiled")}) || !sameSay(said(s, "east"), said(owner, "east")) {
		t.Errorf("woken %t, changed %v, held %v", woken(advanced), names, said(s, "east"))
	}
	if len(s.Hashes("east")) != 3 {
		t.Errorf("hashes %x, want all three", s.Hashes("east"))
	}
	s, owner = spoiled(t, web("east", "spoiled", "10.0.0.1"))
	owner.Set(web("east", "spoiled", "10.0.0.2"))
	catchUpBy(t, owner, s, "east")
	if !s.Export("east", named("spoiled")).Equal(web("east", "spoiled", "10.0.0.2")) {
		t.Errorf("held %v", said(s, "east"))
	}
}

// catchUpBy applies what the log tells, and checks that it leads to the owner's head.
func catchUpBy(t *testing.T, owner, s *Store, cluster ClusterID) {
	t.Helper()
	u, ask := owner.SeenBy(owner.Self()).Since(cluster, s.Head(cluster), true)
	if u == nil || ask || u.relative() {
		t.Fatalf("%+v, ask %t: want an increment", u, ask)
	}
	mustApply(t, s, u)
	if s.Head(cluster) != owner.Head(cluster) {
		t.Fatalf("head %+v, want %+v", s.Head(cluster), owner.Head(cluster))
	}
}

// A patch of what could not be read has no base here, even if the former record is.
func TestAnUnreadRecordIsNoBase(t *testing.T) {
	e := big("east", "spoiled", 20)
	s, owner := announced(), owning("east", Version{1, 1}, e)
	catchUp(t, owner, s, "east")
	owner.Set(edited(e, firstTerminating))
	v := s.Version("east")
	spoilt := Unread{Name: e.Name, Hash: Hash(owner.Head("east").Digest)}
	mustApply(t, s, &Update{Owner: "east", From: v, To: owner.Version("east"), Digest: owner.Head("east").Digest, Unread: []Unread{spoilt}})
	if s.Export("east", e.Name) != e {
		t.Fatal("the former record is lost")
	}
	standby := announced() // which can read what s could not
	catchUp(t, owner, standby, "east")
	owner.Set(edited(e, func(e *Export) { e.Subsets[0].Endpoints[5].Zone = "z5" }))
	u, _ := owner.SeenBy(owner.Self()).Since("east", s.Head("east"), true)
	if len(u.Patched) != 1 {
		t.Fatalf("%+v, want a patch", u)
	}
	refuse(t, s, u, ErrGap)
	catchUp(t, owner, s, "east")
	if u, _ = s.SeenBy(s.Self()).Since("east", standby.Head("east"), true); len(u.Put) != 1 || len(u.Patched) != 0 {
		t.Fatalf("%+v, want the record, as s does not know what it was", u)
	}
	catchUp(t, s, standby, "east")
}

// The same content under another hash can be read: also that ends what could not.
func TestTheFormerContentReplacesAnUnreadRecord(t *testing.T) {
	s := announced()
	former := web("east", "spoiled")
	mustApply(t, s, whole(s, "east", Version{1, 1}, former))
	mustApply(t, s, &Update{Owner: "east", From: Version{1, 1}, To: Version{1, 2}, Digest: 7, Unread: []Unread{{Name: former.Name, Hash: 7}}})
	mustApply(t, s, &Update{Owner: "east", From: Version{1, 2}, To: Version{1, 3}, Digest: 7, Put: []Record{{web("east", "spoiled"), 7}}})
	if !slices.Equal(s.Hashes("east"), []Hash{7}) || s.Export("east", former.Name) != former {
		t.Errorf("hashes %x, held %v", s.Hashes("east"), said(s, "east"))
	}
}

// It goes as every record does: withdrawn, or lacking in a complete set.
func TestAWithdrawalRemovesAnUnreadRecord(t *testing.T) {
	former := web("east", "spoiled", "10.0.0.1")
	s, owner := spoiled(t, former)
	owner.Withdraw(former.Name)
	owner.Withdraw(named("never"))
	catchUpBy(t, owner, s, "east")
	if s.Exports(former.Name) != nil || len(records(s, "east")) != 1 {
		t.Errorf("held %v", records(s, "east"))
	}
	s, owner = spoiled(t, former)
	owner.Announce(3, []*Export{web("east", "web")})
	catchUp(t, owner, s, "east")
	if len(records(s, "east")) != 1 {
		t.Errorf("held %v", records(s, "east"))
	}
	s, owner = spoiled(t, former)
	owner.Announce(3, []*Export{web("east", "spoiled", "10.6.6.6"), web("east", "web")})
	mustApply(t, s, spoil(owner.SeenBy(owner.Self()).Against("east", s.Hashes("east")), "spoiled"))
	if len(records(s, "east")) != 2 || s.Export("east", former.Name) != former {
		t.Errorf("held %v", records(s, "east"))
	}
}

// What could not be read is not offered by its hash, so it cannot be named stale: it goes when no part of an update
// that is relative to hashes names it. What a part named stays.
func TestAnUnreadRecordThatNoPartNamesGoes(t *testing.T) {
	former := web("east", "spoiled", "10.0.0.1")
	for _, again := range []bool{false, true} {
		s, owner := spoiled(t, former)
		owner.Announce(3, []*Export{web("east", "spoiled", "10.6.6.6"), web("east", "web"), web("east", "new")})
		for range 2 { // the first time the stream breaks before the last part
			u := spoil(owner.SeenBy(owner.Self()).Against("east", s.Hashes("east")), "spoiled")
			mustApply(t, s, &Update{Owner: "east", To: u.To, More: true, Unread: u.Unread})
			if !again {
				u.Unread = nil
				mustApply(t, s, u)
				break
			}
			again = false
		}
		if s.Head("east") != owner.Head("east") || s.Export("east", former.Name) != former || len(records(s, "east")) != 3 {
			t.Errorf("head %+v, want %+v; held %v", s.Head("east"), owner.Head("east"), records(s, "east"))
		}
		// Parts of another update, which named a record that is no more, do not keep it for ever.
		mustApply(t, s, &Update{Owner: "east", To: Version{4, 1}, More: true, Unread: []Unread{{Name: named("never"), Hash: 7}}})
		owner.Announce(4, []*Export{web("east", "web")})
		if u := owner.SeenBy(owner.Self()).Against("east", s.Hashes("east")); u.To != (Version{4, 1}) {
			t.Fatalf("to %s", u.To)
		} else if _, err := s.Apply(u); !is(err, ErrGap) {
			t.Errorf("error %v, want ErrGap", err)
		}
		catchUp(t, owner, s, "east")
		mustApply(t, s, &Update{Owner: "east", To: Version{4, 9}, More: true, Unread: []Unread{{Name: named("never"), Hash: 7}}})
		owner.Announce(5, []*Export{web("east", "web")})
		catchUp(t, owner, s, "east")
	}
}
