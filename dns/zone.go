package dns

import (
	"encoding/binary"
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
	maxNegativeTTL   = 5       // seconds that a resolver may remember that there is nothing
	maxName          = 254     // characters of a name with its final dot (D12)
	maxZone          = 63      // leaves room for the labels of a service and a port (D12)
	maxTTL           = time.Hour
)

// Zone is what Answer knows beside the View: where the zone hangs, how long its records last, and in which cluster it is
// served. Get one from ParseZone.
type Zone struct {
	origin string               // lower case, with the final dot
	ttl    uint32               // seconds
	self   federation.ClusterID // whose endpoints come first; "" for no cluster's
	denial []byte               // the SOA behind its owner, in wire format
	wire   int                  // bytes of the origin in wire format
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
	if err := CheckTTL(ttl); err != nil {
		return Zone{}, fmt.Errorf("DNS TTL %s: %w", ttl, err)
	}
	z := Zone{origin: origin + ".", ttl: uint32(ttl / time.Second), wire: len(origin) + 2}
	var s section
	if err := s.add(z.soa(z.origin, 0), z.origin); err != nil {
		return Zone{}, fmt.Errorf("DNS zone %q: %w", name, err)
	}
	z.denial = s.wire[2:]
	return z, nil
}

// CheckTTL returns what is wanted of a TTL that a zone cannot have.
func CheckTTL(ttl time.Duration) error {
	if ttl < 0 || ttl > maxTTL || ttl%time.Second != 0 {
		return fmt.Errorf("want whole seconds from 0s to %s", maxTTL)
	}
	return nil
}

// Overlaps reports whether one of the zones is the other, or in it: whoever answers for the one takes names of the other.
func (z Zone) Overlaps(o Zone) bool {
	return dns.IsSubDomain(z.origin, o.origin) || dns.IsSubDomain(o.origin, z.origin)
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
		Hdr:     header(owner, dns.TypeSOA, z.negativeTTL()),
		Ns:      z.nameServer(),
		Mbox:    "hostmaster." + z.origin,
		Serial:  uint32(serial),
		Refresh: 7200,
		Retry:   1800,
		Expire:  86400,
		Minttl:  z.negativeTTL(),
	}
}

// serialAt is where the serial begins in an SOA, from its end.
const serialAt = 20

// writeDenial appends the SOA of that serial, which goes with what is not there (RFC 2308). Its owner is the end of the
// question's name, so that it has the spelling of that.
func (z *Zone) writeDenial(b []byte, r *request, serial uint32) []byte {
	owner := headerSize + len(r.name) - z.wire
	b = append(b, pointerMask|byte(owner>>8), byte(owner))
	b = append(b, z.denial...)
	binary.BigEndian.PutUint32(b[len(b)-serialAt:], serial)
	return b
}

func (z Zone) negativeTTL() uint32 { return min(z.ttl, maxNegativeTTL) }

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
