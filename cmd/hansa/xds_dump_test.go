package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
)

// routed is an xDS server that tells an Envoy routes too, and gRPC listeners.
type routed struct{ served }

func (r routed) Names(t report.XDSType) []string {
	switch t {
	case report.LDS:
		return []string{"web.shop.svc.clusterset.local:80"}
	case report.RDS:
		return []string{report.EgressName}
	}
	return r.served.Names(t)
}

func (r routed) Resource(a report.XDSAudience, t report.XDSType, name string) (*report.XDSResource, error) {
	if envoy := a.Kind == report.KindEnvoy; t == report.RDS && !envoy || t == report.LDS && envoy {
		return nil, nil
	}
	told, err := r.served.Resource(a, t, name)
	if t == report.RDS {
		told.Message = json.RawMessage(`{"virtualHosts":[{"domains":["web.shop.svc.clusterset.local:80"]}]}`)
	}
	return told, err
}

// starting is an xDS server that serves nobody yet.
type starting struct{ served }

func (starting) Serving() bool { return false }

func TestXDSDumps(t *testing.T) {
	unleaked(t)
	some, twins := inTheClear(t, xdsReports(routed{served{"web-1", "web-2"}})), inTheClear(t, xdsReports(served{"web-1", "web-1"}))
	begins := inTheClear(t, xdsReports(starting{}))
	noWebb := `"shop/webb": namespace shop has no service webb that is served, but web; hansa explain shop/webb --agent ` + some + ` says why`
	for _, c := range []struct{ agent, typed, want, fault string }{
		{some, "", "As agent east-0 tells a client of kind envoy, region -, zone -\n\nENDPOINTS OF", ""},
		{some, "-o json", `"version": "envoy/"`, ""},
		{some, "-o json --kind grpc --zone z", `"version": "grpc/z"`, ""},
		{some, "-o yaml --client web-2", "version: grpc/of-web-2\n", ""},
		{some, "--client web-2", "As agent east-0 tells client web-2 at 10.0.0.8:40000, of kind grpc,", ""},
		{some, "--client web-2 shop/web", "\noutbound|80||web", ""},
		{some, "--client web-2 --type cds,lds", "\n  - client web-2 does not subscribe to cds, but to eds\n  - client web-2 does not subscribe to lds, but to eds\n", ""},
		{some, "--client web-2 --type lds shop/web", "", `"shop/web": client web-2 does not subscribe to lds of that name; --kind,`},
		{some, "--client web-3", "", `no client has ID or address "web-3": there are web-1, web-2`},
		{twins, "--client web-1", "", `2 clients have the ID web-1: give an address, 10.0.0.8:40000`},
		{begins, "", "", `this agent is not ready: it serves no xDS yet`},
		{begins, "shop/web", "", `this agent is not ready: it serves no xDS yet`},
		{begins, "--client web-1", "", `this agent is not ready: it serves no xDS yet`},
		{some, "--type cds,eds shop/web", "\nCLUSTER ", ""},
		{some, "--type lds", "zone -\n\n  - lds: an Envoy has a listener, hansa-egress, if its metadata says where: --egress IP:PORT; those of a host are for gRPC, --kind grpc\n", ""},
		{some, "--type lds,cds", "\n  - lds: an Envoy", ""},
		{some, "--type lds,cds -o json", `"lds: an Envoy has`, ""},
		{some, "--type lds,cds shop/web", "\nCLUSTER ", ""},
		{some, "--type lds,cds shop/web -o json", `"lacks": []`, ""},
		{some, "--type cds,rds shop/web", "\nROUTES        HOSTS                             LEADS TO\nhansa-egress  web.shop.svc.clusterset.local:80  -\n", ""},
		{some, "--type lds,rds --kind grpc shop/web shop/api", "", `"shop/api": namespace shop has no service api that is served, but web;`},
		{some, "--type rds --kind grpc", "rds: routes are for Envoy alone; those of gRPC are inside its listeners (lds)\n", ""},
		{some, "shop/webb", "", noWebb},
		{some, "shop/web", "\n  - no endpoint of web.shop.svc.clusterset.local is ready: hansa explain shop/web --agent " + some + "\n", ""},
		{some, "--type cds,eds,lds,rds shop/webb", "", noWebb},
		{some, "shop/web web", "", `"web": want NAMESPACE/NAME, a name in DNS such as web.shop.svc.clusterset.local, or hansa-egress: see --help`},
		{some, "shop/", "", `"shop/": want NAMESPACE/NAME`},
		{some, "web.shop.svc:81", "", `"web.shop.svc:81": web.shop.svc has no port 81, but 80`},
		{some, "hansa-egress", "", `"hansa-egress": eds: hansa-egress is the name of a listener (lds) and of routes (rds)`},
		{some, "--type sds", "", `--type "sds": want cds, eds, lds or rds`},
		{some, "--type=", "", `--type: want at least one`},
		{some, "--client a --kind grpc", "", `--client and --kind: want one of them`},
		{some, "--kind grpc --egress 127.0.0.1:1", "", `--egress: it is for kind=envoy`},
		{some, "--egress x", "", `--egress="x": want IP:port`},
	} {
		xdsSays(t, "dump "+c.typed, c.agent, c.want, c.fault)
	}
}

// xdsSays wants of hansa xds that it prints something, or fails so and prints nothing.
func xdsSays(t *testing.T, typed, agent, want, fault string) {
	t.Helper()
	out, _, err := hansa(t.Context(), append(append([]string{"xds"}, strings.Fields(typed)...), "--agent", agent)...)
	switch {
	case fault == "" && (err != nil || !strings.Contains(out, want)):
		t.Errorf("%s: %v\n%s\nwant in it\n%s", typed, err, out, want)
	case fault != "" && (err == nil || !strings.Contains(err.Error(), fault) || out != ""):
		t.Errorf("%s: %v, %s\nwant %s", typed, err, out, fault)
	}
}

// A client is looked for at all agents, and what one says of it is kept where another one has none of that ID.
func TestAClientIsSoughtAtAllAgents(t *testing.T) {
	var d dumping
	d.query.Client, d.types = "web-1", []string{"eds"}
	var s search
	for i, there := range []served{{"web-2"}, {"web-1"}, {}, {"web-1", "web-3"}} {
		a, err := report.NewClient(inTheClear(t, xdsReports(there)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.seek(t.Context(), a, nil, &s); err != nil {
			t.Fatal(err)
		}
		if want := []int{0, 1, 1, 2}[i]; len(s.found) != want || (s.answer != nil) != (want > 0) || s.wrong != nil {
			t.Errorf("after %d agents %d clients are found, %+v, %v; want %d", i+1, len(s.found), s.answer, s.wrong, want)
		}
	}
}

// What several names mean is shown once, and so is what there is not for several types.
func TestWhatIsDumpedTwiceIsShownOnce(t *testing.T) {
	agent := inTheClear(t, xdsReports(served{}))
	out, _, err := hansa(t.Context(), "xds", "dump", "--agent", agent, "-o", "json", "--type", "cds,eds", "shop/web", webCluster)
	if err != nil || strings.Count(out, `"name"`) != 2 {
		t.Errorf("%v\n%s", err, out)
	}
	_, _, err = hansa(t.Context(), "xds", "dump", "--agent", agent, "--type", "cds,eds", "shop/webb")
	if err == nil || strings.Count(err.Error(), "no service webb") != 1 {
		t.Error(err)
	}
}
