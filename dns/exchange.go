package dns

import (
	"time"

	"github.com/miekg/dns"
)

// Exchange is one message and its reply, as numbers have it: no name, no client.
type Exchange struct {
	// Type and Rcode are of a small set: the name of a type that is common, else "other", and of a code.
	Type, Rcode    string
	TCP            bool
	Truncated      bool          // over UDP, so that the client comes again
	Limited        bool          // refused, as the client asks too often
	Request, Reply int           // bytes
	Took           time.Duration // from when the message was read until the reply was written
}

// Drop is why a message has no reply.
type Drop string

// Drops are all reasons.
var Drops = []Drop{Malformed, Response, Unsent, Crowded}

// The reasons of drops.
const (
	Malformed Drop = "malformed" // it cannot be read as DNS
	Response  Drop = "response"  // it is a reply itself: two servers must not talk to each other for ever
	Unsent    Drop = "unsent"    // its reply could not be sent
	Crowded   Drop = "crowded"   // not a message, but a connection: its client has too many
)

// typeLabel returns the Type of an Exchange.
func typeLabel(asked bool, qtype uint16) string {
	if !asked {
		return "other"
	}
	switch qtype {
	case dns.TypeA:
		return "A"
	case dns.TypeAAAA:
		return "AAAA"
	case dns.TypeSRV:
		return "SRV"
	case dns.TypeTXT:
		return "TXT"
	case dns.TypeSOA:
		return "SOA"
	case dns.TypeNS:
		return "NS"
	case dns.TypePTR:
		return "PTR"
	case dns.TypeHTTPS:
		return "HTTPS"
	case dns.TypeANY:
		return "ANY"
	}
	return "other"
}

// rcodeLabel returns the Rcode of an Exchange.
func rcodeLabel(rcode int) string {
	switch rcode {
	case dns.RcodeSuccess:
		return "NOERROR"
	case dns.RcodeNameError:
		return "NXDOMAIN"
	case dns.RcodeServerFailure:
		return "SERVFAIL"
	case dns.RcodeRefused:
		return "REFUSED"
	case dns.RcodeFormatError:
		return "FORMERR"
	case dns.RcodeNotImplemented:
		return "NOTIMP"
	}
	return "BADVERS" // the one that is left of those that are ever said
}
