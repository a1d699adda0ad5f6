package agent

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/importer/xds"
)

// servedXDS is the xDS server as people are told of it.
type servedXDS struct {
	server          *xds.Server
	clusterset, own string // the domains
}

// discovery returns what serves xDS, nil if nothing does.
func (m *member) discovery() report.Discovery {
	if m.xds == nil { // whose nil pointer would not be a nil interface
		return nil
	}
	o := m.options
	return servedXDS{m.xds, strings.TrimSuffix(o.DNSZone, "."), strings.TrimSuffix(o.ClusterDomain, ".")}
}

// typeURLs are the full names of the types.
var typeURLs = map[report.XDSType]string{
	report.CDS: xds.ClusterType,
	report.EDS: xds.EndpointType,
	report.LDS: xds.ListenerType,
	report.RDS: xds.RouteType,
}

// typeOf returns the type of a full name.
func typeOf(typeURL string) report.XDSType {
	for t, url := range typeURLs {
		if url == typeURL {
			return t
		}
	}
	return ""
}

// Address implements report.Discovery.
func (d servedXDS) Address() string { return d.server.Addr().String() }

// Domains implements report.Discovery.
func (d servedXDS) Domains() (clusterset, own string) { return d.clusterset, d.own }

// MaxClients implements report.Discovery.
func (d servedXDS) MaxClients() int { return d.server.MaxClients() }

// TurnedAway implements report.Discovery.
func (d servedXDS) TurnedAway() uint64 { return d.server.TurnedAway() }

// Quarantined implements report.Discovery.
func (d servedXDS) Quarantined() map[string]string { return d.server.Quarantined() }

// Clients implements report.Discovery.
func (d servedXDS) Clients() []report.XDSClient { return clientsOf(d.server.Clients()) }

// ClientsCalled implements report.Discovery.
func (d servedXDS) ClientsCalled(name string) []report.XDSClient {
	return clientsOf(d.server.ClientsCalled(name))
}

func clientsOf(all []xds.Client) []report.XDSClient {
	list := make([]report.XDSClient, len(all))
	for i, c := range all {
		list[i] = report.XDSClient{
			ID: c.ID, Group: c.Group, Software: c.UserAgent, Address: c.Address, Since: c.Since.UTC().Truncate(time.Millisecond),
			Variant: variantOf(c.Delta), Audience: audienceOf(c.Audience), EgressFault: c.EgressFault,
			Types: statesOf(c.Types), Unserved: append([]string{}, c.Unserved...),
		}
	}
	return list
}

func variantOf(delta bool) string {
	if delta {
		return report.VariantDelta
	}
	return report.VariantSotW
}

func audienceOf(a xds.Audience) report.XDSAudience {
	egress := ""
	if a.Egress.IsValid() {
		egress = a.Egress.String()
	}
	return report.XDSAudience{Kind: a.Kind.String(), Region: a.Region, Zone: a.Zone, Egress: egress}
}

func statesOf(types []xds.ClientType) []report.XDSState {
	states := make([]report.XDSState, len(types))
	for i, t := range types {
		states[i] = report.XDSState{
			Type: typeOf(t.TypeURL), Wildcard: t.Wildcard, Subscribed: t.Total, Missing: t.Missing, Names: t.Names, Absent: t.Absent,
			Sent: t.Sent, Acked: t.Acked, Unanswered: t.Unacked, Waiting: t.Waiting, NACKs: t.Refusals,
		}
		if t.Refusals > 0 {
			states[i].LastNACK = &report.XDSNACK{At: t.At.UTC().Truncate(time.Millisecond), Version: t.Refused, Error: t.Error}
		}
	}
	return states
}

// Serving reports whether clients are answered: before that there is nothing to show.
func (d servedXDS) Serving() bool { return d.server.Serving() }

// Names implements report.Discovery.
func (d servedXDS) Names(t report.XDSType) []string { return d.server.Names(typeURLs[t]) }

// Resource implements report.Discovery.
func (d servedXDS) Resource(to report.XDSAudience, t report.XDSType, name string) (*report.XDSResource, error) {
	a := xds.Audience{Region: to.Region, Zone: to.Zone}
	switch to.Kind {
	case report.KindEnvoy:
		a.Kind = xds.Envoy
	case report.KindGRPC:
		a.Kind = xds.GRPC
	}
	if to.Egress != "" {
		var err error
		if a.Egress, err = netip.ParseAddrPort(to.Egress); err != nil {
			return nil, fmt.Errorf("egress: %w", err)
		}
	}
	told, err := d.server.Dump(a, typeURLs[t], name)
	if err != nil || told == nil {
		return nil, err
	}
	message, err := protojson.Marshal(told.Message)
	if err != nil {
		return nil, fmt.Errorf("writing it as JSON: %w", err)
	}
	return &report.XDSResource{Type: t, Name: name, Version: told.Version, Message: message}, nil
}
