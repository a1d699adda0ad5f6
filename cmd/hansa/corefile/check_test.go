package corefile

import (
	"testing"
	"time"
)

func TestAZoneIsSpelledAsAgentsTakeIt(t *testing.T) {
	const long = "a-zone-of-sixty-four-characters-is-one-more-than-agents.may.have"
	for name, good := range map[string]bool{
		"clusterset.local": true, "mesh.example.": true, "mesh": true, long[1:]: false, "x" + long[2:]: true,
		"": false, ".": false, "mesh..example": false, "mesh.example..": false, "Mesh.example": false, "mesh_1": false, long: false,
	} {
		if _, err := ParseZone(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestAZoneTakesNoNamesFromTheClustersOwn(t *testing.T) {
	for _, test := range []struct {
		zone, own string
		apart     bool
	}{
		{"clusterset.local", OwnDomain, true},
		{"cluster.local", OwnDomain, false},
		{"cluster.local.", OwnDomain, false},
		{"local", OwnDomain, false},
		{"svc.cluster.local", OwnDomain, false},
		{"mycluster.local", OwnDomain, true},
		{"cluster.local", "corp.example", true},
		{"example", "Corp.Example.", false},
		{"clusterset.local", "no..domain", true},
	} {
		zone, err := ParseZone(test.zone)
		if err != nil {
			t.Fatal(err)
		}
		if err := Apart(zone, test.own); (err == nil) != test.apart {
			t.Errorf("%s beside %s: %v", test.zone, test.own, err)
		}
	}
}

func TestParseTTL(t *testing.T) {
	const bad = -1
	for text, want := range map[string]time.Duration{
		"": 5 * time.Second, "0": 0, "10s": 10 * time.Second, "1h": time.Hour, "1500ms": bad, "2h": bad, "-1s": bad, "ten": bad,
	} {
		if got, err := ParseTTL(text); (err != nil) != (want == bad) || err == nil && got != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
}

func TestUpstream(t *testing.T) {
	for address, want := range map[string]string{
		"10.96.0.53": "10.96.0.53", "10.96.0.53:53": "10.96.0.53", "10.96.0.53:5353": "10.96.0.53:5353",
		"::1": "::1", "[::1]": "::1", "[::1]:53": "::1", "[FD00:0::53]:5353": "[fd00::53]:5353", "fe80::1%eth0": "fe80::1%eth0",
		"": "", "hansa-agent-dns": "", "10.96.0.53:0": "", "0.0.0.0": "", "[::]": "", "[::]:53": "", "[::1": "", "::1]": "", "[[::1]]": "", "[10.96.0.53]": "",
		"tls://10.96.0.53": "", "10.96.0.53:dns": "",
	} {
		if got, err := Upstream(address); got != want || (err == nil) == (want == "") {
			t.Errorf("%q: %q, %v, want %q", address, got, err, want)
		}
	}
}
