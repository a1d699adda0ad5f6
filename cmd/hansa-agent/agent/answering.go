package agent

import (
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hansa-mcs/hansa/dns"
	"github.com/hansa-mcs/hansa/importer/xds"
)

// newDNS binds what answers DNS, if there is to be any.
func (m *member) newDNS() (err error) {
	if m.options.DNSAddress == "" {
		return nil
	}
	m.asked = newDNSNumbers()
	if m.dns, err = dns.New(m.dnsConfig()); err != nil {
		return blameAddress("dns-address", m.options.DNSAddress, err)
	}
	return nil
}

func (m *member) dnsConfig() dns.Config {
	o := m.options
	return dns.Config{
		Address: o.DNSAddress, Zone: o.DNSZone, TTL: o.DNSTTL, Cluster: m.store.Self(), RateLimit: o.DNSRateLimit,
		View: m.importer.View, Ready: m.importer.Ready(), Settled: m.settled,
		Served: m.asked.served, Dropped: m.asked.dropped, Log: m.log,
	}
}

// newXDS binds what serves xDS, if there is to be any.
func (m *member) newXDS() (err error) {
	o := m.options
	if o.XDSAddress == "" {
		return nil
	}
	m.xds, err = xds.New(xds.Config{
		Address: o.XDSAddress, Cluster: m.store.Self(), Domain: o.DNSZone, ClusterDomain: o.ClusterDomain, Stays: o.locals().Stays,
		View: m.importer.View, Ready: m.importer.Ready(), Credentials: insecure.NewCredentials(), MaxClients: o.XDSMaxClients, Log: m.log,
	})
	if err != nil {
		return blameAddress("xds-address", o.XDSAddress, err)
	}
	return nil
}
