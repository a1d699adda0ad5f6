package dns

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/hansa-mcs/hansa/federation"
)

// What Config has when it names no other.
const (
	DefaultZone = "clusterset.local" // as the specification wants it (D1)
	DefaultTTL  = 5 * time.Second    // the same as CoreDNS's
)

const (
	schemaVersion    = "1.0.0" // of the specification (D2)
	schemaVersionTTL = 28800   // seconds, given by the specification (D2)
	negativeTTL      = 5       // seconds that a resolver may remember that there is nothing
	maxName          = 254     // characters of a name with its final dot (D12)
	maxZone          = 63      // leaves room for the labels of a service and a port (D12)
	maxTTL           = time.Hour
)

// Zone is what Answer knows beside the View: where the zone hangs, and how long its records last. Get
// one from ParseZone.
type Zone struct {
	origin string // lower case, with the final dot
	ttl    uint32 // seconds
}

// ParseZone returns the zone of that name, with or without a final dot, in either case; its answers may
// be remembered for ttl.
func ParseZone(name string, ttl time.Duration) (Zone, error) {
	origin := strings.ToLower(strings.TrimSuffix(name, "."))
	if len(origin) > maxZone {
		return Zone{}, fmt.Errorf("DNS zone of %d characters: want at most %d", len(name), maxZone)
	}
	for label := range strings.SplitSeq(origin, ".") {
		if label == "" || strings.Trim(label, "-") != label || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return Zone{}, fmt.Errorf("DNS zone %q: want letters, digits and '-' between dots, as in %s", name, DefaultZone)
		}
	}
	if ttl < time.Second || ttl > maxTTL || ttl%time.Second != 0 {
		return Zone{}, fmt.Errorf("DNS TTL %s: want whole seconds from 1s to %s", ttl, maxTTL)
	}
	return Zone{origin: origin + ".", ttl: uint32(ttl / time.Second)}, nil
}

// String returns the zone's name, with the final dot.
func (z Zone) String() string { return z.origin }

// within returns what a name has before the zone, without the dot between; false for a name that is not
// in the zone.
func (z Zone) within(name string) (string, bool) {
	cut := len(name) - len(z.origin)
	if cut < 0 || !strings.EqualFold(name[cut:], z.origin) {
		return "", false
	}
	if cut == 0 {
		return "", true
	}
	before, dotted := strings.CutSuffix(name[:cut], ".")
	escapes := len(before) - len(strings.TrimRight(before, `\`))
	return before, dotted && escapes%2 == 0 // an odd one makes the dot a part of its label
}

// service returns the name of a service in the zone.
func (z Zone) service(name federation.ServiceName) string {
	return name.Name + "." + name.Namespace + ".svc." + z.origin
}

// soa returns the zone's start of authority. Its serial only says that something changed: nobody
// transfers the zone.
func (z Zone) soa(owner string, serial uint64) dns.RR {
	return &dns.SOA{
		Hdr:     header(owner, dns.TypeSOA, negativeTTL),
		Ns:      z.nameServer(),
		Mbox:    "hostmaster." + z.origin,
		Serial:  uint32(serial),
		Refresh: 7200,
		Retry:   1800,
		Expire:  86400,
		Minttl:  negativeTTL,
	}
}

func (z Zone) ns(owner string) dns.RR {
	return &dns.NS{Hdr: header(owner, dns.TypeNS, z.ttl), Ns: z.nameServer()}
}

func (z Zone) nameServer() string { return "ns.dns." + z.origin }

// address returns the A or AAAA record of an address.
func (z Zone) address(owner string, a netip.Addr) dns.RR {
	if a.Is4() {
		return &dns.A{Hdr: header(owner, dns.TypeA, z.ttl), A: a.AsSlice()}
	}
	return &dns.AAAA{Hdr: header(owner, dns.TypeAAAA, z.ttl), AAAA: a.AsSlice()}
}

// srv returns a SRV record. All have one priority and one weight: which cluster is near is for others to
// say.
func (z Zone) srv(owner, target string, port uint16) dns.RR {
	return &dns.SRV{Hdr: header(owner, dns.TypeSRV, z.ttl), Priority: 0, Weight: 100, Port: port, Target: target}
}

func version(owner string) dns.RR {
	return &dns.TXT{Hdr: header(owner, dns.TypeTXT, schemaVersionTTL), Txt: []string{schemaVersion}}
}

func header(owner string, typ uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: owner, Rrtype: typ, Class: dns.ClassINET, Ttl: ttl}
}
