package stream

import (
	"math"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// encodeUpdate returns the wire form of u.
func encodeUpdate(u *federation.Update) *wire.Update {
	m := &wire.Update{Owner: string(u.Owner), To: encodeVersion(u.To), Digest: uint64(u.Digest), More: u.More, Meant: u.Meant, Left: u.Left}
	if !u.From.IsZero() {
		m.From = encodeVersion(u.From)
	}
	if !u.At.IsZero() {
		m.At = uint64(u.At.UnixMilli())
	}
	for _, r := range u.Put {
		m.Put = append(m.Put, encodeRecord(r))
	}
	for _, p := range u.Patched {
		m.Patched = append(m.Patched, &wire.Patch{Base: uint64(p.Base), Record: encodeRecord(p.Record), Removed: encodeSubsets(p.Removed)})
	}
	for _, n := range u.Withdrawn {
		m.Withdrawn = append(m.Withdrawn, encodeName(n))
	}
	m.Stale = encodeHashes(u.Stale)
	for _, x := range u.Unread {
		unread := &wire.Unread{Name: encodeName(x.Name), Hash: uint64(x.Hash)}
		if x.Former != nil {
			unread.Former = encodeExport(x.Former)
		}
		m.Unread = append(m.Unread, unread)
	}
	return m
}

func encodeHead(owner federation.ClusterID, h federation.Head) *wire.Head {
	return &wire.Head{Owner: string(owner), Version: encodeVersion(h.Version), Digest: uint64(h.Digest), Records: uint32(min(h.Records, math.MaxUint32))}
}

func encodeHashes(list []federation.Hash) []uint64 {
	out := make([]uint64, len(list))
	for i, h := range list {
		out[i] = uint64(h)
	}
	return out
}

func encodeVersion(v federation.Version) *wire.Version {
	return &wire.Version{Term: v.Term, Seq: v.Seq}
}

func encodeName(n federation.ServiceName) *wire.Name {
	return &wire.Name{Namespace: n.Namespace, Name: n.Name}
}

func encodeRecord(r federation.Record) *wire.Export {
	m := encodeExport(r.Export)
	m.Hash = uint64(r.Hash)
	return m
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
		Subsets:               encodeSubsets(e.Subsets),
		Consumers:             e.Consumers,
		DemoteAfter:           encodeDelay(e.Quiet.Demote),
		WithdrawAfter:         encodeDelay(e.Quiet.Withdraw),
		Prefer:                e.Steering.Prefer,
		MinHealthy:            uint32(e.Steering.MinHealthy),
	}
	if e.Drain.Given() {
		m.DrainSince, m.DrainOver = e.Drain.Since.Unix(), uint32(e.Drain.Over/time.Second)
	}
	for _, w := range e.Steering.Weights {
		m.Weights = append(m.Weights, &wire.Weight{Cluster: string(w.Cluster), Weight: uint32(w.Weight)})
	}
	for _, p := range e.Ports {
		m.Ports = append(m.Ports, &wire.Port{Name: p.Name, Protocol: protocols.encode(p.Protocol), AppProtocol: p.AppProtocol, Number: uint32(p.Number)})
	}
	for _, f := range e.IPFamilies {
		m.IpFamilies = append(m.IpFamilies, families.encode(f))
	}
	m.ProtoReflect().SetUnknown(slices.Clone(e.Extra))
	return m
}

// encodeDelay returns whole seconds, nil where none are given.
func encodeDelay(d federation.Delay) *uint32 {
	if !d.Given {
		return nil
	}
	return new(uint32(d.After / time.Second))
}

func encodeSubsets(list []federation.Subset) []*wire.Subset {
	var out []*wire.Subset
	for _, s := range list {
		out = append(out, encodeSubset(s))
	}
	return out
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
