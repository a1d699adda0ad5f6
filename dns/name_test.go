package dns

import (
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestParseZoneNamesWhatIsWrong(t *testing.T) {
	for _, test := range []struct {
		name, want string
		ttl        time.Duration
	}{
		{"", "DNS zone", DefaultTTL},
		{".", "DNS zone", DefaultTTL},
		{"cluster set.local", "DNS zone", DefaultTTL},
		{"clusterset..local", "DNS zone", DefaultTTL},
		{`clusterset\.local`, "DNS zone", DefaultTTL},
		{strings.Repeat("z", maxZone+1), "DNS zone", DefaultTTL},
		{DefaultZone, "DNS TTL", -time.Second},
		{DefaultZone, "DNS TTL", 1500 * time.Millisecond},
		{DefaultZone, "DNS TTL", maxTTL + time.Second},
	} {
		if _, err := ParseZone(test.name, test.ttl); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("zone %q, TTL %s: error %v, want one about the %s", test.name, test.ttl, err, test.want)
		}
	}
	z, err := ParseZone("Example.Test.", time.Hour)
	if err != nil || z.String() != "example.test." || z.ttl != 3600 {
		t.Errorf("zone Example.Test.: %v, %v", z, err)
	}
}

// FuzzParse holds that parse reads each name in one way only: what it understood, written down again,
// is the name.
func FuzzParse(f *testing.F) {
	for _, test := range answers {
		f.Add(question(test.question).Name)
	}
	f.Add("...clusterset.local.")
	f.Add(`\\.clusterset.local.`)
	f.Add(`_http._tcp.we\098.shop.svc.clusterset.local.`)
	f.Fuzz(func(t *testing.T, s string) {
		before, inside := zone.within(s)
		if _, ok := dns.IsDomainName(s); ok && strings.HasSuffix(s, ".") && inside != dns.IsSubDomain(zone.origin, s) {
			t.Fatalf("%q is in the zone: %t", s, inside)
		}
		n := parse(before)
		var labels []string
		switch n.shape {
		case namespaceName:
			labels = []string{n.service.Namespace, "svc"}
		case serviceName:
			labels = []string{n.service.Name, n.service.Namespace, "svc"}
		case protocolName:
			labels = []string{"_" + n.protocol, n.service.Name, n.service.Namespace, "svc"}
		case clusterName:
			labels = []string{string(n.cluster), n.service.Name, n.service.Namespace, "svc"}
		case portName:
			labels = []string{"_" + n.port, "_" + n.protocol, n.service.Name, n.service.Namespace, "svc"}
		case endpointName:
			labels = []string{n.hostname, string(n.cluster), n.service.Name, n.service.Namespace, "svc"}
		default:
			return
		}
		if got := strings.Join(labels, "."); got != strings.ToLower(before) {
			t.Errorf("%q is read as %q", before, got)
		}
		if n.shape == portName && n.port == "" || (n.shape == portName || n.shape == protocolName) && n.protocol == "" {
			t.Errorf("%q means any port or protocol", before)
		}
		for _, label := range labels {
			if label == "" || strings.ContainsAny(label, `.\`) {
				t.Errorf("%q has the label %q", before, label)
			}
		}
	})
}
