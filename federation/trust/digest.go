package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
)

// Digest is a SHA-256. Its text is 64 hexadecimal digits.
type Digest [sha256.Size]byte

// KeyDigest returns the digest by which a certificate's public key is known, that of its
// SubjectPublicKeyInfo. A CA's is what a Token pins: it stays when the CA's certificate is renewed.
func KeyDigest(cert *x509.Certificate) Digest { return sha256.Sum256(cert.RawSubjectPublicKeyInfo) }

// String returns the hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText returns the hexadecimal digits.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText takes what MarshalText gives.
func (d *Digest) UnmarshalText(text []byte) error { return unhex(d[:], text) }

// unhex fills to with the bytes that hexadecimal digits stand for.
func unhex(to, text []byte) error {
	if len(text) != hex.EncodedLen(len(to)) {
		return fmt.Errorf("it has %d characters, want %d hexadecimal digits", len(text), hex.EncodedLen(len(to)))
	}
	if _, err := hex.Decode(to, text); err != nil {
		return fmt.Errorf("want %d hexadecimal digits: %w", hex.EncodedLen(len(to)), err)
	}
	return nil
}
