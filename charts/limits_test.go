package charts_test

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/cmd/hansa/install"
)

// forms are texts that a value may be, and others that it may not.
var forms = map[string]struct{ good, bad []string }{
	"dnsZone": {
		[]string{"clusterset.local", "set", "a-b.c1.d", "xcluster.local", "clusterset.local.example", strings.Repeat("a", 63), strings.Repeat("a.", 31) + "b"},
		[]string{"Foo", "a..b", ".a", "a.", "-a.b", "a-.b", "a_b", "a b", "ä", "*.a", strings.Repeat("a", 64), strings.Repeat("a.", 31) + "bc"},
	},
	"clusterDomain": {
		[]string{"cluster.local", "east.example", "xclusterset.local"},
		[]string{"Cluster.Local", "cluster..local", "cluster.local.", "clusterset.local", strings.Repeat("a", 64)},
	},
	"dnsTtl": {
		[]string{"0", "0s", "5s", "59s", "90s", "999s", "3600s", "1m", "1m0s", "1m30s", "59m59s", "60m", "60m0s", "1h", "1h0m", "1h0s", "1h0m0s"},
		[]string{"5", "1500ms", "1.5s", "-5s", "3601s", "4000s", "60m1s", "61m", "1h1s", "1h1m", "2h", "s", "m5s", "5 s"},
	},
	"listen": {
		[]string{":1", ":8443", "0.0.0.0:65535", "[::]:8443", "east.example:59999", ":60000"},
		[]string{"8443", ":", ":65536", ":65540", ":65600", ":66000", ":70000", ":99999", ":100000", "::8443", "[::]", ":http", ":-1"},
	},
	"httpAddress": {[]string{":65535", "0.0.0.0:8081"}, []string{":65536", "[::]8080"}},
	"dnsAddress":  {[]string{":53", "[::]:65535"}, []string{":65536", "53"}},
	"advertise":   {[]string{"192.0.2.1:65535", "[2001:db8::1]:443", "east.example:8443", "east.example:08443"}, []string{"east.example", ":8443", "east.example:65536", "2001:db8::1:443", "east.example:0"}},
	"peer":        {[]string{"192.0.2.1:65535", "[2001:db8::1]:443", "east.example:8443"}, []string{"west", ":8443", "west:65536", "west:0"}},
}

// What the chart takes the agent takes: otherwise pods would end as soon as they began, again and again. And what the chart
// refuses here the agent would have refused.
func TestTheChartTakesWhatTheAgentTakes(t *testing.T) {
	for name, form := range forms {
		for _, text := range form.good {
			if err := taken(t, name, text); err != nil {
				t.Errorf("%s %q: the chart says %v", name, text, err)
			} else if err := started(t, name, text); err != nil {
				t.Errorf("%s %q: the chart takes it, and the agent says %v", name, text, err)
			}
		}
		for _, text := range form.bad {
			if err := taken(t, name, text); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s %q: got %v, want that the chart names it", name, text, err)
			}
			if err := started(t, name, text); err == nil {
				t.Errorf("%s %q: the agent takes what the chart does not", name, text)
			}
		}
	}
}

// valuesWith returns those of a cluster in which one is a text, or a list of it.
func valuesWith(name, text string) map[string]any {
	values := map[string]any{"cluster": "east", name: text}
	if _, list := flags()[name].Value.(pflag.SliceValue); list {
		values[name] = []any{text}
	}
	return values
}

// taken returns what the chart says of a value.
func taken(t *testing.T, name, text string) error {
	t.Helper()
	_, _, err := install.Render("hansa-system", valuesWith(name, text))
	return err
}

// started returns what the agent of a pod says of a flag.
func started(t *testing.T, name, text string) error {
	t.Helper()
	o := agent.Defaults()
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.AddFlags(f)
	if err := f.Parse(arguments(t, map[string]any{"cluster": "east"})); err != nil {
		t.Fatal(err)
	}
	if err := f.Set(flags()[name].Name, text); err != nil {
		return err
	}
	return o.Validate()
}

// A time has a unit, and nothing may be the number, whatever the time is of.
func TestEveryTimeHasAUnit(t *testing.T) {
	for name, f := range flags() {
		if f.Value.Type() != "duration" {
			continue
		}
		for _, number := range []any{30, int64(30), float64(30)} {
			_, _, err := install.Render("hansa-system", map[string]any{"cluster": "east", name: number})
			if want := "value " + name + " 30: want a time with its unit, such as 30s"; err == nil || err.Error() != want {
				t.Errorf("%T: got %v, want %s", number, err, want)
			}
		}
		for _, number := range []any{0, int64(0), float64(0)} {
			if _, _, err := install.Render("hansa-system", map[string]any{"cluster": "east", name: number}); err != nil {
				t.Errorf("%T: %v", number, err)
			}
		}
	}
}

// What the agent would take is plain in the chart: no fractions that make whole seconds, and no empty peer.
func TestTheChartWantsPlainValues(t *testing.T) {
	for name, list := range map[string][]string{"dnsTtl": {"0.5m", "1000ms", "1m90s"}, "peer": {""}, "listen": {":08443"}} {
		for _, text := range list {
			if err := taken(t, name, text); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s %q: got %v, want that the chart names it", name, text, err)
			}
		}
	}
}

// The address of DNS may be chosen, in either family.
func TestTheAddressOfDNSIsAnAddress(t *testing.T) {
	for address, good := range map[string]bool{
		"": true, "10.96.0.53": true, "255.255.255.255": true, "fd00::53": true, "::1": true, "2001:db8:0:1:2:3:4:5": true,
		"None": false, "10.96.0": false, "10.96.0.256": false, "10.96.0.53/32": false, "10.96.0.53:53": false, "dns.example": false, "[fd00::53]": false, "a:b": false,
	} {
		_, _, err := install.Render("hansa-system", map[string]any{"cluster": "east", "dnsService": map[string]any{"clusterIP": address}})
		if (err == nil) != good {
			t.Errorf("%q: got %v, want good %t", address, err, good)
		}
	}
}
