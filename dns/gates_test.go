package dns

import (
	"testing"

	"github.com/miekg/dns"

	"github.com/hansa-mcs/hansa/importer"
)

// Without one of the gates that names of the clusterset need there are none of them: they are denied, and not failed on,
// whatever is not known yet. The zone itself stays.
func TestGatesCloseTheNames(t *testing.T) {
	i := shop().importer(t)
	for _, gates := range []importer.Gates{{Discovery: true, ClusterLocal: true}, {Hosts: true, ClusterLocal: true}} {
		before := i.View()
		i.SetGates(gates)
		<-before.Replaced()
		view := i.View().Clusterset()
		for _, known := range []Knowledge{Partial, Complete} {
			for _, q := range []string{"web.shop.svc A", "web.shop.svc SRV", "db-0.west.db.shop.svc A", "_http._tcp.web.shop.svc SRV", "shop.svc A", "nothing.shop.svc A"} {
				if reply := Answer(view, known, zone, question(q), here); reply.Rcode != dns.RcodeNameError || len(reply.Answer) > 0 || !reply.Denial {
					t.Errorf("gates %+v, knowledge %d, %s:\n%s", gates, known, q, render(reply))
				}
			}
		}
		if got := render(Answer(view, Nothing, zone, question("web.shop.svc A"), here)); got != "SERVFAIL" {
			t.Errorf("gates %+v, before anything is known: %s", gates, got)
		}
		if reply := Answer(view, Complete, zone, question("dns-version TXT"), here); reply.Rcode != dns.RcodeSuccess || len(reply.Answer) != 1 {
			t.Errorf("gates %+v: the zone is gone", gates)
		}
	}
	closed := i.View()
	i.SetGates(importer.DefaultGates())
	<-closed.Replaced()
	if got := render(Answer(i.View().Clusterset(), Complete, zone, question("web.shop.svc A"), here)); got != "web.shop.svc 5 IN A 10.96.0.7" {
		t.Errorf("open again: %s", got)
	}
}
