package report

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/hansa-mcs/hansa/federation"
)

// XDSQuery says what of xDS is asked. Of /v1/xds it has a Client alone, or nothing.
type XDSQuery struct {
	// Client is the ID of a connected client's node, or its address; "" for none, and then Audience says for whom.
	Client   string
	Audience XDSAudience
	Type     XDSType
	// Name is that of a resource; a host, with a port or without; or namespace/name of a service. "" is for all.
	Name  string
	After string // the name of a resource: what an answer had as next
	Limit int    // at most so many; 0 for as many as one answer has
}

// Values returns the query as the parameters of a URL.
func (q XDSQuery) Values() url.Values {
	v := url.Values{}
	for _, p := range q.parameters() {
		if *p.value != "" {
			v.Set(p.key, *p.value)
		}
	}
	if q.Type != "" {
		v.Set("type", string(q.Type))
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

// parameter is one that is a text.
type parameter struct {
	key   string
	value *string
}

func (q *XDSQuery) parameters() []parameter {
	a := &q.Audience
	return []parameter{{"client", &q.Client}, {"kind", &a.Kind}, {"region", &a.Region}, {"zone", &a.Zone}, {"egress", &a.Egress}, {"name", &q.Name}, {"after", &q.After}}
}

// ParseXDSQuery reads the parameters of a URL. Its errors name the parameter, its value and what is expected.
func ParseXDSQuery(v url.Values) (q XDSQuery, err error) {
	for key, values := range v {
		value := values[len(values)-1]
		bad := func(want string) error { return fmt.Errorf("%s=%.100q: %s", key, value, want) }
		texts := q.parameters()
		i := slices.IndexFunc(texts, func(p parameter) bool { return p.key == key })
		switch {
		case len(values) > 1:
			return XDSQuery{}, bad("given several times: want it once")
		case i >= 0:
			*texts[i].value = value
		case key == "type":
			if q.Type = XDSType(value); !slices.Contains(XDSTypes, q.Type) {
				return XDSQuery{}, bad("want cds, eds, lds or rds")
			}
		case key == "limit":
			if q.Limit, err = strconv.Atoi(value); err != nil || q.Limit < 1 {
				return XDSQuery{}, bad("want a number from 1")
			}
		default:
			return XDSQuery{}, fmt.Errorf("unknown parameter %.100q: want client, kind, region, zone, egress, type, name, after or limit", key)
		}
	}
	return q, q.check()
}

func (q XDSQuery) check() error {
	a := q.Audience
	switch {
	case q.Client != "" && a != XDSAudience{}:
		return errors.New("client: want it without kind, region, zone and egress, which are the client's")
	case a.Kind != "" && !slices.Contains(XDSKinds, a.Kind):
		return fmt.Errorf("kind=%.100q: want %s", a.Kind, strings.Join(XDSKinds, ", "))
	case len(a.Region) > federation.MaxText || len(a.Zone) > federation.MaxText:
		return fmt.Errorf("region, zone: want at most %d bytes", federation.MaxText)
	case a.Egress == "":
		return nil
	case a.Kind != KindEnvoy:
		return errors.New("egress: it is for kind=envoy")
	}
	if _, err := netip.ParseAddrPort(a.Egress); err != nil {
		return fmt.Errorf("egress=%.100q: want IP:port", a.Egress)
	}
	return nil
}

// onlyClient refuses what /v1/xds does not heed.
func (q XDSQuery) onlyClient() error {
	if q != (XDSQuery{Client: q.Client}) {
		return errors.New("this answer takes no parameter but client")
	}
	return nil
}
