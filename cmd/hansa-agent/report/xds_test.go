package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// discovery is a Discovery of what a test says.
type discovery struct {
	clients     []XDSClient
	quarantined map[string]string
	resources   map[XDSType][]XDSResource
	asked       []string // names of resources that were looked at
}

func (*discovery) Address() string                  { return "10.0.0.10:15010" }
func (*discovery) Domains() (string, string)        { return "clusterset.local", "cluster.local" }
func (*discovery) MaxClients() int                  { return 3 }
func (*discovery) TurnedAway() uint64               { return 7 }
func (d *discovery) Quarantined() map[string]string { return d.quarantined }

func (d *discovery) Clients() []XDSClient {
	list := slices.Clone(d.clients)
	for i := range list {
		list[i].Types = slices.Clone(list[i].Types)
		for j := range list[i].Types {
			list[i].Types[j].Names = nil
		}
	}
	return list
}

func (d *discovery) ClientsCalled(name string) []XDSClient {
	list := slices.DeleteFunc(slices.Clone(d.clients), func(c XDSClient) bool { return c.ID != name && c.Address != name })
	for i := range list {
		list[i].Types = slices.Clone(list[i].Types)
	}
	return list
}

func (d *discovery) Names(t XDSType) (names []string) {
	for _, r := range d.resources[t] {
		names = append(names, r.Name)
	}
	return names
}

func (d *discovery) Resource(a XDSAudience, t XDSType, name string) (*XDSResource, error) {
	d.asked = append(d.asked, name)
	i := slices.IndexFunc(d.resources[t], func(r XDSResource) bool { return r.Name == name })
	if i < 0 {
		return nil, nil
	}
	r := d.resources[t][i]
	if r.Message == nil {
		return nil, errors.New("it cannot be shown")
	}
	r.Version = a.Kind + a.Zone // as this audience has it
	return &r, nil
}

// newDiscovery serves web of namespace shop, to an Envoy that took everything, and to a gRPC client that refused something.
func newDiscovery() *discovery {
	d := &discovery{
		quarantined: map[string]string{"outbound|1||bad.shop.svc.clusterset.local": "endpoint 3: port 0"},
		resources:   map[XDSType][]XDSResource{},
		clients: []XDSClient{
			{
				ID: "envoy-1", Software: "envoy 1.36.0", Address: "10.0.0.8:40000", Since: epoch.Add(-time.Minute), Variant: VariantDelta,
				Audience: XDSAudience{Kind: KindEnvoy, Region: "r1", Zone: "z1", Egress: "127.0.0.1:15001"},
				Unserved: []string{},
				Types: []XDSState{
					{Type: CDS, Wildcard: true, Sent: "9", Acked: "9"},
					{Type: EDS, Subscribed: 1, Names: []string{"outbound|81||web.shop.svc.clusterset.local"}, Sent: "9", Acked: "9"},
				},
			},
			{
				ID: "web-1", Group: "shop", Software: "grpc-go 1.85.0", Address: "10.0.0.7:40000", Since: epoch.Add(-time.Hour), Variant: VariantSotW,
				Audience: XDSAudience{Kind: KindGRPC, Region: "r1", Zone: "z2"},
				Unserved: []string{"type.googleapis.com/envoy.service.runtime.v3.Runtime"},
				Types: []XDSState{
					{Type: LDS, Subscribed: 1, Names: []string{"web.shop.svc.clusterset.local:80"}, Sent: "3", Acked: "2", Waiting: 1, NACKs: 4, LastNACK: &XDSNACK{At: epoch, Version: "1", Error: "no route"}},
				},
			},
		},
	}
	for _, host := range []string{"api.shop.svc.clusterset.local", "web.shop.svc.cluster.local", "web.shop.svc.clusterset.local"} {
		for _, port := range []int{80, 81} {
			cluster, listener := fmt.Sprintf("outbound|%d||%s", port, host), fmt.Sprintf("%s:%d", host, port)
			for t, name := range map[XDSType]string{CDS: cluster, EDS: cluster, LDS: listener} {
				d.resources[t] = append(d.resources[t], XDSResource{Type: t, Name: name, Message: json.RawMessage(`{}`)})
			}
		}
	}
	routes := json.RawMessage(`{"virtualHosts":[{"domains":["web.shop.svc.clusterset.local:80","web.shop.svc.clusterset.local"]}]}`)
	d.resources[RDS] = []XDSResource{{Type: RDS, Name: "hansa-egress", Message: routes}}
	for _, list := range d.resources {
		slices.SortFunc(list, func(a, b XDSResource) int { return strings.Compare(a.Name, b.Name) })
	}
	return d
}

// A resource is found by its own name, by its host with a port or without, by namespace/name, and for a client among those
// that it subscribes to.
func TestResourcesAreFoundByTheirHosts(t *testing.T) {
	const set = "clusterset.local"
	for _, c := range []struct {
		query string
		want  []string // without what all have, or the one error
	}{
		{"type=eds&name=outbound|80||web.shop.svc." + set, []string{"80 web"}},
		{"type=eds&name=web.shop.svc." + set, []string{"80 web", "81 web"}},
		{"type=cds&name=Web.Shop.svc." + set + ".", []string{"80 web", "81 web"}},
		{"type=eds&name=web.shop.svc." + set + ":81", []string{"81 web"}},
		{"type=lds&name=web.shop.svc." + set + ":81", []string{"81 web"}},
		{"type=lds&name=shop/web", []string{"80 web here", "81 web here", "80 web", "81 web"}},
		{"type=eds&name=web.shop.svc", []string{"80 web here", "80 web", "81 web here", "81 web"}},
		{"type=eds&name=shop/we", nil},
		{"type=eds&name=eb.shop.svc." + set, nil},
		{"type=eds&name=web.shop.svc." + set + ":8", nil},
		{"type=rds&name=shop/web", []string{"hansa-egress"}},
		{"type=rds&name=hansa-egress", []string{"hansa-egress"}},
		{"type=rds&name=outbound|80||x", nil},
		{"type=rds&name=shop/webb", nil},
		{"type=rds&name=web.shop.svc." + set + ":81", nil},
		{"type=eds&client=envoy-1", []string{"81 web"}},
		{"type=eds&client=10.0.0.8:40000", []string{"81 web"}},
		{"type=eds&client=envoy-1&name=web.shop.svc." + set, []string{"81 web"}},
		{"type=eds&client=envoy-1&name=web.shop.svc." + set + ":80", nil},
		{"type=cds&client=envoy-1&limit=2", []string{"80 api", "80 web here"}},
		{"type=lds&client=envoy-1", nil},
		{"type=lds&client=web-1", []string{"80 web"}},
		{"type=cds&client=web-1", nil},
		{"type=lds&client=web-2", []string{`no client that is connected to agent agent-0 has ID or address "web-2"`}},
		{"name=shop/web", []string{"want type, which is cds, eds, lds or rds"}},
	} {
		scene := still(t)
		scene.XDS = newDiscovery()
		answer, err := scene.XDSResources(parseXDS(t, c.query))
		var got []string
		if err != nil {
			got = []string{err.Error()}
		} else {
			for _, r := range answer.Resources {
				got = append(got, short(r.Name))
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.query, got, c.want)
		}
	}
}

// parseXDS reads the parameters of a URL.
func parseXDS(t *testing.T, text string) XDSQuery {
	t.Helper()
	v, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	q, err := ParseXDSQuery(v)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// short writes a name as the test above does.
func short(name string) string {
	host, port, ok := hostOf(name)
	if !ok {
		return name
	}
	service, rest, _ := strings.Cut(host, ".")
	if strings.HasSuffix(rest, ".cluster.local") {
		service += " here"
	}
	return port + " " + service
}

// However an answer is cut, its parts are the whole, and no more resources are looked at than one answer has.
func TestPartsOfResourcesAreTheWhole(t *testing.T) {
	scene := still(t)
	d := newDiscovery()
	scene.XDS = d
	whole, err := scene.XDSResources(XDSQuery{Type: CDS})
	if err != nil || len(whole.Resources) != 6 || whole.Next != "" {
		t.Fatalf("%+v, %v", whole, err)
	}
	for limit := 1; limit <= 7; limit++ {
		var got []XDSResource
		for q := (XDSQuery{Type: CDS, Limit: limit}); ; {
			d.asked = nil
			part, err := scene.XDSResources(q)
			if err != nil || len(d.asked) > limit {
				t.Fatalf("by %d: %v, looked at %q", limit, err, d.asked)
			}
			got = append(got, part.Resources...)
			if q.After = part.Next; q.After == "" {
				break
			}
		}
		if !reflect.DeepEqual(got, whole.Resources) {
			t.Errorf("by %d: %v", limit, got)
		}
	}
	for i := range d.resources[CDS] {
		d.resources[CDS][i].Message = json.RawMessage(`"` + strings.Repeat("x", maxXDSBytes) + `"`)
	}
	if part, err := scene.XDSResources(XDSQuery{Type: CDS}); err != nil || len(part.Resources) != 1 || part.Next != part.Resources[0].Name {
		t.Errorf("%d large resources in one answer, want one: %v", len(part.Resources), err)
	}
}

// A resource that is told to nobody is shown with the reason, and keeps none of the others from being shown.
func TestWhatIsFaultyIsShownBesideTheOthers(t *testing.T) {
	scene := still(t)
	d := newDiscovery()
	scene.XDS = d
	d.resources[CDS][1].Message = nil
	all, err := scene.XDSResources(XDSQuery{Type: CDS})
	if err != nil || len(all.Resources) != 6 {
		t.Fatalf("%+v, %v", all, err)
	}
	for i, r := range all.Resources {
		if faulty := i == 1; faulty != (r.Fault == "it cannot be shown") || faulty != (r.Message == nil) || r.Name != d.resources[CDS][i].Name {
			t.Errorf("%d: %+v", i, r)
		}
	}
}

// All is shown of a client that subscribes to more than is listed of it, or than one answer has.
func TestAllIsShownOfAClientWithManyNames(t *testing.T) {
	const many = 2*MaxXDSResources + 1
	scene := still(t)
	d := newDiscovery()
	scene.XDS = d
	d.resources[EDS] = nil
	state := &d.clients[0].Types[1]
	state.Names, state.Subscribed = nil, many
	for i := range many {
		state.Names = append(state.Names, fmt.Sprintf("outbound|%05d||web", i))
	}
	state.Absent = state.Names[1:]
	for _, name := range state.Names {
		d.resources[EDS] = append(d.resources[EDS], XDSResource{Type: EDS, Name: name, Message: json.RawMessage(`{}`)}, XDSResource{Type: EDS, Name: name + "x", Message: json.RawMessage(`{}`)})
	}
	listed, err := scene.XDSClients(XDSQuery{Client: "envoy-1"})
	if err != nil || len(listed.Clients) != 1 || listed.Clients[0].Types[1].Subscribed != many || !slices.Equal(listed.Clients[0].Types[1].Names, state.Names[:maxXDSNames]) {
		t.Errorf("%v, want the first %d of %d names", err, maxXDSNames, many)
	}
	if got := listed.Clients[0].Types[1].Absent; !slices.Equal(got, state.Absent[:maxXDSNames]) {
		t.Errorf("%d names do not exist, want the first %d", len(got), maxXDSNames)
	}
	var shown []string
	for q := (XDSQuery{Client: "envoy-1", Type: EDS}); ; {
		part, err := scene.XDSResources(q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range part.Resources {
			shown = append(shown, r.Name)
		}
		if q.After = part.Next; q.After == "" {
			break
		}
	}
	if !slices.Equal(shown, state.Names) {
		t.Errorf("%d resources are shown, want the %d that the client subscribes to", len(shown), many)
	}
}

// A list of clients is bounded, and has no names: there may be thousands of both.
func TestClientsAreListedToABound(t *testing.T) {
	scene := still(t)
	d := newDiscovery()
	scene.XDS = d
	for i := range MaxXDSClients {
		d.clients = append(d.clients, XDSClient{ID: "z", Address: fmt.Sprint(i)})
	}
	answer, err := scene.XDSClients(XDSQuery{})
	if err != nil || len(answer.Clients) != MaxXDSClients || answer.More != 2 {
		t.Fatalf("%d clients and %d more: %v", len(answer.Clients), answer.More, err)
	}
	if answer.MaxClients != 3 || answer.TurnedAway != 7 {
		t.Errorf("%d may be connected, %d were turned away", answer.MaxClients, answer.TurnedAway)
	}
	if state := answer.Clients[0].Types[1]; state.Names != nil || state.Subscribed != 1 {
		t.Errorf("%d names, %q of a list", state.Subscribed, state.Names)
	}
}

func TestXDSQueriesSurviveTheirURL(t *testing.T) {
	for _, q := range []XDSQuery{
		{},
		{Client: "web-1", Type: EDS, Name: "outbound|80||web.shop.svc.clusterset.local", After: "a", Limit: 3},
		{Audience: XDSAudience{Kind: KindEnvoy, Region: "r 1", Zone: "z&1", Egress: "127.0.0.1:15001"}, Type: LDS},
	} {
		if got, err := ParseXDSQuery(q.Values()); err != nil || got != q {
			t.Errorf("%+v became %+v: %v", q, got, err)
		}
	}
	for text, want := range map[string]string{
		"colour=red":           `unknown parameter "colour": want client, kind, region, zone, egress, type, name, after or limit`,
		"type=x":               `type="x": want cds, eds, lds or rds`,
		"limit=0":              `limit="0": want a number from 1`,
		"name=a&name=b":        `name="b": given several times: want it once`,
		"client=a&zone=b":      `client: want it without kind, region, zone and egress, which are the client's`,
		"kind=x":               `kind="x": want envoy, grpc, other`,
		"egress=x":             `egress: it is for kind=envoy`,
		"kind=envoy&egress=x":  `egress="x": want IP:port`,
		"zone=" + longText:     `region, zone: want at most 253 bytes`,
		"kind=grpc&egress=1:2": `egress: it is for kind=envoy`,
	} {
		v, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseXDSQuery(v); err == nil || err.Error() != want {
			t.Errorf("%.50s: %v, want %s", text, err, want)
		}
	}
}
