package tables

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
)

// connected is an Envoy that took all, and a gRPC client that refused something and has not answered something else.
func connected() *Connected {
	envoy := report.XDSClient{
		ID: "envoy-1", Group: "edge", Software: "envoy 1.36.0", Address: "10.0.0.8:1", Since: noon.Add(-time.Minute), Variant: "delta",
		Audience: report.XDSAudience{Kind: "envoy", Region: "eu", Zone: "eu-1", Egress: "127.0.0.1:15001"},
		Types: []report.XDSState{
			{Type: "cds", Wildcard: true, Sent: "9", Acked: "9"},
			{Type: "eds", Subscribed: 3, Sent: "9", Acked: "9", Names: []string{"a", "b"}},
		},
	}
	grpc := report.XDSClient{
		ID: "web-1", Address: "10.0.0.7:1", Since: noon.Add(-2 * time.Hour), Variant: "sotw", Audience: report.XDSAudience{Kind: "grpc"},
		Types: []report.XDSState{
			{Type: "lds", Wildcard: true, Subscribed: 1, Sent: "3", Acked: "2", NACKs: 4, LastNACK: &report.XDSNACK{At: noon, Version: "3", Error: "no\x1b[2J route"}},
			{Type: "eds", Subscribed: 1, Sent: "3", Acked: "2", Unanswered: true, Waiting: 7},
		},
	}
	return &Connected{Agents: []*report.XDS{
		{At: noon, Cluster: "east", Agent: "east-0", Address: "10.0.0.1:15010", Clients: []report.XDSClient{envoy}, Quarantined: []report.XDSQuarantined{{Name: "bad", Why: "port 0"}}},
		{At: noon, Cluster: "east", Agent: "east-1", Clients: []report.XDSClient{grpc, {ID: "new", Address: "10.0.0.9:1", Since: noon, Audience: report.XDSAudience{Kind: "other"}}}, More: 2, Quarantined: []report.XDSQuarantined{{Name: "bad", Why: "port 0"}}},
	}}
}

func TestXDSClients(t *testing.T) {
	all, none, alone, silent := connected(), connected(), connected(), connected()
	none.Agents = none.Agents[:1]
	none.Agents[0].Clients, none.Agents[0].Quarantined = nil, nil
	alone.Agents, alone.Alone = alone.Agents[:1], true
	alone.Agents[0].Quarantined = nil
	silent.Agents = nil
	silent.Unanswered = []Unanswered{{Agent: "east-2", Why: "it does not answer"}}
	for about, c := range map[string]struct {
		is   *Connected
		wide bool
		want string
	}{
		"nobody": {none, false, "No client is connected. Clients connect to 10.0.0.1:15010.\n"},
		"one agent alone": {alone, false, `CLIENT   KIND   ADDRESS     ZONE  SINCE  TYPE  SUBSCRIBED  ACKED  NACKS
envoy-1  envoy  10.0.0.8:1  eu-1  1m0s   cds   all         9      0
envoy-1  envoy  10.0.0.8:1  eu-1  1m0s   eds   3           9      0

Agent east-0 was asked alone; other agents of cluster east have clients of their own.
`},
		"an agent that did not answer": {silent, false, "No client is connected.\n\nAgent east-2 has clients, too, and did not say which: it does not answer\n"},
		"all, wide": {all, true, `CLIENT   KIND   ADDRESS     ZONE  SINCE  TYPE  SUBSCRIBED  ACKED    NACKS  REGION  VARIANT  SOFTWARE      AGENT
envoy-1  envoy  10.0.0.8:1  eu-1  1m0s   cds   all         9        0      eu      delta    envoy 1.36.0  east-0
envoy-1  envoy  10.0.0.8:1  eu-1  1m0s   eds   3           9        0      eu      delta    envoy 1.36.0  east-0
web-1    grpc   10.0.0.7:1  -     120m   lds   all and 1   refused  4      -       sotw     -             east-1
web-1    grpc   10.0.0.7:1  -     120m   eds   1           waits    0      -       sotw     -             east-1
new      other  10.0.0.9:1  -     0s     -     -           -        -      -       -        -             east-1

and 2 clients more of agent east-1
  ! bad is not told, or not wholly: port 0
`},
	} {
		var b bytes.Buffer
		if err := XDSClients(&b, c.is, c.wide); err != nil || b.String() != c.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", about, err, b.String(), c.want)
		}
	}
}

func TestXDSClient(t *testing.T) {
	const want = `Client  envoy-1, of group edge
Kind    envoy, envoy 1.36.0, by the variant delta
Place   region eu, zone eu-1
Egress  none: it does not subscribe to lds: dynamic_resources.lds_config is missing in its bootstrap
Since   2026-03-01T11:59:00Z, for 1m0s, from 10.0.0.8:1
Agent   east-0, at 10.0.0.1:15010

TYPE  SUBSCRIBED  SENT  ACKED  WAITING  NACKS
cds   all         9     9      0        0
eds   3           9     9      0        0

TYPE  NAME        STATE
eds   a           -
eds   b           -
eds   and 1 more  -

Client  web-1
Kind    grpc, by the variant sotw
Place   region -, zone -
Since   2026-03-01T10:00:00Z, for 120m, from 10.0.0.7:1
Agent   east-1, at 

TYPE  SUBSCRIBED  SENT  ACKED    WAITING  NACKS
lds   all and 1   3     refused  0        4
eds   1           3     waits    7        0

  ! at 2026-03-01T12:00:00Z it refused version 3 of lds: no [2J route

TYPE  NAME        STATE
lds   and 1 more  -
eds   and 1 more  -

Client  new
Kind    other, by the variant 
Place   region -, zone -
Since   2026-03-01T12:00:00Z, for 0s, from 10.0.0.9:1
Agent   east-1, at 

It has asked for nothing yet.
`
	var b bytes.Buffer
	if err := XDSClient(&b, connected(), false); err != nil || b.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, b.String(), want)
	}
}

// vain are two Envoys and a gRPC client that do not get what they ask for.
func vain() *Connected {
	return &Connected{Again: " --agent 10.0.0.1:8081", Agents: []*report.XDS{{At: noon, Cluster: "east", Agent: "east-0", MaxClients: 3, Clients: []report.XDSClient{
		{
			ID: "envoy-1", Since: noon, Audience: report.XDSAudience{Kind: "envoy"}, EgressFault: `hansa-egress is "localhost:1"`,
			Types: []report.XDSState{{Type: "eds", Subscribed: 5, Missing: 3, Names: []string{"a", "b", "c"}, Absent: []string{"b", "d"}, Sent: "0", Acked: "0"}},
		},
		{ID: "envoy-2", Since: noon, Audience: report.XDSAudience{Kind: "envoy"}, Unserved: []string{"type.googleapis.com/x"}},
		{
			Address: "10.0.0.7:1", Since: noon, Audience: report.XDSAudience{Kind: "grpc"},
			Types: []report.XDSState{{Type: "lds", Subscribed: 1, Missing: 1, Unanswered: true, Sent: "3", Acked: "0"}},
		},
	}}}}
}

// Who takes all that it is told, and still lacks something, is pointed to.
func TestWhatXDSClientsAskForInVain(t *testing.T) {
	const list = `CLIENT   KIND   ADDRESS     ZONE  SINCE  TYPE  SUBSCRIBED  ACKED  NACKS
envoy-1  envoy  -           -     0s     eds   5           -      0
envoy-2  envoy  -           -     0s     -     -           -      -
-        grpc   10.0.0.7:1  -     0s     lds   1           waits  0

  ! envoy-1 subscribes to 3 names that do not exist, and says wrongly where its listener for HTTP is to be: hansa xds clients envoy-1 --agent 10.0.0.1:8081
  ! envoy-2 asks for what is not served: hansa xds clients envoy-2 --agent 10.0.0.1:8081
  ! 10.0.0.7:1 subscribes to 1 name that does not exist: hansa xds clients 10.0.0.7:1 --agent 10.0.0.1:8081
`
	const first = `Egress  none: hansa-egress is "localhost:1"
Since   2026-03-01T12:00:00Z, for 0s, from 
Agent   east-0, at 

TYPE  SUBSCRIBED  SENT  ACKED  WAITING  NACKS
eds   5           -     -      0        0

TYPE  NAME        STATE
eds   b           does not exist
eds   d           does not exist
eds   a           -
eds   c           -
eds   and 1 more  1 of them do not exist

why: hansa xds dump --client envoy-1 --agent 10.0.0.1:8081

`
	const second = `Egress  none: its node names no hansa-egress: want metadata hansa-egress: "IP:port" in its node
Since   2026-03-01T12:00:00Z, for 0s, from 
Agent   east-0, at 

  ! it asked for type.googleapis.com/x, which is not served: clusters, endpoints, listeners and routes of v3 are

`
	var all, each bytes.Buffer
	if err := XDSClients(&all, vain(), false); err != nil || all.String() != list {
		t.Errorf("%v\n%s\nwant\n%s", err, all.String(), list)
	}
	if err := XDSClient(&each, vain(), false); err != nil || !strings.Contains(each.String(), first) || !strings.Contains(each.String(), second) {
		t.Errorf("%v\n%s\nwant in it\n%s\n%s", err, each.String(), first, second)
	}
}

// Where the listener for HTTP is said to be, it is only if the Envoy asked for it, and took it.
func TestWhereAnEnvoyListens(t *testing.T) {
	const at = "127.0.0.1:15009"
	lds, nack := report.XDSState{Type: report.LDS, Wildcard: true, Sent: "2", Acked: "2"}, &report.XDSNACK{Version: "1", Error: "in use"}
	taken, refusing := lds, lds
	taken.LastNACK = nack
	refusing.LastNACK, refusing.Acked = nack, "1"
	for _, c := range []struct {
		types []report.XDSState
		since time.Duration
		want  string
	}{
		{[]report.XDSState{lds}, time.Hour, at},
		{[]report.XDSState{taken}, time.Hour, at},
		{[]report.XDSState{{Type: report.CDS}, refusing}, time.Hour, at + ", refused, see below"},
		{[]report.XDSState{{Type: report.CDS}}, time.Second, "none yet: it does not subscribe to lds so far"},
		{nil, time.Minute, "none: it does not subscribe to lds: dynamic_resources.lds_config is missing in its bootstrap"},
	} {
		client := &report.XDSClient{Audience: report.XDSAudience{Kind: report.KindEnvoy, Egress: at}, Types: c.types}
		if got := egress(client, c.since); got != c.want {
			t.Errorf("%+v after %s: %s, want %s", c.types, c.since, got, c.want)
		}
	}
}

func TestNotesOfXDSClients(t *testing.T) {
	crowd, full, less := vain(), vain(), vain()
	for range 10 {
		crowd.Agents[0].Clients = append(crowd.Agents[0].Clients, crowd.Agents[0].Clients[1])
	}
	full.Agents[0].TurnedAway, full.Agents[0].More = 12, 1
	less.Agents[0].TurnedAway, less.Agents[0].Clients = 1, less.Agents[0].Clients[:1]
	for want, c := range map[string]*Connected{
		"\n  ! and so 5 clients more, which -o json has\n": crowd,
		"\n  ! 4 clients are connected to agent east-0, which is as many as --xds-max-clients allows; so far clients were turned away 12 times\n":                         full,
		"\n  ! 1 client is connected to agent east-0, of 3 that --xds-max-clients allows, of which one address may have a part; so far clients were turned away 1 time\n": less,
		"No client is connected. Clients connect to 10.0.0.1:1 or port 15010 of an agent, to which the Service hansa-agent-xds of its namespace leads.\n": {
			Agents: []*report.XDS{{Address: "10.0.0.1:1"}, {Address: "[::]:15010"}, {Address: "10.0.0.1:1"}},
		},
	} {
		var b bytes.Buffer
		if err := XDSClients(&b, c, false); err != nil || !strings.Contains(b.String(), want) {
			t.Errorf("%v\n%s\nwant in it %s", err, b.String(), want)
		}
	}
}

// told has one resource of each shape, in the JSON of protobuf.
func told() *report.XDSResources {
	d := &report.XDSResources{Agent: "east-0", Audience: report.XDSAudience{Kind: "envoy", Zone: "eu-1"}}
	for _, r := range []struct {
		of            report.XDSType
		name, message string
	}{
		{report.CDS, "plain", `{"name":"plain","type":"EDS"}`},
		{report.CDS, "sticky", `{"lbPolicy":"RING_HASH","typedExtensionProtocolOptions":{"x":{"@type":"y"}}}`},
		{report.EDS, "web", `{"endpoints":[
			{"locality":{"region":"eu","zone":"eu-1","subZone":"east"},"loadBalancingWeight":2,"lbEndpoints":[
				{"endpoint":{"address":{"socketAddress":{"address":"10.1.0.1","portValue":8080}}},"healthStatus":"HEALTHY"},
				{"endpoint":{"address":{"socketAddress":{"address":"fd00::1","portValue":8080}}}}]},
			{"locality":{"subZone":"west"},"priority":1,"loadBalancingWeight":1,"lbEndpoints":[
				{"endpoint":{"address":{"socketAddress":{"address":"10.2.0.1","portValue":9090}}},"healthStatus":"DRAINING"}]}]}`},
		{report.EDS, "empty", `{"clusterName":"empty"}`},
		{report.LDS, "egress", `{"address":{"socketAddress":{"address":"127.0.0.1","portValue":15001}},"filterChains":[{"filters":[{"typedConfig":{"rds":{"routeConfigName":"hansa-egress"}}}]}]}`},
		{report.LDS, "web:80", `{"apiListener":{"apiListener":{"routeConfig":{"virtualHosts":[{"routes":[{"route":{"cluster":"to-web"}}]}]}}}}`},
		{report.RDS, "hansa-egress", `{"virtualHosts":[
			{"domains":["api.shop.svc.set:80","api.shop.svc.set"],"routes":[{"route":{"cluster":"to-api"}}]},
			{"domains":["web.shop.svc.set:80"],"routes":[{"route":{"cluster":"to-web"}}]}]}`},
		{report.RDS, "none", `{}`},
	} {
		d.Resources = append(d.Resources, report.XDSResource{Type: r.of, Name: r.name, Version: "v", Message: json.RawMessage(r.message)})
	}
	d.Resources = append(d.Resources, report.XDSResource{Type: report.CDS, Name: "bad", Fault: "port 0"})
	return d
}

func TestXDSDump(t *testing.T) {
	for about, c := range map[string]struct {
		names []string
		wide  bool
		want  string
	}{
		"all": {nil, false, `As agent east-0 tells a client of kind envoy, region -, zone eu-1

CLUSTER  BALANCED     PROTOCOL
plain    round robin  -
sticky   ring hash    HTTP/2

ENDPOINTS OF  PRIORITY  CLUSTER  REGION  ZONE  ADDRESS         HEALTH
web           0         east     eu      eu-1  10.1.0.1:8080   healthy
web           0         east     eu      eu-1  [fd00::1]:8080  unknown
web           1         west     -       -     10.2.0.1:9090   draining
empty         -         -        -       -     -               -

LISTENER  ADDRESS          LEADS TO
egress    127.0.0.1:15001  hansa-egress
web:80    -                to-web

ROUTES        HOSTS                                 LEADS TO
hansa-egress  api.shop.svc.set:80,api.shop.svc.set  to-api
hansa-egress  web.shop.svc.set:80                   to-web
none          -                                     -

  ! cds bad is told to nobody: port 0
`},
		"of one host, wide": {[]string{"shop/web"}, true, `As agent east-0 tells a client of kind envoy, region -, zone eu-1

CLUSTER  BALANCED     PROTOCOL  VERSION
plain    round robin  -         v
sticky   ring hash    HTTP/2    v

ENDPOINTS OF  PRIORITY  CLUSTER  REGION  ZONE  ADDRESS         HEALTH    WEIGHT  VERSION
web           0         east     eu      eu-1  10.1.0.1:8080   healthy   2       v
web           0         east     eu      eu-1  [fd00::1]:8080  unknown   2       v
web           1         west     -       -     10.2.0.1:9090   draining  1       v
empty         -         -        -       -     -               -         -       v

LISTENER  ADDRESS          LEADS TO      VERSION
egress    127.0.0.1:15001  hansa-egress  v
web:80    -                to-web        v

ROUTES        HOSTS                LEADS TO  VERSION
hansa-egress  web.shop.svc.set:80  to-web    v
none          -                    -         v

  ! cds bad is told to nobody: port 0
`},
	} {
		var b bytes.Buffer
		if err := XDSDump(&b, told(), c.names, c.wide); err != nil || b.String() != c.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", about, err, b.String(), c.want)
		}
	}
	for of := range dumps {
		broken := &report.XDSResources{Resources: []report.XDSResource{{Type: dumps[of].of, Name: "x", Message: json.RawMessage(`[]`)}}}
		if err := XDSDump(&bytes.Buffer{}, broken, nil, false); err == nil {
			t.Errorf("%s: what is no message is shown", dumps[of].of)
		}
	}
	var b bytes.Buffer
	const want = "As agent a tells client web-1, of kind grpc, region -, zone -\nThere is no resource.\n"
	if err := XDSDump(&b, &report.XDSResources{Agent: "a", Client: "web-1", Audience: report.XDSAudience{Kind: "grpc"}}, nil, false); err != nil || b.String() != want {
		t.Errorf("%v %q, want %q", err, b.String(), want)
	}
}
