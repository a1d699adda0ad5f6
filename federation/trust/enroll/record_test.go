package enroll

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func aRecord(t *testing.T, cluster federation.ClusterID, uses int) (trust.Token, Record) {
	t.Helper()
	token := trust.Token{Clusterset: mesh, Cluster: cluster, ID: trust.TokenID{1}, Secret: trust.Secret{2}}
	return token, must(NewRecord(token, noon, 15*time.Minute, uses))(t)
}

func TestARecordIsNotEnoughToJoin(t *testing.T) {
	token, r := aRecord(t, "west", 1)
	r, err := r.Redeem(token.Secret, Use{Cluster: "west", UID: "u", Key: trust.Digest{3}, At: noon})
	if err != nil {
		t.Fatal(err)
	}
	kept := string(must(json.Marshal(r))(t))
	if strings.Contains(kept, token.Secret.Reveal()) {
		t.Errorf("%s holds the secret", kept)
	}
	var back Record
	if err := json.Unmarshal([]byte(kept), &back); err != nil {
		t.Fatal(err)
	}
	if again := string(must(json.Marshal(back))(t)); again != kept {
		t.Errorf("%s became %s", kept, again)
	}
}

func TestRecordsThatCannotBeAreNotMade(t *testing.T) {
	for name, tt := range map[string]struct {
		ttl  time.Duration
		uses int
		want string // "" if it can be
	}{
		"one":            {time.Minute, 1, ""},
		"the most":       {time.Minute, MaxUses, ""},
		"no time":        {0, 1, "ttl 0s: want"},
		"time past":      {-time.Second, 1, "ttl -1s: want"},
		"no use":         {time.Minute, 0, "uses 0: want"},
		"more than most": {time.Minute, MaxUses + 1, "uses 1001: want"},
	} {
		_, err := NewRecord(trust.Token{}, noon, tt.ttl, tt.uses)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestRedeem(t *testing.T) {
	west := Use{Cluster: "west", UID: "u-west", Key: trust.Digest{1}, At: noon.Add(time.Minute)}
	north := Use{Cluster: "north", UID: "u-north", Key: trust.Digest{2}, At: noon.Add(time.Minute)}
	at := func(u Use, after time.Duration) Use {
		u.At = noon.Add(after)
		return u
	}
	otherKey := west
	otherKey.Key = trust.Digest{9}
	for name, tt := range map[string]struct {
		bound federation.ClusterID
		uses  int
		wrong bool // the secret is another
		who   []Use
		want  Code // of the last
		left  int  // uses that are kept in the end
	}{
		"any":                          {"", 1, false, []Use{west}, "", 1},
		"bound":                        {"west", 1, false, []Use{west}, "", 1},
		"bound to another":             {"west", 1, false, []Use{north}, Bound, 0},
		"another secret":               {"west", 1, true, []Use{west}, Unknown, 0},
		"another secret, also bound":   {"west", 1, true, []Use{north}, Unknown, 0},
		"another secret, also expired": {"west", 1, true, []Use{at(west, time.Hour)}, Unknown, 0},
		"again":                        {"", 1, false, []Use{west, at(west, 5*time.Minute)}, "", 1},
		"again at the last moment":     {"", 1, false, []Use{west, at(west, 15*time.Minute-1)}, "", 1},
		"again too late":               {"", 1, false, []Use{west, at(west, 15*time.Minute)}, Expired, 1},
		"too late":                     {"", 1, false, []Use{at(west, 15*time.Minute)}, Expired, 0},
		"another after":                {"", 1, false, []Use{west, north}, Used, 1},
		"another key after":            {"", 1, false, []Use{west, otherKey}, Used, 1},
		"two of two":                   {"", 2, false, []Use{west, north}, "", 2},
		"the first again after two":    {"", 2, false, []Use{west, north, west}, "", 2},
		"another of the same ID":       {"", 2, false, []Use{west, {Cluster: "west", UID: "another", At: noon}}, Taken, 1},
		"a third of two":               {"", 2, false, []Use{west, north, otherKey}, Used, 2},
	} {
		token, r := aRecord(t, tt.bound, tt.uses)
		secret := token.Secret
		if tt.wrong {
			secret[15] ^= 1
		}
		var err error
		for _, use := range tt.who {
			before := len(r.Used)
			var next Record
			if next, err = r.Redeem(secret, use); len(r.Used) != before {
				t.Errorf("%s: the record itself was changed", name)
			}
			r = next
		}
		refuses(t, name, err, tt.want)
		if len(r.Used) != tt.left {
			t.Errorf("%s: used by %+v, want %d", name, r.Used, tt.left)
		}
	}
}

// Two changes of the same record, of which one is lost, do not write into each other.
// The whole of a secret counts: of a digest that differs in one byte, wherever that is, nothing is known.
func TestEveryByteOfASecretCounts(t *testing.T) {
	token, r := aRecord(t, "", 1)
	for i := range r.Secret {
		other := r
		other.Secret[i] ^= 1
		if _, err := other.Redeem(token.Secret, Use{Cluster: "west", At: noon}); CodeOf(err) != Unknown {
			t.Errorf("byte %d: %v, want that no such token is known", i, err)
		}
	}
	if _, err := r.Redeem(token.Secret, Use{Cluster: "west", At: noon}); err != nil {
		t.Error(err)
	}
}

func TestRedeemSharesNothing(t *testing.T) {
	token, r := aRecord(t, "", 10)
	use := func(r Record, who federation.ClusterID) Record {
		return must(r.Redeem(token.Secret, Use{Cluster: who, At: noon}))(t)
	}
	r = use(use(use(r, "a"), "b"), "c")
	one, two := use(r, "d"), use(r, "e")
	if one.Used[3].Cluster != "d" || two.Used[3].Cluster != "e" {
		t.Errorf("%+v and %+v", one.Used, two.Used)
	}
}

func TestARefusalSaysWhatToDo(t *testing.T) {
	token, r := aRecord(t, "west", 1)
	_, expired := r.Redeem(token.Secret, Use{Cluster: "west", At: noon.Add(time.Hour)})
	r.Used = []Use{{Cluster: "west", UID: "u", At: noon}}
	_, used := r.Redeem(token.Secret, Use{Cluster: "west", At: noon})
	_, bound := r.Redeem(token.Secret, Use{Cluster: "north", At: noon})
	for err, want := range map[error][]string{
		expired: {"expired at 2026-03-01T12:15:00Z", "it is 2026-03-01T13:00:00Z here", "hansa token create"},
		used:    {"used by cluster west at 2026-03-01T12:00:00Z", "hansa token create"},
		bound:   {"for cluster west", "cluster north wants", "--cluster west"},
	} {
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not say %q", err, part)
			}
		}
	}
}
