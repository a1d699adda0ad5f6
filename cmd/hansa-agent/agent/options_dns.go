package agent

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/hansa-mcs/hansa/dns"
)

func (o *Options) addDNSFlags(f *pflag.FlagSet) {
	f.StringVar(&o.DNSAddress, "dns-address", o.DNSAddress, "host:port on which DNS is answered, UDP and TCP; without it there is no DNS")
	f.StringVar(&o.DNSZone, "dns-zone", o.DNSZone, "zone that DNS is answered for, and domain of the xDS hosts below svc")
	f.DurationVar(&o.DNSTTL, "dns-ttl", o.DNSTTL, "how long who asks by DNS may remember an answer, in whole seconds up to 1h; 0 for not at all")
	f.IntVar(&o.DNSRateLimit, "dns-rate-limit", o.DNSRateLimit, "questions per second that one client may ask by DNS, UDP and TCP together; those beyond are REFUSED; 0 for no limit; where CoreDNS forwards the zone the clients are its pods, each of which asks for many")
}

// checkDNS tells bad of what is wrong with how DNS is answered.
func (o *Options) checkDNS(bad func(flag, value string, err error)) {
	if o.DNSAddress != "" {
		bad("dns-address", o.DNSAddress, checkListen(o.DNSAddress))
	}
	bad("dns-zone", o.DNSZone, o.checkZone())
	bad("dns-ttl", o.DNSTTL.String(), dns.CheckTTL(o.DNSTTL))
	if o.DNSRateLimit < 0 {
		bad("dns-rate-limit", strconv.Itoa(o.DNSRateLimit), errors.New("want a number from 0, which is no limit"))
	}
}

// checkZone wants the spelling that DNS and xDS share, and a zone without names of the cluster's own.
func (o *Options) checkZone() error {
	zone, err := parseDomain(o.DNSZone)
	if err != nil {
		return err
	}
	if own, err := parseDomain(o.ClusterDomain); err == nil && zone.Overlaps(own) {
		return fmt.Errorf("want one that is not --cluster-domain %s, nor above or below it: those names are this cluster's own", o.ClusterDomain)
	}
	return nil
}

// parseDomain reads a domain in its one spelling: lower case, without a final dot.
func parseDomain(name string) (dns.Zone, error) {
	zone, err := dns.ParseZone(name, dns.DefaultTTL)
	if err == nil && zone.String() != name+"." {
		return zone, fmt.Errorf("want %q", strings.TrimSuffix(zone.String(), "."))
	}
	return zone, err
}
