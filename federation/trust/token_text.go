package trust

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/hansa-mcs/hansa/federation"
)

const (
	// tokenPrefix says what a token's text is, and the version of what follows it.
	tokenPrefix = "hansa1."
	// tokenFixed is how many bytes there are besides the two names: their lengths, ID, secret, pin, sum.
	tokenFixed = 1 + 1 + len(TokenID{}) + len(Secret{}) + len(Digest{}) + tokenSum
	// tokenSum is the length of the checksum. It lets a mistyped token be told without asking anybody.
	tokenSum = 4
)

// maxTokenText is the length of the longest token's text.
var maxTokenText = len(tokenPrefix) + base64.RawURLEncoding.EncodedLen(tokenFixed+maxClusterset+63)

// Text returns the token as it is shown to a person, once: hansa1. and the base64url (without padding) of
// the clusterset and the cluster, each after its length in one byte, ID, secret, pin and a checksum.
func (t Token) Text() string {
	var b bytes.Buffer
	for _, name := range []string{t.Clusterset, string(t.Cluster)} {
		b.WriteByte(byte(len(name)))
		b.WriteString(name)
	}
	b.Write(t.ID[:])
	b.Write(t.Secret[:])
	b.Write(t.Pin[:])
	b.Write(tokenChecksum(b.Bytes()))
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b.Bytes())
}

// ParseToken returns the token that Text gave; space around it does not matter. Its errors say whether
// the text was cut off, mistyped or never a token, and do not repeat it.
func ParseToken(text string) (Token, error) {
	text = strings.TrimSpace(text)
	body, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok {
		return Token{}, fmt.Errorf("token: want the whole text that was shown when it was made, which begins with %s", tokenPrefix)
	}
	if len(text) > maxTokenText {
		return Token{}, fmt.Errorf("token: it has %d characters, want at most %d", len(text), maxTokenText)
	}
	if i := strings.IndexFunc(body, notBase64); i >= 0 {
		return Token{}, fmt.Errorf("token: character %d cannot be in a token, want letters, digits, '-' and '_'", len(tokenPrefix)+i+1)
	}
	raw, err := decodeWhole(body)
	if err != nil {
		return Token{}, fmt.Errorf("token: %w", err)
	}
	return tokenOf(raw)
}

// decodeWhole returns the bytes of a token's body, after a look at whether they are all there.
func decodeWhole(body string) ([]byte, error) {
	whole := body
	if len(whole)%4 == 1 { // no text has this length: what is cut off may end like it
		whole = whole[:len(whole)-1]
	}
	raw, err := base64.RawURLEncoding.DecodeString(whole)
	if err != nil {
		return nil, fmt.Errorf("it cannot be read, want it copied whole: %w", err)
	}
	want := tokenLength(raw)
	if length := base64.RawURLEncoding.EncodedLen(want); len(body) != length {
		return nil, fmt.Errorf("it is cut off or mistyped: it has %d characters, want %d", len(tokenPrefix)+len(body), len(tokenPrefix)+length)
	}
	said, sum := raw[:want-tokenSum], raw[want-tokenSum:]
	if !bytes.Equal(sum, tokenChecksum(said)) || base64.RawURLEncoding.EncodeToString(raw) != body {
		return nil, errors.New("it is mistyped: its checksum is not that of the rest, want it copied whole")
	}
	return raw, nil
}

// tokenLength returns how many bytes a token has that begins with raw. As long as raw is too short to
// tell, that is more than raw has.
func tokenLength(raw []byte) int {
	length := tokenFixed
	if len(raw) == 0 {
		return length
	}
	length += int(raw[0])
	if second := 1 + int(raw[0]); second < len(raw) {
		length += int(raw[second])
	}
	return length
}

// tokenOf returns the token of bytes that are whole.
func tokenOf(raw []byte) (t Token, err error) {
	next := func(n int) []byte {
		var part []byte
		part, raw = raw[:n], raw[n:]
		return part
	}
	t.Clusterset = string(next(int(next(1)[0])))
	t.Cluster = federation.ClusterID(next(int(next(1)[0])))
	copy(t.ID[:], next(len(t.ID)))
	copy(t.Secret[:], next(len(t.Secret)))
	copy(t.Pin[:], next(len(t.Pin)))
	if _, err := ParseClusterset(t.Clusterset); err != nil {
		return Token{}, fmt.Errorf("token: %w", err)
	}
	if t.Cluster == "" {
		return t, nil
	}
	if _, err := federation.ParseClusterID(string(t.Cluster)); err != nil {
		return Token{}, fmt.Errorf("token: %w", err)
	}
	return t, nil
}

func tokenChecksum(said []byte) []byte {
	sum := sha256.Sum256(append([]byte(tokenPrefix), said...))
	return sum[:tokenSum]
}

func notBase64(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}
