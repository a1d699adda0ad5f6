package stream

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// encodeUpdate returns the wire form of u.
func encodeUpdate(u *federation.Update) ([]byte, error) {
	m := &wire.Update{Owner: string(u.Owner), To: encodeVersion(u.To)}
	if !u.Whole() {
		m.From = encodeVersion(u.From)
	}
	for _, e := range u.Put {
		m.Put = append(m.Put, encodeExport(e))
	}
	for _, n := range u.Withdrawn {
		m.Withdrawn = append(m.Withdrawn, encodeName(n))
	}
	return proto.Marshal(m)
}

// decodeUpdate returns what data says, normalized and checked. A record that cannot be taken is left
// out, named in Unread where its name can be read, and reported in refused, the first few of them; err
// means that nothing of the update can be used.
func decodeUpdate(data []byte) (u *federation.Update, refused []error, err error) {
	var m wire.Update
	if err := checkParts(data); err != nil {
		return nil, nil, fmt.Errorf("decoding an update: %w", err)
	}
	if err := proto.Unmarshal(data, &m); err != nil {
		return nil, nil, fmt.Errorf("decoding an update: %w", err)
	}
	owner, err := federation.ParseClusterID(m.GetOwner())
	if err != nil {
		return nil, nil, fmt.Errorf("owner of an update: %w", err)
	}
	u = &federation.Update{Owner: owner, From: decodeVersion(m.GetFrom()), To: decodeVersion(m.GetTo())}
	for _, r := range m.GetPut() {
		e, err := decodeExport(owner, r)
		if err == nil {
			u.Put = append(u.Put, e)
			continue
		}
		if len(refused) < maxReported {
			refused = append(refused, fmt.Errorf("record %.130q of %s: %w", decodeName(r.GetName()).String(), owner, err))
		}
		if name := decodeName(r.GetName()); name.Check() == nil {
			u.Unread = append(u.Unread, name)
		}
	}
	for _, n := range m.GetWithdrawn() {
		u.Withdrawn = append(u.Withdrawn, decodeName(n))
	}
	return u, refused, nil
}

func encodeVersion(v federation.Version) *wire.Version {
	return &wire.Version{Term: v.Term, Seq: v.Seq}
}

func decodeVersion(v *wire.Version) federation.Version {
	return federation.Version{Term: v.GetTerm(), Seq: v.GetSeq()}
}

func encodeName(n federation.ServiceName) *wire.Name {
	return &wire.Name{Namespace: n.Namespace, Name: n.Name}
}

func decodeName(n *wire.Name) federation.ServiceName {
	return federation.ServiceName{Namespace: n.GetNamespace(), Name: n.GetName()}
}

func encodeExport(e *federation.Export) *wire.Export {
	m := &wire.Export{
		Name:                  encodeName(e.Name),
		Created:               e.Created.Unix(),
		Type:                  types.encode(e.Type),
		ClientIpAffinity:      e.SessionAffinity == "ClientIP",
		AffinitySeconds:       e.SessionAffinitySeconds,
		InternalTrafficPolicy: e.InternalTrafficPolicy,
		TrafficDistribution:   e.TrafficDistribution,
		Labels:                e.Labels,
		Annotations:           e.Annotations,
		Network:               e.Network,
	}
	for _, p := range e.Ports {
		m.Ports = append(m.Ports, &wire.Port{Name: p.Name, Protocol: protocols.encode(p.Protocol), AppProtocol: p.AppProtocol, Number: uint32(p.Number)})
	}
	for _, f := range e.IPFamilies {
		m.IpFamilies = append(m.IpFamilies, families.encode(f))
	}
	for _, s := range e.Subsets {
		m.Subsets = append(m.Subsets, encodeSubset(s))
	}
	return m
}

func encodeSubset(s federation.Subset) *wire.Subset {
	m := &wire.Subset{}
	for _, p := range s.Ports {
		m.Ports = append(m.Ports, &wire.TargetPort{Name: p.Name, Protocol: protocols.encode(p.Protocol), Number: uint32(p.Number)})
	}
	for _, ep := range s.Endpoints {
		m.Endpoints = append(m.Endpoints, &wire.Endpoint{
			Address:     ep.Address.AsSlice(),
			Hostname:    ep.Hostname,
			Zone:        ep.Zone,
			Region:      ep.Region,
			Ready:       ep.Conditions.Has(federation.Ready),
			Serving:     ep.Conditions.Has(federation.Serving),
			Terminating: ep.Conditions.Has(federation.Terminating),
		})
	}
	return m
}

func decodeExport(owner federation.ClusterID, m *wire.Export) (*federation.Export, error) {
	e := &federation.Export{
		Cluster:                owner,
		Name:                   decodeName(m.GetName()),
		Created:                time.Unix(m.GetCreated(), 0),
		Type:                   types.decode(m.GetType()),
		SessionAffinity:        "None",
		SessionAffinitySeconds: m.GetAffinitySeconds(),
		InternalTrafficPolicy:  m.GetInternalTrafficPolicy(),
		TrafficDistribution:    m.GetTrafficDistribution(),
		Labels:                 m.GetLabels(),
		Annotations:            m.GetAnnotations(),
		Network:                m.GetNetwork(),
	}
	if m.GetClientIpAffinity() {
		e.SessionAffinity = "ClientIP"
	}
	for _, p := range m.GetPorts() {
		number, err := portNumber(p.GetNumber())
		if err != nil {
			return nil, err
		}
		e.Ports = append(e.Ports, federation.Port{Name: p.GetName(), Protocol: protocols.decode(p.GetProtocol()), AppProtocol: p.GetAppProtocol(), Number: number})
	}
	if n := len(m.GetIpFamilies()); n > 2 {
		return nil, fmt.Errorf("%d IP families: want at most 2", n)
	}
	for _, f := range m.GetIpFamilies() {
		e.IPFamilies = append(e.IPFamilies, families.decode(f))
	}
	for _, s := range m.GetSubsets() {
		subset, err := decodeSubset(s)
		if err != nil {
			return nil, err
		}
		e.Subsets = append(e.Subsets, subset)
	}
	if err := e.Check(); err != nil {
		return nil, err
	}
	e.Normalize()
	return e, nil
}

// decodeSubset drops endpoints that cannot be reached from elsewhere; the others go on.
func decodeSubset(m *wire.Subset) (federation.Subset, error) {
	var s federation.Subset
	for _, p := range m.GetPorts() {
		number, err := portNumber(p.GetNumber())
		if err != nil {
			return s, err
		}
		s.Ports = append(s.Ports, federation.TargetPort{Name: p.GetName(), Protocol: protocols.decode(p.GetProtocol()), Number: number})
	}
	for _, ep := range m.GetEndpoints() {
		address, _ := netip.AddrFromSlice(ep.GetAddress())
		if !federation.Reachable(address) {
			continue
		}
		s.Endpoints = append(s.Endpoints, federation.Endpoint{
			Address:    address,
			Hostname:   ep.GetHostname(),
			Zone:       ep.GetZone(),
			Region:     ep.GetRegion(),
			Conditions: decodeConditions(ep),
		})
	}
	return s, nil
}

func decodeConditions(ep *wire.Endpoint) (c federation.Conditions) {
	if ep.GetReady() {
		c |= federation.Ready
	}
	if ep.GetServing() {
		c |= federation.Serving
	}
	if ep.GetTerminating() {
		c |= federation.Terminating
	}
	return c
}

func portNumber(n uint32) (uint16, error) {
	if n == 0 || n > math.MaxUint16 {
		return 0, fmt.Errorf("port %d: want 1 to 65535", n)
	}
	return uint16(n), nil
}
