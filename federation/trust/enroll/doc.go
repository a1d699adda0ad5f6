// Package enroll lets clusters in: it exchanges a token and a signing request for a member's certificate,
// and a member's certificate and a signing request for a new one.
//
// In: connections of the protocol hansa-join/1, which trust.Port lets in without a certificate; the tokens
// that were made and the cluster IDs that are taken, as whoever keeps them says.
//
// Out: certificates, on the side of the clusterset by a Server, on the side of who joins or renews by
// Join and Renew.
//
// The protocol: after the TLS handshake one request and one reply, each a JSON object after its length in
// four bytes, ten seconds in all. Who joins knows the CA's key by the token, and says nothing to a server
// that the CA did not certify. A reply is a certificate, or a Refusal: a Code for machines and a sentence
// for people.
//
// Owned here: the frames, the record of a token and what it is good for, the codes, and the limits that
// strangers meet. Nothing here knows where records are kept.
package enroll
