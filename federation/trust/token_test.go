package trust

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
)

// aToken is the same in each run, so that what is changed of its text is too.
func aToken(clusterset string, cluster federation.ClusterID) Token {
	t := Token{Clusterset: clusterset, Cluster: cluster}
	for i := range t.Pin {
		t.Pin[i] = byte(7 * i)
	}
	copy(t.ID[:], "token-id")
	copy(t.Secret[:], "sixteen secrets!")
	return t
}

func TestATokenIsTheSameAfterItsText(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, want := range []Token{
		aToken("acme", "west"),
		aToken("acme", ""),
		aToken("a", "b"),
		aToken(strings.Join([]string{long, long, long, long[:61]}, "."), federation.ClusterID(long)),
	} {
		text := want.Text()
		if got, err := ParseToken(" " + text + "\n"); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
			t.Errorf("%s needs quotes in a shell", text)
		}
	}
}

func TestNewTokensDiffer(t *testing.T) {
	ca := newAuthority(t, mesh)
	one, two := must(ca.NewToken("west"))(t), must(ca.NewToken("west"))(t)
	if one.ID == two.ID || one.Secret == two.Secret || one.Secret == (Secret{}) {
		t.Error("two tokens have an ID or a secret in common")
	}
	if one.Clusterset != mesh || one.Cluster != "west" || one.Pin != ca.Pin() {
		t.Errorf("%+v", one)
	}
	if _, err := ca.NewToken("West"); err == nil {
		t.Error("a token for an ID that cannot be")
	}
}

func TestATokenThatLacksItsEndIsSaidToBeCutOff(t *testing.T) {
	for _, token := range []Token{aToken("acme", "west"), aToken("acme", "")} {
		text := token.Text()
		for n := len(tokenPrefix); n < len(text); n++ {
			_, err := ParseToken(text[:n])
			refused(t, fmt.Sprintf("the first %d characters", n), err, "cut off")
		}
		for _, more := range []string{"A", "AA", "AAA", "AAAA"} {
			_, err := ParseToken(text + more)
			refused(t, "with "+more, err, "cut off or mistyped")
		}
	}
}

func TestAMistypedTokenIsRefused(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	text := aToken("acme", "west").Text()
	for i := len(tokenPrefix); i < len(text); i++ {
		for _, c := range alphabet {
			wrong := text[:i] + string(c) + text[i+1:]
			if _, err := ParseToken(wrong); (err == nil) != (wrong == text) {
				t.Errorf("character %d as %c: %v", i, c, err)
			}
		}
		_, err := ParseToken(text[:i] + "!" + text[i+1:])
		refused(t, "an exclamation mark", err, fmt.Sprintf("character %d cannot be in a token", i+1))
		_, err = ParseToken(text[:i] + "\n" + text[i:])
		refused(t, "a line break", err, fmt.Sprintf("character %d cannot be in a token", i+1))
	}
}

func TestWhatIsNoTokenIsRefused(t *testing.T) {
	body := strings.TrimPrefix(aToken("acme", "west").Text(), tokenPrefix)
	whole := func(clusterset string, cluster federation.ClusterID) string {
		return aToken(clusterset, cluster).Text()
	}
	for name, tt := range map[string]struct{ text, why string }{
		"nothing":            {"", "begins with hansa1."},
		"another version":    {"hansa2." + body, "begins with hansa1."},
		"no prefix":          {body, "begins with hansa1."},
		"only the prefix":    {"hansa1.", "cut off"},
		"endless":            {"hansa1." + strings.Repeat("A", 100_000), "want at most"},
		"no clusterset":      {whole("", "west"), "clusterset"},
		"a bad clusterset":   {whole("ACME", "west"), "clusterset"},
		"a bad cluster":      {whole("acme", "west.east"), "cluster ID"},
		"a longer cluster":   {whole("acme", federation.ClusterID(strings.Repeat("a", 64))), "cluster ID"},
		"the form of others": {"abcdef.0123456789abcdef", "begins with hansa1."},
	} {
		_, err := ParseToken(tt.text)
		refused(t, name, err, tt.why)
	}
}

// What a person mistyped is in the log of a terminal, and may be all but the token.
func TestATokenIsNotShownByAccident(t *testing.T) {
	token := aToken("acme", "west")
	secret, text := token.Secret.Reveal(), token.Text()
	asJSON := must(json.Marshal(token))(t)
	shown := []string{string(asJSON)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown = append(shown, fmt.Sprintf(verb, token), fmt.Sprintf(verb, &token), fmt.Sprintf(verb, token.Secret))
	}
	for i := range text {
		if _, err := ParseToken(text[:i] + "!" + text[i+1:]); err != nil {
			shown = append(shown, err.Error())
		}
	}
	_, err := ParseSecret(secret[1:])
	shown = append(shown, err.Error())
	_, err = ParseSecret("!" + secret[1:])
	shown = append(shown, err.Error())
	leaks := []string{
		secret[2:], text[33:48], "sixteen",
		base64.RawURLEncoding.EncodeToString(token.Secret[:]),
		"105 120 116 101", // ixte, as a list of bytes
		"105,120,116,101",
		"0x69, 0x78, 0x74, 0x65",
	}
	for _, s := range shown {
		for _, leak := range leaks {
			if strings.Contains(s, leak) {
				t.Errorf("%s shows the secret", s)
			}
		}
	}
	if got := must(ParseSecret(secret))(t); got != token.Secret {
		t.Errorf("the secret is another after Reveal")
	}
}

func TestIDsAndDigestsKeepTheirText(t *testing.T) {
	token := aToken("acme", "west")
	if got := must(ParseTokenID(token.ID.String()))(t); got != token.ID {
		t.Errorf("got %s", got)
	}
	for _, bad := range []string{"", "0", "00112233445566", "001122334455667g", "00112233445566778"} {
		if got, err := ParseTokenID(bad); err == nil {
			t.Errorf("%q is taken as %s", bad, got)
		}
	}
	var back struct {
		ID  TokenID
		Pin Digest
	}
	text := must(json.Marshal(map[string]any{"ID": token.ID, "Pin": token.Pin}))(t)
	if err := json.Unmarshal(text, &back); err != nil || back.ID != token.ID || back.Pin != token.Pin {
		t.Errorf("%s: %+v, %v", text, back, err)
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(aToken("acme", "west").Text())
	f.Add(aToken("acme", "").Text())
	f.Add("hansa1.")
	f.Add("hansa1.____")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := ParseToken(text)
		if err == nil && token.Text() != strings.TrimSpace(text) {
			t.Errorf("%q is taken as %q", text, token.Text())
		}
	})
}

// The body of a token may say anything of its own lengths.
func FuzzTokenBody(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte{255, 255})
	f.Add(append([]byte{4}, "acme"...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		summed := append(slices.Clip(raw), tokenChecksum(raw)...)
		token, err := ParseToken(tokenPrefix + base64.RawURLEncoding.EncodeToString(summed))
		if err == nil && (token.Clusterset == "" || len(token.Clusterset)+len(token.Cluster)+tokenFixed != len(summed)) {
			t.Errorf("%d bytes are taken as %+v", len(summed), token)
		}
	})
}
