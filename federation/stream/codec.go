package stream

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// maxExtra bounds what a record may hold that this version does not know.
const maxExtra = 16 << 10

// decodeUpdate returns what m says, normalized and checked. A record that cannot be taken is left
// out, named in Unread, and reported in refused, the first few of them; err means that nothing of the update
// can be used. Endpoints for which drop, if there is one, returns true are left out.
func decodeUpdate(m *wire.Update, drop func(netip.Addr) bool) (u *federation.Update, refused []error, err error) {
	owner, err := federation.ParseClusterID(m.GetOwner())
	if err != nil {
		return nil, nil, fmt.Errorf("owner of an update: %w", err)
	}
	d := &decoder{owner: owner, drop: drop, texts: map[string]string{}, u: &federation.Update{
		Owner: owner, From: decodeVersion(m.GetFrom()), To: decodeVersion(m.GetTo()),
		Digest: federation.Digest(m.GetDigest()), More: m.GetMore(), Meant: m.GetMeant(), Left: m.GetLeft(), Stale: decodeHashes(m.GetStale()),
	}}
	if at := m.GetAt(); at > 0 && at < 1<<53 {
		d.u.At = time.UnixMilli(int64(at))
	}
	for _, x := range m.GetUnread() {
		d.unread(x.GetName(), x.GetHash())
		if former := x.GetFormer(); former != nil && decodeName(former.GetName()) == decodeName(x.GetName()) {
			if e, err := d.export(former); err == nil {
				d.u.Unread[len(d.u.Unread)-1].Former = e
			}
		}
	}
	for _, r := range m.GetPut() {
		if e, err := d.export(r); err != nil {
			d.refuse(r, err)
		} else {
			d.u.Put = append(d.u.Put, federation.Record{Export: e, Hash: federation.Hash(r.GetHash())})
		}
	}
	for _, p := range m.GetPatched() {
		if patch, err := d.patch(p); err != nil {
			d.refuse(p.GetRecord(), err)
		} else {
			d.u.Patched = append(d.u.Patched, patch)
		}
	}
	for _, n := range m.GetWithdrawn() {
		d.u.Withdrawn = append(d.u.Withdrawn, decodeName(n))
	}
	if err := namedOnce(d.u); err != nil {
		return nil, nil, err
	}
	return d.u, d.refused, nil
}

// namedOnce returns an error when an update names a service twice: what it makes of it would depend on who reads it.
func namedOnce(u *federation.Update) (err error) {
	seen := make(map[federation.ServiceName]bool, len(u.Put)+len(u.Patched)+len(u.Withdrawn)+len(u.Unread))
	note := func(n federation.ServiceName) {
		if seen[n] {
			err = fmt.Errorf("update of %s to %s names %.130q twice", u.Owner, u.To, n.String())
		}
		seen[n] = true
	}
	for _, r := range u.Put {
		note(r.Name)
	}
	for i := range u.Patched {
		note(u.Patched[i].Name)
	}
	for _, n := range u.Withdrawn {
		note(n)
	}
	for _, x := range u.Unread {
		note(x.Name)
	}
	return err
}

// decoder makes an Update of its wire form.
type decoder struct {
	owner   federation.ClusterID
	drop    func(netip.Addr) bool
	texts   map[string]string // that many endpoints share
	u       *federation.Update
	refused []error
}

// refuse leaves a record out, whose hash counts nonetheless: the owner said it.
func (d *decoder) refuse(r *wire.Export, err error) {
	if len(d.refused) < maxReported {
		d.refused = append(d.refused, fmt.Errorf("record %.130q of %s: %w", decodeName(r.GetName()).String(), d.owner, err))
	}
	d.unread(r.GetName(), r.GetHash())
}

// unread names a record that was left out. One without a name that can be stands under its hash, which no service
// can be called.
func (d *decoder) unread(n *wire.Name, hash uint64) {
	name := decodeName(n)
	if name.Check() != nil {
		name = federation.ServiceName{Name: fmt.Sprintf("#%x", hash)}
	}
	d.u.Unread = append(d.u.Unread, federation.Unread{Name: name, Hash: federation.Hash(hash)})
}

func (d *decoder) patch(p *wire.Patch) (federation.Patch, error) {
	e, err := d.export(p.GetRecord())
	if err != nil {
		return federation.Patch{}, err
	}
	gone := federation.Export{}
	if gone.Subsets, err = d.gone(p); err != nil {
		return federation.Patch{}, err
	}
	gone.Normalize()
	return federation.Patch{
		Base:    federation.Hash(p.GetBase()),
		Record:  federation.Record{Export: e, Hash: federation.Hash(p.GetRecord().GetHash())},
		Removed: gone.Subsets,
	}, nil
}

// gone returns the endpoints that a patch takes away: those that the owner removed, and those that it put and that
// are left out here, as they may be held from before they were.
func (d *decoder) gone(p *wire.Patch) ([]federation.Subset, error) {
	drop := d.drop
	d.drop = nil
	defer func() { d.drop = drop }()
	list := slices.Clone(p.GetRemoved())
	for _, s := range p.GetRecord().GetSubsets() {
		out := &wire.Subset{Ports: s.GetPorts()}
		for _, ep := range s.GetEndpoints() {
			if address, ok := netip.AddrFromSlice(ep.GetAddress()); ok && drop != nil && drop(address) {
				out.Endpoints = append(out.Endpoints, ep)
			}
		}
		list = append(list, out)
	}
	return d.subsets(list)
}

func (d *decoder) export(m *wire.Export) (*federation.Export, error) {
	if m == nil {
		m = &wire.Export{}
	}
	e := &federation.Export{
		Cluster:                d.owner,
		Name:                   decodeName(m.GetName()),
		Created:                time.Unix(m.GetCreated(), 0),
		Type:                   types.decode(m.GetType()),
		SessionAffinity:        "None",
		SessionAffinitySeconds: m.GetAffinitySeconds(),
		InternalTrafficPolicy:  d.shared(m.GetInternalTrafficPolicy()),
		TrafficDistribution:    d.shared(m.GetTrafficDistribution()),
		Labels:                 m.GetLabels(),
		Annotations:            m.GetAnnotations(),
		Network:                d.shared(m.GetNetwork()),
		Consumers:              m.GetConsumers(),
		Quiet:                  federation.Quiet{Demote: decodeDelay(m.DemoteAfter), Withdraw: decodeDelay(m.WithdrawAfter)},
	}
	if extra := m.ProtoReflect().GetUnknown(); len(extra) > maxExtra {
		return nil, fmt.Errorf("%d bytes that this version does not know: want at most %d", len(extra), maxExtra)
	} else if len(extra) > 0 {
		e.Extra = slices.Clone(extra)
	}
	if since := m.GetDrainSince(); since != 0 {
		e.Drain = federation.Drain{Since: time.Unix(since, 0), Over: time.Duration(m.GetDrainOver()) * time.Second}
	}
	if m.GetClientIpAffinity() {
		e.SessionAffinity = "ClientIP"
	}
	for _, p := range m.GetPorts() {
		number, err := portNumber(p.GetNumber())
		if err != nil {
			return nil, err
		}
		e.Ports = append(e.Ports, federation.Port{Name: d.shared(p.GetName()), Protocol: protocols.decode(p.GetProtocol()), AppProtocol: d.shared(p.GetAppProtocol()), Number: number})
	}
	if n := len(m.GetIpFamilies()); n > 2 {
		return nil, fmt.Errorf("%d IP families: want at most 2", n)
	}
	for _, f := range m.GetIpFamilies() {
		e.IPFamilies = append(e.IPFamilies, families.decode(f))
	}
	var err error
	if e.Steering, err = decodeSteering(m); err != nil {
		return nil, err
	}
	if e.Subsets, err = d.subsets(m.GetSubsets()); err != nil {
		return nil, err
	}
	if n := sizeOf(e); n > maxRecord {
		return nil, fmt.Errorf("about %d bytes: want at most %d", n, maxRecord)
	}
	if err := e.Check(); err != nil {
		return nil, err
	}
	e.Normalize()
	return e, nil
}

// decodeSteering leaves to Check what numbers mean that fit.
func decodeSteering(m *wire.Export) (s federation.Steering, err error) {
	s.Prefer = m.GetPrefer()
	if n := m.GetMinHealthy(); n > math.MaxUint8 {
		return s, fmt.Errorf("healthy share %d: want at most 100 percent", n)
	}
	s.MinHealthy = uint8(m.GetMinHealthy())
	for _, w := range m.GetWeights() {
		if w.GetWeight() > math.MaxUint16 {
			return s, fmt.Errorf("weight %d: want at most %d", w.GetWeight(), federation.MaxWeight)
		}
		s.Weights = append(s.Weights, federation.Weight{Cluster: federation.ClusterID(w.GetCluster()), Weight: uint16(w.GetWeight())})
	}
	return s, nil
}

func (d *decoder) subsets(list []*wire.Subset) ([]federation.Subset, error) {
	var out []federation.Subset
	for _, m := range list {
		s, err := d.subset(m)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// subset drops endpoints that cannot be reached from elsewhere; the others go on.
func (d *decoder) subset(m *wire.Subset) (federation.Subset, error) {
	var s federation.Subset
	for _, p := range m.GetPorts() {
		number, err := portNumber(p.GetNumber())
		if err != nil {
			return s, err
		}
		s.Ports = append(s.Ports, federation.TargetPort{Name: d.shared(p.GetName()), Protocol: protocols.decode(p.GetProtocol()), Number: number})
	}
	s.Endpoints = make([]federation.Endpoint, 0, len(m.GetEndpoints()))
	for _, ep := range m.GetEndpoints() {
		address, _ := netip.AddrFromSlice(ep.GetAddress())
		if !federation.Reachable(address) || d.drop != nil && d.drop(address) {
			continue
		}
		s.Endpoints = append(s.Endpoints, federation.Endpoint{
			Address:    address,
			Hostname:   ep.GetHostname(),
			Zone:       d.shared(ep.GetZone()),
			Region:     d.shared(ep.GetRegion()),
			Conditions: decodeConditions(ep),
		})
	}
	return s, nil
}

// shared returns the text, in one copy for all of the update.
func (d *decoder) shared(text string) string {
	if text == "" {
		return ""
	}
	if known, ok := d.texts[text]; ok {
		return known
	}
	d.texts[text] = text
	return text
}

func decodeHead(m *wire.Head) federation.Head {
	return federation.Head{Version: decodeVersion(m.GetVersion()), Digest: federation.Digest(m.GetDigest()), Records: int(m.GetRecords())}
}

func decodeHashes(list []uint64) []federation.Hash {
	out := make([]federation.Hash, len(list))
	for i, h := range list {
		out[i] = federation.Hash(h)
	}
	return out
}

func decodeVersion(v *wire.Version) federation.Version {
	return federation.Version{Term: v.GetTerm(), Seq: v.GetSeq()}
}

func decodeName(n *wire.Name) federation.ServiceName {
	return federation.ServiceName{Namespace: n.GetNamespace(), Name: n.GetName()}
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

func decodeDelay(seconds *uint32) federation.Delay {
	if seconds == nil {
		return federation.Delay{}
	}
	return federation.Delay{Given: true, After: time.Duration(*seconds) * time.Second}
}

func portNumber(n uint32) (uint16, error) {
	if n == 0 || n > math.MaxUint16 {
		return 0, fmt.Errorf("port %d: want 1 to 65535", n)
	}
	return uint16(n), nil
}
