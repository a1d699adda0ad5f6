package report

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// Where there is nothing to show, why is said.
func TestWhatIsNotToldIsExplained(t *testing.T) {
	const set = ".shop.svc.clusterset.local"
	grpc := XDSClient{
		ID: "web-2", Address: "10.0.0.6:1", Audience: XDSAudience{Kind: KindGRPC},
		Types: []XDSState{{Type: LDS, Subscribed: 5, Names: []string{"web" + set, "web" + set + ":80", "web" + set + ":82", "webb" + set + ":9000", "x.org:443"}}},
	}
	grpc.Types[0].Absent = slices.DeleteFunc(slices.Clone(grpc.Types[0].Names), func(name string) bool { return name == "web"+set+":80" })
	envoy := XDSClient{
		Address: "10.0.0.5:1", Audience: XDSAudience{Kind: KindEnvoy},
		Types: []XDSState{{Type: CDS, Wildcard: true}, {Type: EDS, Subscribed: 1, Names: []string{"web" + set}, Absent: []string{"web" + set}}, {Type: LDS, Wildcard: true, Absent: []string{"api" + set + ":80"}}, {Type: RDS, Subscribed: 1, Names: []string{"mine"}, Absent: []string{"mine"}}},
	}
	idle := XDSClient{ID: "idle", Address: "10.0.0.4:1", Audience: XDSAudience{Kind: KindGRPC}}
	faulty := XDSClient{ID: "faulty", Audience: envoy.Audience, EgressFault: "hansa-egress is no IP:port", Types: []XDSState{{Type: LDS, Wildcard: true}}}
	inVain := []string{
		"it subscribes to lds web" + set + ", which there is not: the port is missing, a target of gRPC is xds:///HOST:PORT",
		"it subscribes to lds web" + set + ":82, which there is not: web" + set + " has no port 82, but 80 and 81",
		"it subscribes to lds webb" + set + ":9000, which there is not: namespace shop has no service webb that is served, but api and web; hansa explain shop/webb says why",
		"it subscribes to lds x.org:443, which there is not: it is no host of a service, as web.shop.svc.clusterset.local is",
	}
	for query, want := range map[string][]string{
		"type=eds&name=shop/web":                                  nil,
		"type=eds&name=shop/webb":                                 {"namespace shop has no service webb that is served, but api and web; hansa explain shop/webb says why"},
		"type=rds&kind=envoy&name=shop/webb":                      {"namespace shop has no service webb that is served, but api and web; hansa explain shop/webb says why"},
		"type=eds&name=shopp/web":                                 {"no service of namespace shopp is served; hansa explain shopp/web says why"},
		"type=eds&name=shop/web:82":                               {"shop/web has no port 82, but 80 and 81"},
		"type=eds&name=outbound|82||web" + set:                    {"web" + set + " has no port 82, but 80 and 81"},
		"type=eds&name=api.shop.svc.cluster.local":                {"there is no host api.shop.svc.cluster.local, but api" + set},
		"type=lds&kind=envoy":                                     {"lds: an Envoy has a listener, hansa-egress, if its metadata says where: --egress IP:PORT; those of a host are for gRPC, --kind grpc"},
		"type=lds&kind=envoy&name=hansa-egress":                   {"lds: an Envoy has a listener, hansa-egress, if its metadata says where: --egress IP:PORT; those of a host are for gRPC, --kind grpc"},
		"type=lds&kind=envoy&egress=127.0.0.1:1":                  nil,
		"type=lds&kind=envoy&egress=127.0.0.1:1&name=shop/web":    {"lds: an Envoy has one listener for all hosts, hansa-egress; those of a host are for gRPC, --kind grpc"},
		"type=lds&kind=grpc&name=hansa-egress":                    {"lds: that listener is for Envoy alone; gRPC has one of each host and port"},
		"type=rds&kind=grpc":                                      {"rds: routes are for Envoy alone; those of gRPC are inside its listeners (lds)"},
		"type=rds&kind=envoy&name=shop/api":                       {"rds: there are no routes to shop/api, as its appProtocol is not HTTP"},
		"type=rds&kind=envoy&name=shop/web":                       nil,
		"type=eds&name=hansa-egress":                              {"eds: hansa-egress is the name of a listener (lds) and of routes (rds)"},
		"type=eds&client=web-1":                                   {"client web-1 does not subscribe to eds, but to lds"},
		"type=lds&client=web-1&name=shop/web":                     nil,
		"type=lds&client=web-1&name=shop/api":                     {"client web-1 does not subscribe to lds of that name; --kind, --region and --zone instead of --client show what it would be told"},
		"type=lds&client=web-1&name=shop/webb":                    {"namespace shop has no service webb that is served, but api and web; hansa explain shop/webb says why"},
		"type=lds&client=web-2":                                   inVain,
		"type=eds&client=web-2":                                   inVain,
		"type=lds&client=web-2&name=shop/webb":                    inVain[2:3],
		"type=lds&client=web-2&after=a":                           nil,
		"type=eds&client=idle":                                    {"client idle does not subscribe to eds, but to nothing"},
		"type=lds&client=faulty":                                  {"lds: the client has no listener, as hansa-egress is no IP:port"},
		"type=rds&client=10.0.0.5:1":                              {"it subscribes to eds web" + set + ", which there is not: the name of a cluster is outbound|PORT||HOST", "it subscribes to lds api" + set + ":80, which it is not told: an Envoy has one listener for all hosts, hansa-egress; those of a host are for gRPC, --kind grpc", "it subscribes to rds mine, which there is not: the one name of routes is hansa-egress"},
		"type=lds&client=10.0.0.5:1&name=hansa-egress":            {"lds: the client has no listener, as the metadata of its node says no hansa-egress"},
		"type=cds&client=10.0.0.5:1&name=web.shop.svc.cluster.lo": {"there is no host web.shop.svc.cluster.lo, but web.shop.svc.cluster.local and web" + set},
	} {
		scene, d := still(t), toldApart()
		d.clients = append(d.clients, grpc, envoy, idle, faulty)
		scene.XDS = d
		answer, err := scene.XDSResources(parseXDS(t, query))
		if err != nil || !slices.Equal(answer.Lacks, want) {
			t.Errorf("%s: %v\n%s\nwant\n%s", query, err, strings.Join(answer.Lacks, "\n"), strings.Join(want, "\n"))
		}
		if shown := err == nil && len(answer.Resources) > 0; want == nil && !shown && !strings.Contains(query, "after") {
			t.Errorf("%s: nothing is shown, and nothing said", query)
		}
	}
}

// A host that nobody has made is told from one that is misspelt, and one without endpoints has a hint where to look.
func TestWhatOfAServiceIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		scene, d := tell(t, "east", `
			announce 1
			namespace shop
			own shop/web port=http:80
			own shop/udp udp=53
			own shop/both port=http:80
			export west shop/both port=http:80
			export west shop/dns udp=53
			say west 1.2
			hear west
			pass 1s`), &discovery{resources: map[XDSType][]XDSResource{}}
		scene.XDS = d
		for _, host := range []string{"web.shop.svc.cluster.local", "both.shop.svc.cluster.local", "both.shop.svc.clusterset.local"} {
			d.resources[CDS] = append(d.resources[CDS], XDSResource{Type: CDS, Name: "outbound|80||" + host, Message: json.RawMessage(`{}`)})
			d.resources[EDS] = append(d.resources[EDS], XDSResource{Type: EDS, Name: "outbound|80||" + host, Message: json.RawMessage(`{"endpoints":[]}`)})
		}
		for name, want := range map[string]string{
			"web.shop.svc.clusterset.local":     "no cluster exports shop/web, so there is no host web.shop.svc.clusterset.local (web.shop.svc.cluster.local is this cluster's own): hansa export web -n shop in the cluster that has it",
			"Web.shop.svc.clusterset.local.:80": "no cluster exports shop/web, so there is no host Web.shop.svc.clusterset.local. (web.shop.svc.cluster.local is this cluster's own): hansa export web -n shop in the cluster that has it",
			"web.shop.svc.clusterset.lo":        "there is no host web.shop.svc.clusterset.lo, but web.shop.svc.cluster.local",
			"shop/udp":                          "shop/udp has no TCP port, and xDS serves TCP ports alone",
			"udp.shop.svc.cluster.local:53":     "shop/udp has no TCP port, and xDS serves TCP ports alone",
			"dns.shop.svc.clusterset.local":     "shop/dns has no TCP port, and xDS serves TCP ports alone",
		} {
			answer, err := scene.XDSResources(XDSQuery{Type: EDS, Name: name})
			if err != nil || len(answer.Lacks) != 1 || answer.Lacks[0] != want {
				t.Errorf("%s: %v\n%q\nwant\n%q", name, err, answer.Lacks, want)
			}
		}
		hinted := map[string]string{
			"web.shop.svc.cluster.local":     "no endpoint of web.shop.svc.cluster.local is ready: kubectl -n shop get endpointslices -l kubernetes.io/service-name=web",
			"both.shop.svc.cluster.local":    "no endpoint of both.shop.svc.cluster.local is ready: kubectl -n shop get endpointslices -l kubernetes.io/service-name=both",
			"both.shop.svc.clusterset.local": "no endpoint of both.shop.svc.clusterset.local is ready: hansa explain shop/both",
		}
		for name, want := range hinted {
			clusters, err := scene.XDSResources(XDSQuery{Type: CDS, Name: name})
			if err != nil || len(clusters.Resources) != 1 || clusters.Resources[0].Hint != "" {
				t.Errorf("%s: %v, %+v", name, err, clusters)
			}
			answer, err := scene.XDSResources(XDSQuery{Type: EDS, Name: name})
			if err != nil || len(answer.Resources) != 1 || answer.Resources[0].Hint != want {
				t.Errorf("%s: %v\n%+v\nwant\n%q", name, err, answer, want)
			}
		}
	})
}

// kinds is a Discovery that tells each kind of clients what is for it.
type kinds struct{ *discovery }

func (k kinds) Resource(a XDSAudience, t XDSType, name string) (*XDSResource, error) {
	envoy := a.Kind == KindEnvoy
	if t == RDS && !envoy || t == LDS && (name == EgressName) != (envoy && a.Egress != "") || t == LDS && envoy && name != EgressName {
		return nil, nil
	}
	return k.discovery.Resource(a, t, name)
}

// toldApart returns what newDiscovery does, with a listener for Envoy.
func toldApart() kinds {
	d := newDiscovery()
	d.resources[LDS] = append([]XDSResource{{Type: LDS, Name: EgressName, Message: json.RawMessage(`{}`)}}, d.resources[LDS]...)
	return kinds{d}
}

// What a client subscribes to in vain is listed to a bound.
func TestWhatIsSubscribedToInVainIsBounded(t *testing.T) {
	scene, d := still(t), newDiscovery()
	scene.XDS = d
	many := &d.clients[0].Types[1]
	for range 10 {
		many.Absent = append(many.Absent, "outbound|1||x.shop.svc.clusterset.local")
	}
	answer, err := scene.XDSResources(parseXDS(t, "type=cds&client=envoy-1"))
	if err != nil || len(answer.Resources) != 6 || len(answer.Lacks) != 9 || answer.Lacks[8] != "it subscribes to 2 names more in vain" {
		t.Errorf("%v: %q", err, answer.Lacks)
	}
}

// Which of several clients is meant is asked, not guessed.
func TestClientsOfOneIDAreToldApart(t *testing.T) {
	scene, d := still(t), newDiscovery()
	scene.XDS = d
	twin := d.clients[0]
	twin.Address = "10.0.0.9:40000"
	other := d.clients[1]
	other.Address = twin.Address
	d.clients = append(d.clients, twin, other)
	for called, want := range map[string]string{
		"envoy-1":         "2 clients have the ID envoy-1: give an address, 10.0.0.8:40000 or 10.0.0.9:40000",
		"10.0.0.9:40000":  "2 clients have the address 10.0.0.9:40000: give an ID, envoy-1 or web-1",
		"10.0.0.8:40000":  "",
		"10.0.0.10:40000": `no client that is connected to agent agent-0 has ID or address "10.0.0.10:40000"`,
	} {
		answer, err := scene.XDSResources(XDSQuery{Type: CDS, Client: called})
		switch {
		case want != "" && (err == nil || err.Error() != want):
			t.Errorf("%s: %v, want %s", called, err, want)
		case want == "" && (err != nil || answer.Client != "envoy-1" || answer.Address != called):
			t.Errorf("%s: %+v, %v", called, answer, err)
		}
	}
}

// starting is a Discovery that tells nobody anything yet.
type starting struct{ *discovery }

func (starting) Serving() bool { return false }

func TestAnAgentThatStartsBlamesNoService(t *testing.T) {
	scene := still(t)
	scene.XDS = starting{newDiscovery()}
	for waiting, want := range map[string]string{
		"":                              "this agent is not ready: it serves no xDS yet",
		"waiting for the MCS API: none": "this agent is not ready: waiting for the MCS API: none",
	} {
		scene.Agent.Waiting = waiting
		if _, err := scene.XDSResources(XDSQuery{Type: CDS, Client: "envoy-1", Name: "shop/web"}); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
