package dns

import (
	"net/netip"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// quietShop is a namespace of headless services in which west is not heard, and neither is north; south is.
func quietShop() world {
	sql := ports(tcp("sql", 5432))
	all := []*federation.Export{
		export("east/db", federation.Headless, sql, subset(sql, "10.1.0.2 db-0")),
		export("west/db", federation.Headless, sql, subset(sql, "10.2.0.2 db-0", "10.2.0.3", "fd00:2::5", "!10.2.0.4 db-4")),

		export("south/far", federation.Headless, sql, subset(sql, "10.3.0.2 db-0")),
		export("west/far", federation.Headless, sql, subset(sql, "10.2.0.2 db-0")),

		export("north/alone", federation.Headless, sql, subset(sql, "10.4.0.2 db-0")),
		export("west/alone", federation.Headless, sql, subset(sql, "10.2.0.2 db-0")),

		export("east/better", federation.Headless, sql, subset(sql, "!10.1.0.2 db-0")),
		export("west/better", federation.Headless, sql, subset(sql, "10.2.0.2 db-0")),

		hasty(export("east/gone", federation.Headless, sql, subset(sql, "10.1.0.2 db-0"))),
		hasty(export("west/gone", federation.Headless, sql, subset(sql, "10.2.0.2 db-0"))),
		hasty(export("west/late", federation.Headless, sql, subset(sql, "10.2.0.2 db-0"))),
		hasty(export("west/web", federation.ClusterSetIP, sql, subset(sql, "10.2.0.2"))),
	}
	return world{exports: all, ips: map[string][]netip.Addr{"web": ips("10.96.0.7")}, silent: true, heard: []federation.ClusterID{"south"}}
}

// hasty returns an export whose silent clusters are withdrawn by now.
func hasty(e *federation.Export) *federation.Export {
	e.Quiet.Withdraw = federation.Delay{Given: true, After: agesAgo - time.Minute}
	return e
}

// ofQuiet is what quietShop is to answer, as in answers.
var ofQuiet = []struct{ promise, question, want string }{
	{"demoted endpoints are not in the name of their service", "db.shop.svc A", "db.shop.svc 5 IN A 10.1.0.2"},
	{"in no family, but the name is there", "db.shop.svc AAAA", "+ SOA"},
	{"nor where another cluster than our own has the ready ones", "far.shop.svc A", "far.shop.svc 5 IN A 10.3.0.2"},
	{"nor in its SRV", "db.shop.svc SRV", `db.shop.svc 5 IN SRV 0 100 5432 db-0.east.db.shop.svc
; additional
db-0.east.db.shop.svc 5 IN A 10.1.0.2`},
	{"nor in that of its port", "_sql._tcp.far.shop.svc SRV", `_sql._tcp.far.shop.svc 5 IN SRV 0 100 5432 db-0.south.far.shop.svc
; additional
db-0.south.far.shop.svc 5 IN A 10.3.0.2`},
	{"D8: the name of a demoted endpoint is there, as it means no other", "db-0.west.db.shop.svc A", "db-0.west.db.shop.svc 5 IN A 10.2.0.2"},
	{"D8: so it is without host name", "10-2-0-3.west.db.shop.svc A", "10-2-0-3.west.db.shop.svc 5 IN A 10.2.0.3"},
	{"D8: and of IPv6", "fd00-2--5.west.db.shop.svc AAAA", "fd00-2--5.west.db.shop.svc 5 IN AAAA fd00:2::5"},
	{"D8: but not that of one that is not ready", "db-4.west.db.shop.svc A", "NXDOMAIN\n+ SOA"},

	{"where nobody is heard, silent clusters are as good as any", "alone.shop.svc A", "alone.shop.svc 5 IN A 10.4.0.2\nalone.shop.svc 5 IN A 10.2.0.2"},
	{"for SRV too", "_sql._tcp.alone.shop.svc SRV", `_sql._tcp.alone.shop.svc 5 IN SRV 0 100 5432 db-0.north.alone.shop.svc
_sql._tcp.alone.shop.svc 5 IN SRV 0 100 5432 db-0.west.alone.shop.svc
; additional
db-0.north.alone.shop.svc 5 IN A 10.4.0.2
db-0.west.alone.shop.svc 5 IN A 10.2.0.2`},
	{"and where who is heard has no ready endpoint", "better.shop.svc A", "better.shop.svc 5 IN A 10.2.0.2"},

	{"withdrawn endpoints are not in the name of their service", "gone.shop.svc A", "gone.shop.svc 5 IN A 10.1.0.2"},
	{"nor in its SRV", "gone.shop.svc SRV", `gone.shop.svc 5 IN SRV 0 100 5432 db-0.east.gone.shop.svc
; additional
db-0.east.gone.shop.svc 5 IN A 10.1.0.2`},
	{"D8: nor have they names", "db-0.west.gone.shop.svc A", "NXDOMAIN\n+ SOA"},
	{"D8: those of others have", "db-0.east.gone.shop.svc A", "db-0.east.gone.shop.svc 5 IN A 10.1.0.2"},
	{"D10: without another endpoint there is no name", "late.shop.svc A", "NXDOMAIN\n+ SOA"},
	{"D10: for no type", "late.shop.svc SRV", "NXDOMAIN\n+ SOA"},
	{"D10: nor for its ports", "_sql._tcp.late.shop.svc SRV", "NXDOMAIN\n+ SOA"},
	{"D10: nor for its endpoints", "db-0.west.late.shop.svc A", "NXDOMAIN\n+ SOA"},
	{"D3: the address of a service stays, whoever is behind it", "web.shop.svc A", "web.shop.svc 5 IN A 10.96.0.7"},
	{"D4: and so do its ports", "_sql._tcp.web.shop.svc SRV", `_sql._tcp.web.shop.svc 5 IN SRV 0 100 5432 web.shop.svc
; additional
web.shop.svc 5 IN A 10.96.0.7`},
}

func TestAnswerLeavesSilentClustersToTheEnd(t *testing.T) {
	rule.Covers(t, "S10", "D7", "D8", "D9", "D10", "D11", "#41")
	view := quietShop().importer(t).View()
	for _, test := range ofQuiet {
		t.Run(test.promise, func(t *testing.T) {
			if got := render(Answer(view, Complete, zone, question(test.question), here)); got != test.want {
				t.Errorf("%s:\n%s\nwant:\n%s", test.question, got, test.want)
			}
		})
	}
}

// While a known cluster was not heard since the start, what is withdrawn of another is not denied either.
func TestAnswerDoesNotDenyWhatIsWithdrawnBeforeAllAreHeard(t *testing.T) {
	view := quietShop().importer(t).View()
	for _, name := range []string{"late.shop.svc A", "db-0.west.gone.shop.svc A", "_sql._tcp.late.shop.svc SRV"} {
		if got := render(Answer(view, Partial, zone, question(name), here)); got != "SERVFAIL" {
			t.Errorf("%s: %s, want SERVFAIL", name, got)
		}
	}
}
