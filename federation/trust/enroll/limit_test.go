package enroll

import (
	"fmt"
	"net"
	"testing"
	"time"
)

// admitted counts how many of so many asks are admitted.
func (l *limits) admitted(source string, member bool, asks int, now time.Time) (n int) {
	for range asks {
		if l.admit(source, member, now) {
			n++
		}
	}
	return n
}

func TestEachSourceHasItsLimit(t *testing.T) {
	l := newLimits()
	if n := l.admitted("one", false, 1000, noon); n != 100 {
		t.Errorf("%d of 1000 at once, want 100", n)
	}
	if n := l.admitted("two", false, 10, noon); n != 10 {
		t.Errorf("another source: %d of 10", n)
	}
	if n := l.admitted("one", false, 1000, noon.Add(10*time.Second)); n != 10 {
		t.Errorf("%d of 1000 after ten seconds, want 10", n)
	}
	if n := l.admitted("one", false, 1000, noon); n != 0 {
		t.Errorf("%d of 1000 by a clock that went back, want 0", n)
	}
	if n := l.admitted("one", false, 1000, noon.Add(time.Hour)); n != 100 {
		t.Errorf("%d of 1000 after an hour, want 100", n)
	}
}

func TestStrangersHaveALimitTogether(t *testing.T) {
	l := newLimits()
	n := 0
	for i := range 1000 {
		n += l.admitted(fmt.Sprint(i), false, 1, noon)
	}
	if n != 400 {
		t.Errorf("%d of 1000, want 400", n)
	}
	if l.admitted("member", true, 10, noon) != 10 {
		t.Error("a member was kept out by strangers")
	}
	if n := l.admitted("another", false, 100, noon.Add(time.Second)); n != 20 {
		t.Errorf("%d of 100 after a second, want 20", n)
	}
}

func TestAGuessCostsAsMuchAsTenAsks(t *testing.T) {
	l := newLimits()
	guesses := 0
	for l.admit("one", false, noon) {
		l.guessed("one", false, noon)
		guesses++
	}
	if guesses != 10 {
		t.Errorf("%d guesses at once, want 10", guesses)
	}
	if l.admit("one", false, noon.Add(time.Second/2)) || !l.admit("one", false, noon.Add(time.Second)) {
		t.Error("want the next after a second")
	}
}

func TestTheMemoryOfLimitsIsBounded(t *testing.T) {
	l := newLimits()
	now := noon
	for i := range 10 * maxSources {
		now = now.Add(50 * time.Millisecond) // as fast as strangers are admitted
		source := fmt.Sprint(i)
		l.admit(source, false, now)
		l.guessed(source, false, now)
		if len(l.sources) > maxSources+1 {
			t.Fatalf("%d sources are remembered after %d", len(l.sources), i)
		}
	}
	now = now.Add(time.Hour)
	l.all.most = 100_000
	n := 0
	for i := range 10 * maxSources { // all at once: nothing can be forgotten
		n += l.admitted(fmt.Sprint("at once ", i), false, 1, now)
	}
	if most := maxSources + 100; n > most || n < most-1 || len(l.sources) > maxSources+1 {
		t.Errorf("%d of %d sources at once, and %d are remembered", n, 10*maxSources, len(l.sources))
	}
	if n := l.admitted("a member", true, 10, now); n != 10 {
		t.Errorf("a member meanwhile: %d of 10", n)
	}
	if n := l.admitted("late", false, 10, now.Add(time.Hour)); n != 10 {
		t.Errorf("an hour later: %d of 10", n)
	}
}

func TestWhoHasManyAddressesIsOne(t *testing.T) {
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 1} }
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"::ffff:192.0.2.1", "192.0.2.1", true},
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
	} {
		if got := network(tcp(tt.a)) == network(tcp(tt.b)); got != tt.same {
			t.Errorf("%s and %s: the same is %t, want %t", tt.a, tt.b, got, tt.same)
		}
	}
}
