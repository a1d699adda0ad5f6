package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/cmd/hansa/install"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// served is an xDS server with clients that are called so, each of which subscribes to one assignment.
type served []string

const webCluster = "outbound|80||web.shop.svc.clusterset.local"

func (served) Address() string                { return "127.0.0.1:15010" }
func (served) Domains() (string, string)      { return "clusterset.local", "cluster.local" }
func (served) MaxClients() int                { return 5 }
func (served) TurnedAway() uint64             { return 0 }
func (served) Quarantined() map[string]string { return nil }

func (s served) Clients() (list []report.XDSClient) {
	for _, id := range s {
		list = append(list, report.XDSClient{
			ID: id, Address: "10.0.0.8:40000", Since: time.Now(), Variant: report.VariantDelta, Audience: report.XDSAudience{Kind: report.KindGRPC, Zone: "of-" + id},
			Types: []report.XDSState{{Type: report.EDS, Subscribed: 1, Names: []string{webCluster}, Sent: "1", Acked: "1"}},
		})
	}
	return list
}

func (s served) ClientsCalled(name string) []report.XDSClient {
	return slices.DeleteFunc(s.Clients(), func(c report.XDSClient) bool { return c.ID != name && c.Address != name })
}

func (served) Names(t report.XDSType) []string {
	if t == report.CDS || t == report.EDS {
		return []string{webCluster}
	}
	return nil
}

func (served) Resource(a report.XDSAudience, t report.XDSType, name string) (*report.XDSResource, error) {
	return &report.XDSResource{Type: t, Name: name, Version: a.Kind + "/" + a.Zone, Message: json.RawMessage(`{}`)}, nil
}

// xdsReports answers for an agent that serves xDS so; nil is for one that serves none.
func xdsReports(d report.Discovery) http.Handler {
	store := federation.NewStore("east")
	return report.Handler(func(now time.Time) *report.Scene {
		return &report.Scene{Now: now, Clusterset: "acme", Store: store, View: importer.Empty(), Agent: report.Agent{Name: "east-0", Leads: true}, XDS: d}
	}, anyone{})
}

func TestXDSCommands(t *testing.T) {
	unleaked(t)
	some := inTheClear(t, xdsReports(served{"web-1", "web-2"}))
	many := served{}
	for i := range 12 {
		many = append(many, fmt.Sprintf("web-%02d", i))
	}
	one := inTheClear(t, xdsReports(served{"web-1"}))
	crowd, nobody, off := inTheClear(t, xdsReports(many)), inTheClear(t, xdsReports(served{})), inTheClear(t, xdsReports(nil))
	for _, c := range []struct{ agent, typed, want, fault string }{
		{some, "clients", "web-2   grpc  10.0.0.8:40000  of-web-2  0s     eds   1           1      0\n", ""},
		{some, "clients web-1", "eds   " + webCluster + "  -\n", ""},
		{some, "clients web-3", "", `no client has ID or address "web-3": there are web-1, web-2; other agents of the cluster were not asked, as --agent chose this one`},
		{crowd, "clients x", "", `there are web-00, web-01, web-02, web-03, web-04, web-05, web-06, web-07 and 4 more`},
		{nobody, "clients x", "", `no client has ID or address "x": none is connected`},
		{nobody, "clients", "No client is connected. Clients connect to 127.0.0.1:15010.\n", ""},
		{one, "clients x", "", `no client has ID or address "x": there is web-1; other`},
		{off, "clients", "", "this agent serves no xDS: it needs --xds-address and --xds-tls, which are the values xdsAddress and xdsTls of the chart (404)"},
		{off, "clients x", "", "this agent serves no xDS"},
		{off, "dump", "", "this agent serves no xDS"},
		{off, "dump --client x", "", "this agent serves no xDS"},
	} {
		xdsSays(t, c.typed, c.agent, c.want, c.fault)
	}
}

// What a further command needs to look at the same place is repeated, in what an agent advises, too.
func TestAdviceRepeatsWhatWasGiven(t *testing.T) {
	var l looking
	l.namespace = install.DefaultNamespace
	const said = "no endpoint is ready: kubectl -n shop get pods; hansa explain shop/web, hansa explain shop/api says why"
	if got := l.advise(said) + l.again(); got != said {
		t.Errorf("%s, want %s", got, said)
	}
	l.kubeconfig, l.context, l.namespace, l.agent, l.files.Cert = "my config", "east", "agents", "127.0.0.1:8082", "tls.crt"
	const at = " --kubeconfig 'my config' --context east"
	const flags = at + " --agent-namespace agents --agent 127.0.0.1:8082 --tls-cert-file tls.crt"
	want := "no endpoint is ready: kubectl" + at + " -n shop get pods; hansa explain shop/web" + flags + ", hansa explain shop/api" + flags + " says why"
	if got := l.advise(said); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	told := &report.XDSResources{Lacks: []string{said}, Resources: []report.XDSResource{{Hint: said}}}
	if got := l.advised(told); got.Lacks[0] != want || got.Resources[0].Hint != want || told.Lacks[0] != said || told.Resources[0].Hint != said {
		t.Errorf("%+v of %+v", got, told)
	}
}

func TestXDSNamesAreCompleted(t *testing.T) {
	agent := inTheClear(t, xdsReports(served{"web-1", "web-2", "api-1"}))
	for typed, want := range map[string]string{
		"clients --agent " + agent + " w":          "web-1\tgrpc at 10.0.0.8:40000\nweb-2\tgrpc at 10.0.0.8:40000\n:4\n",
		"dump --agent " + agent + " --client a":    "api-1\tgrpc at 10.0.0.8:40000\n:4\n",
		"dump --type ":                             "cds\neds\nlds\nrds\n:4\n",
		"dump --type cds,":                         "cds,eds\ncds,lds\ncds,rds\n:4\n",
		"dump --kind ":                             "envoy\ngrpc\nother\n:4\n",
		"clients --agent " + agent + " web-1 web-": ":4\n",
	} {
		args := strings.Split("__complete xds "+typed, " ")
		if out, _, err := hansa(t.Context(), args...); err != nil || out != want {
			t.Errorf("%s: %v, %q, want %q", typed, err, out, want)
		}
	}
}
