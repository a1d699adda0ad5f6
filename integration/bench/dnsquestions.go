package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/miekg/dns"
)

// dnsKind is a kind of question, of one row: one question for each name, all of which have the same rcode for answer.
type dnsKind struct {
	id    string // the row's
	names []string
	qtype uint16
	// size is how large an answer the client takes by EDNS. 0 means that it does not speak EDNS, as most stub
	// resolvers do not, and takes 512 bytes.
	size  uint16
	rcode string // of every answer
	rate  int    // questions per second; 0 for as many as the server answers
}

const (
	// dnsPace is a rate at which either server sleeps between most questions.
	dnsPace = 5000
	// dnsSize is what resolvers say that do speak EDNS: larger datagrams may be lost as fragments.
	dnsSize = 1232
)

// dnsKinds are the kinds of question, in the order of their rows.
func dnsKinds() []dnsKind {
	var services, ports, absent, hosts, headless []string
	for i := range dnsServices {
		services = append(services, dnsHost(dnsName(i)))
		ports = append(ports, "_http._tcp."+dnsHost(dnsName(i)))
		absent = append(absent, dnsHost(fmt.Sprintf("absent-%d", i)))
	}
	for i := range dnsHeadless {
		headless = append(headless, dnsHost(dnsHeadlessName(i)))
		for k := range dnsEndpoints {
			hosts = append(hosts, dnsEndpointHost(i, k))
		}
	}
	return []dnsKind{
		{"dns-clusterip", services, dns.TypeA, 0, "NOERROR", 0},
		{"dns-clusterip/paced", services, dns.TypeA, 0, "NOERROR", dnsPace},
		{"dns-srv", ports, dns.TypeSRV, 0, "NOERROR", 0},
		{"dns-nxdomain", absent, dns.TypeA, 0, "NXDOMAIN", 0},
		{"dns-endpoint", hosts, dns.TypeA, 0, "NOERROR", 0},
		{"dns-headless", headless, dns.TypeA, dnsSize, "NOERROR", 0},
	}
}

func dnsKindIDs() []string {
	var ids []string
	for _, k := range dnsKinds() {
		ids = append(ids, k.id)
	}
	return ids
}

// dnsHost is the name of a service in the zone.
func dnsHost(service string) string { return service + "." + dnsNamespace + ".svc.clusterset.local." }

// dnsEndpointHost is the name of one endpoint of a headless service.
func dnsEndpointHost(service, endpoint int) string {
	return dnsHostname(endpoint) + "." + dnsOwner(endpoint) + "." + dnsHost(dnsHeadlessName(service))
}

// question returns the message that asks for a name.
func (k dnsKind) question(name string) *dns.Msg {
	m := new(dns.Msg).SetQuestion(name, k.qtype)
	if k.size > 0 {
		m.SetEdns0(k.size, false)
	}
	return m
}

// stream returns the questions as dnsperf reads them with -B, as over TCP: each message after its length. They are
// shuffled, so that no service is asked for twice in a row, but every time and for every server the same way.
func (k dnsKind) stream() ([]byte, error) {
	names := slices.Clone(k.names)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	var all []byte
	for _, name := range names {
		m := k.question(name)
		m.Id = 0 // dnsperf counts
		wire, err := m.Pack()
		if err != nil {
			return nil, fmt.Errorf("packing a question for %s: %w", name, err)
		}
		all = append(binary.BigEndian.AppendUint16(all, uint16(len(wire))), wire...)
	}
	return all, nil
}
