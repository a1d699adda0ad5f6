package corefile

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/hansa-mcs/hansa/dns"
)

// OwnDomain is the domain of a cluster's own Services where nobody says otherwise.
const OwnDomain = "cluster.local"

// MostUpstreams is how many servers CoreDNS's plugin forward takes; with more CoreDNS does not start.
const MostUpstreams = 15

// ParseZone returns a zone that is spelled as agents take it, with or without the dot of the root.
func ParseZone(name string) (dns.Zone, error) {
	zone, err := dns.ParseZone(name, dns.DefaultTTL)
	if err != nil || zone.String() != trim(name)+"." {
		return zone, fmt.Errorf("want a DNS name in lower case of at most 63 characters, such as %s", dns.DefaultZone)
	}
	return zone, nil
}

// Apart says what is wrong with a block for a zone beside that of own, the domain of the cluster's own Services: it must not
// take names from it. What is no domain has no names.
func Apart(zone dns.Zone, own string) error {
	domain, err := dns.ParseZone(own, dns.DefaultTTL)
	if err != nil || !zone.Overlaps(domain) {
		return nil
	}
	return fmt.Errorf("want a zone that is neither %s, this cluster's own domain, nor above or below it, as the block would take names from that", trim(domain.String()))
}

// ParseTTL reads a TTL as it is given to agents, "" for their default.
func ParseTTL(text string) (time.Duration, error) {
	if text == "" {
		return dns.DefaultTTL, nil
	}
	ttl, err := time.ParseDuration(text)
	if err != nil {
		ttl = -1 // is refused in the same words
	}
	if err := dns.CheckTTL(ttl); err != nil {
		return 0, err
	}
	return ttl, nil
}

// Upstream returns the address of a server in the one way in which the plugin forward is told it: without brackets where
// there is no port but 53.
func Upstream(address string) (string, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		at, err = netip.ParseAddrPort(address + ":53")
	}
	if err != nil {
		ip, err := netip.ParseAddr(address)
		if err != nil {
			return "", errUpstream
		}
		at = netip.AddrPortFrom(ip, 53)
	}
	switch {
	case at.Port() == 0 || at.Addr().IsUnspecified():
		return "", errUpstream
	case at.Port() == 53:
		return at.Addr().String(), nil
	}
	return at.String(), nil
}

var errUpstream = errors.New("want an IP address, such as 10.96.0.53, or one with a port, such as 10.96.0.53:5353 or [fd00::53]:5353")
