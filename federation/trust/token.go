package trust

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/hansa-mcs/hansa/federation"
)

// Token is what a person carries from a member of a clusterset to a cluster that is to join it. It is
// exchanged for a certificate and never is one: whoever finds it late has nothing.
type Token struct {
	Clusterset string
	// Cluster is the only ID that the token is good for, "" if it is good for any that nobody has.
	Cluster federation.ClusterID
	ID      TokenID
	Secret  Secret
	// Pin is the KeyDigest of the CA that certified the members: it proves who the token may be shown to.
	Pin Digest
}

// TokenID names a token where it is kept and listed. It is no secret.
type TokenID [8]byte

// Secret proves that one has a token. Only its Digest is ever kept. It hides itself from logs.
type Secret [16]byte

const hidden = "(secret)"

// NewToken makes a token with a new ID and a new secret. It is good for nothing until its record is kept
// where the member finds it that will be asked.
func (a *Authority) NewToken(cluster federation.ClusterID) (Token, error) {
	if cluster != "" {
		if _, err := federation.ParseClusterID(string(cluster)); err != nil {
			return Token{}, err
		}
	}
	t := Token{Clusterset: a.clusterset, Cluster: cluster, Pin: a.Pin()}
	for _, part := range [][]byte{t.ID[:], t.Secret[:]} {
		if _, err := rand.Read(part); err != nil {
			return Token{}, fmt.Errorf("make a token: %w", err)
		}
	}
	return t, nil
}

// ParseTokenID returns the ID that String gave.
func ParseTokenID(s string) (id TokenID, err error) {
	if err := id.UnmarshalText([]byte(s)); err != nil {
		return TokenID{}, fmt.Errorf("token ID %q: %w", clip(s), err)
	}
	return id, nil
}

// String returns 16 hexadecimal digits.
func (id TokenID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText returns the hexadecimal digits.
func (id TokenID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText takes what MarshalText gives.
func (id *TokenID) UnmarshalText(text []byte) error { return unhex(id[:], text) }

// Reveal returns the secret in hexadecimal digits, for the one who proves that it has the token.
func (s Secret) Reveal() string { return hex.EncodeToString(s[:]) }

// ParseSecret returns the secret that Reveal gave. Its errors do not repeat it.
func ParseSecret(s string) (secret Secret, err error) {
	if err := unhex(secret[:], []byte(s)); err != nil {
		return Secret{}, fmt.Errorf("token secret: %w", err)
	}
	return secret, nil
}

// Digest returns what may be kept of a secret. It needs no salt: a secret is random, and too long to try.
func (s Secret) Digest() Digest { return sha256.Sum256(s[:]) }

// Format writes a word instead of the secret, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText returns a word instead of the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
