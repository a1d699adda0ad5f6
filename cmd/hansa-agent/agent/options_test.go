package agent

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/integration/rule"
)

var update = flag.Bool("update", false, "write the reference in docs anew")

// valid returns Options whose files exist, and the directory that they are in.
func valid(t *testing.T) (Options, string) {
	t.Helper()
	dir := t.TempDir()
	ca, err := trust.NewAuthority("acme", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	files, err := ca.WriteMember(dir, "west", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	text := `{apiVersion: v1, kind: Config, current-context: west,
		contexts: [{name: west, context: {cluster: west, user: west}}],
		clusters: [{name: west, cluster: {server: "https://127.0.0.1:1"}}], users: [{name: west}]}`
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o := Defaults()
	o.Cluster, o.Clusterset, o.Kubeconfig = "west", "acme", kubeconfig
	o.Listen, o.HTTPAddress = "127.0.0.1:0", "127.0.0.1:0"
	o.Advertise = "west.example.org:8443"
	o.CertFile, o.KeyFile, o.CAFile = files.Cert, files.Key, files.CA
	return o, dir
}

// flags returns the command line of Options.
func (o Options) flags() []string {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.AddFlags(f)
	var args []string
	f.VisitAll(func(flag *pflag.Flag) {
		if several, ok := flag.Value.(pflag.SliceValue); ok {
			args = append(args, "--"+flag.Name+"=") // none of the defaults
			for _, value := range several.GetSlice() {
				args = append(args, "--"+flag.Name, value)
			}
			return
		}
		args = append(args, "--"+flag.Name+"="+flag.Value.String())
	})
	return args
}

// Each mistake ends the agent within seconds, with a line that names the flag and what is expected.
func TestMistakesEndTheAgentWithAClearLine(t *testing.T) {
	garbage := func(dir string) string {
		path := filepath.Join(dir, "garbage")
		if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy := taken.Addr().String()
	for _, test := range []struct {
		name string
		make func(o *Options, dir string)
		want []string
	}{
		{"clusterset", func(o *Options, _ string) { o.Clusterset = "Ac me" }, []string{`--clusterset "Ac me"`}},
		{"peer without port", func(o *Options, _ string) { o.Peers = []string{"10.0.0.1"} }, []string{`--peer "10.0.0.1"`, "host:port"}},
		{"peer with words for a port", func(o *Options, _ string) { o.Peers = []string{"10.0.0.1:https"} }, []string{`--peer "10.0.0.1:https"`, "port"}},
		{"listen", func(o *Options, _ string) { o.Listen = "8443" }, []string{`--listen "8443"`, "host:port"}},
		{"port out of range", func(o *Options, _ string) { o.HTTPAddress = "127.0.0.1:70000" }, []string{"--http-address", "0 to 65535"}},
		{"advertise", func(o *Options, _ string) { o.Advertise, o.Listen = "", ":8443" }, []string{`--listen ":8443"`, "--advertise host:port"}},
		{"advertise without port", func(o *Options, _ string) { o.Advertise = "west" }, []string{`--advertise "west"`, "host:port"}},
		{"no certificate", func(o *Options, _ string) { o.CertFile = "" }, []string{"--tls-cert-file", "is required"}},
		{"certificate missing", func(o *Options, d string) { o.CertFile = filepath.Join(d, "absent.crt") }, []string{"--tls-cert-file", "absent.crt", "no such file"}},
		{"certificate garbage", func(o *Options, d string) { o.CertFile = garbage(d) }, []string{"--tls-cert-file", "garbage", "PEM"}},
		{"key garbage", func(o *Options, d string) { o.KeyFile = garbage(d) }, []string{"--tls-key-file", "garbage", "PEM"}},
		{"CA garbage", func(o *Options, d string) { o.CAFile = garbage(d) }, []string{"--tls-ca-file", "garbage", "PEM"}},
		{"certificate of another cluster", func(o *Options, _ string) { o.Cluster = "east" }, []string{"--tls-cert-file", "west", "east"}},
		{"certificate of another clusterset", func(o *Options, _ string) { o.Clusterset = "other" }, []string{"--tls-cert-file", "acme", "other"}},
		{"kubeconfig missing", func(o *Options, d string) { o.Kubeconfig = filepath.Join(d, "absent") }, []string{"--kubeconfig", "absent"}},
		{"kubeconfig malformed", func(o *Options, d string) { o.Kubeconfig = garbage(d) }, []string{"--kubeconfig", "garbage"}},
		{"context missing", func(o *Options, _ string) { o.Context = "absent" }, []string{"--context", "absent"}},
		{"dns address", func(o *Options, _ string) { o.DNSAddress = "dns" }, []string{`--dns-address "dns"`, "host:port"}},
		{"dns zone", func(o *Options, _ string) { o.DNSZone = "cluster..set" }, []string{`--dns-zone "cluster..set"`}},
		{"dns zone in capitals", func(o *Options, _ string) { o.DNSZone = "Clusterset.Local" }, []string{`--dns-zone "Clusterset.Local"`, `want "clusterset.local"`}},
		{"dns TTL of a part of a second", func(o *Options, _ string) { o.DNSTTL = 1500 * time.Millisecond }, []string{`--dns-ttl "1.5s": want whole seconds from 0s to 1h0m0s`}},
		{"dns TTL too long", func(o *Options, _ string) { o.DNSTTL = time.Hour + time.Second }, []string{`--dns-ttl "1h0m1s": want whole seconds`}},
		{"dns TTL before it began", func(o *Options, _ string) { o.DNSTTL = -time.Second }, []string{`--dns-ttl "-1s": want whole seconds`}},
		{"dns rate below nothing", func(o *Options, _ string) { o.DNSRateLimit = -1 }, []string{`--dns-rate-limit "-1": want a number from 0`}},
		{"no xDS client", func(o *Options, _ string) { o.XDSMaxClients = 0 }, []string{`--xds-max-clients "0": want a number from 1`}},
		{"xds without a word on TLS", func(o *Options, _ string) { o.XDSAddress = "127.0.0.1:0" }, []string{"--xds-tls", "none"}},
		{"xds address in use", func(o *Options, _ string) { o.XDSAddress, o.XDSTLS = busy, "none" }, []string{"--xds-address", busy, "in use"}},
		{"xds TLS of an unknown kind", func(o *Options, _ string) { o.XDSTLS = "on" }, []string{`--xds-tls "on"`, `want "none"`}},
		{"xds TLS without xds", func(o *Options, _ string) { o.XDSTLS = "none" }, []string{`--xds-tls "none"`, "want --xds-address"}},
		{"context without kubeconfig", func(o *Options, _ string) { o.Kubeconfig, o.Context = "", "west" }, []string{`--context "west"`, "want --kubeconfig"}},
		{"rest of less than nothing", func(o *Options, _ string) { o.AddressRest = -time.Minute }, []string{`--address-rest "-1m0s"`, "want a duration such as 5m or 30s, or 0"}},
		{"no port to reach", func(o *Options, _ string) { o.Advertise = "" }, []string{`--listen "127.0.0.1:0"`, "host and port", "--advertise host:port"}},
		{"service range without a length", func(o *Options, _ string) { o.ServiceCIDRs = []string{"10.96.0.0/12", "10.0.0.1"} }, []string{`--service-cidrs "10.0.0.1"`, "10.96.0.0/12"}},
		{"service range too long", func(o *Options, _ string) { o.ServiceCIDRs = []string{"10.0.0.0/33"} }, []string{`--service-cidrs "10.0.0.0/33"`, "want a prefix"}},
		{"service range in IPv6's clothes", func(o *Options, _ string) { o.ServiceCIDRs = []string{"::ffff:10.0.0.0/104"} }, []string{`--service-cidrs "::ffff:10.0.0.0/104"`, "want a prefix"}},
		{"namespace rule", func(o *Options, _ string) { o.ExportNamespaces = []string{"shop", "Bank"} }, []string{`--export-namespaces "Bank": want a namespace, or <cluster>=<namespace>`}},
		{"namespace rule of a cluster", func(o *Options, _ string) { o.ExportDenyNamespaces = []string{"we st=*"} }, []string{`--export-deny-namespaces "we st=*": want`}},
		{"namespace rule of two clusters", func(o *Options, _ string) { o.ImportNamespaces = []string{"west=shop=*"} }, []string{`--import-namespaces "west=shop=*": want`}},
		{"namespace rule of nothing", func(o *Options, _ string) { o.ImportDenyNamespaces = []string{"west="} }, []string{`--import-deny-namespaces "west=": want`}},
		{"demoted before it is quiet", func(o *Options, _ string) { o.DemoteAfter = -time.Second }, []string{`--demote-after "-1s": want a duration such as 5m or 30s, or 0`}},
		{"withdrawn before it is demoted", func(o *Options, _ string) { o.WithdrawAfter = 29 * time.Second }, []string{`--withdraw-after "29s": want at least the 30s of --demote-after, or 0 for never`}},
		{"withdrawn before it is quiet", func(o *Options, _ string) { o.WithdrawAfter = -1 }, []string{`--withdraw-after "-1ns": want at least`}},
		{"gate that is not known", func(o *Options, _ string) { o.FeatureGates = []string{"MCSHosts=true"} }, []string{`--feature-gates: gate "MCSHosts" is not known: want MCSServiceDiscovery, MCSHost, MCSClusterLocal, MCSAutoExport`}},
		{"gate without a value", func(o *Options, _ string) { o.FeatureGates = []string{"MCSHost"} }, []string{`--feature-gates: "MCSHost": want Name=true or Name=false`}},
		{"gate that is neither on nor off", func(o *Options, _ string) { o.FeatureGates = []string{"MCSHost=off"} }, []string{`--feature-gates: gate MCSHost: value "off": want true or false`}},
		{"gates that cannot be together", func(o *Options, _ string) {
			o.FeatureGates = []string{"MCSServiceDiscovery=false", "MCSAutoExport=true"}
		}, []string{`MCSAutoExport=true by --feature-gates needs MCSServiceDiscovery=true, which is off by --feature-gates`}},
		{"selector of namespaces", func(o *Options, _ string) { o.AutoExportNamespaceSelector = "a in b" }, []string{`--auto-export-namespace-selector "a in b": want a label selector such as`}},
		{"selector of Services", func(o *Options, _ string) { o.AutoExportServiceSelector = "=" }, []string{`--auto-export-service-selector "=": want a label selector such as`}},
		{"host pattern", func(o *Options, _ string) { o.ClusterLocal = []string{"web.shop"} }, []string{`--cluster-local: pattern "web.shop": want SERVICE.NAMESPACE.svc.cluster.local`}},
		{"host patterns that contradict one another", func(o *Options, _ string) {
			o.ClusterLocal = []string{"*.shop.svc.cluster.local", "*.shop.svc.cluster.local=false"}
		}, []string{`--cluster-local: patterns`, "contradict"}},
		{"cluster domain", func(o *Options, _ string) { o.ClusterDomain = "Cluster.Local" }, []string{`--cluster-domain "Cluster.Local": want "cluster.local"`}},
		{"cluster domain of the clusterset", func(o *Options, _ string) { o.ClusterDomain = "clusterset.local" }, []string{`--dns-zone "clusterset.local": want one that is not --cluster-domain clusterset.local`}},
		{"zone above the cluster's own", func(o *Options, _ string) { o.DNSZone = "local" }, []string{`--dns-zone "local": want one that is not --cluster-domain cluster.local`}},
		{"zone below the cluster's own", func(o *Options, _ string) { o.DNSZone = "set.cluster.local" }, []string{`--dns-zone "set.cluster.local": want one that is not --cluster-domain cluster.local`}},
		{"log level", func(o *Options, _ string) { o.LogLevel = "loud" }, []string{`--log-level "loud"`, "debug, info, warn or error"}},
		{"log format", func(o *Options, _ string) { o.LogFormat = "xml" }, []string{`--log-format "xml"`, "text or json"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, dir := valid(t)
			test.make(&o, dir)
			mistaken(t, o, test.want...)
		})
	}
}

// A cluster's ID is a label of DNS names and the value of a label: one RFC 1123 label is what all of them take.
func TestAClusterIDIsOneLabel(t *testing.T) {
	rule.Covers(t, "C3", "C4", "#46")
	for _, test := range []struct{ id, want string }{
		{"", "--cluster is required"},
		{"west.eu", `--cluster "west.eu"`},
		{"West", `--cluster "West"`},
		{"west_eu", `--cluster "west_eu"`},
		{"-west", `--cluster "-west"`},
		{strings.Repeat("w", 64), `--cluster "ww`},
	} {
		t.Run(test.id, func(t *testing.T) {
			o, _ := valid(t)
			o.Cluster = test.id
			mistaken(t, o, test.want, "RFC 1123 label", "1 to 63")
		})
	}
	o, _ := valid(t)
	o.Cluster = strings.Repeat("w", 63)
	if err := o.Validate(); err != nil {
		t.Errorf("an ID of 63 characters: %v", err)
	}
}

// mistaken checks that the agent ends with one line that has all those words.
func mistaken(t *testing.T, o Options, want ...string) {
	t.Helper()
	err := execute(t, o.flags()...)
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
	if strings.Count(err.Error(), "\n") > 0 {
		t.Errorf("more than one line: %q", err)
	}
}

// Nothing listens where the kubeconfig points to: the agent waits, and ends when it is told to.
func TestAnAgentWithoutAnAPIServerWaitsAndEndsWhenTold(t *testing.T) {
	o, _ := valid(t)
	ctx, cancel := context.WithCancel(t.Context())
	log, out := logging(slog.LevelInfo)
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o, log) }()
	select {
	case err := <-ended:
		t.Fatalf("ended with %v", err)
	case <-time.After(500 * time.Millisecond): // long enough for a mistake to show
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("ended with %v", err)
		}
		if !strings.HasSuffix(out.String(), "level=INFO msg=stopping cluster=west\nlevel=INFO msg=stopped cluster=west\n") {
			t.Errorf("it logged %s", out)
		}
	case <-time.After(5 * time.Second):
		buf := make([]byte, 1<<20)
		t.Fatalf("still running 5 s after it was told to end\n%s", buf[:runtime.Stack(buf, true)])
	}
}

func TestSeveralMistakesAreToldAtOnce(t *testing.T) {
	err := execute(t)
	lines := strings.Split(fmt.Sprint(err), "\n")
	if err == nil || lines[0] != "5 mistakes, see hansa-agent --help" || len(lines) != 6 {
		t.Errorf("got %v", err)
	}
}

// A command line that cannot be read is told in one line too: the flag, its value, what is expected.
func TestMistakesOfTheCommandLine(t *testing.T) {
	for line, want := range map[string]string{
		"--address-rest 5":          `--address-rest "5": want a duration such as 5m or 30s`,
		"--address-rest=":           `--address-rest "": want a duration such as 5m or 30s`,
		"--install-crds=maybe":      `--install-crds "maybe": want true or false`,
		"--install-crds maybe":      `unexpected "maybe": hansa-agent takes flags only; write --install-crds or --install-crds=false`,
		`--peer a"b:1`:              `--peer "a\"b:1": want host:port of a member to join`,
		"--cluster":                 "--cluster: want a value behind it: ID of this cluster",
		"--clutser west":            "unknown flag: --clutser; see hansa-agent --help",
		"-cluster west":             "unknown flag -cluster: flags begin with two dashes, as in --cluster; see hansa-agent --help",
		"--log-level debug verbose": `unexpected "verbose": hansa-agent takes flags only; see hansa-agent --help`,
		"--=5":                      "bad flag syntax: --=5; see hansa-agent --help",
	} {
		err := execute(t, strings.Fields(line)...)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}

func TestServiceRangesComeByCommaAndByFlag(t *testing.T) {
	o, _ := valid(t)
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.AddFlags(f)
	want := []string{"10.96.0.0/12", "fd00:10:96::/112", "10.200.0.0/16"}
	if err := f.Parse([]string{"--service-cidrs", want[0] + "," + want[1], "--service-cidrs=" + want[2]}); err != nil || !slices.Equal(o.ServiceCIDRs, want) {
		t.Errorf("read %v (%v), want %v", o.ServiceCIDRs, err, want)
	}
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
}

// What is denied by default may be given up on purpose, and what is given takes its place.
func TestPoliciesOfNamespaces(t *testing.T) {
	for line, want := range map[string]struct{ exports, imports federation.Namespaces }{
		"": {federation.Namespaces{Deny: []federation.NamespaceRule{{Cluster: "*", Namespace: "kube-*"}}}, federation.Namespaces{Deny: []federation.NamespaceRule{{Cluster: "*", Namespace: "kube-*"}}}},
		"--export-deny-namespaces= --import-deny-namespaces=": {},
		"--export-namespaces=shop,eu-*=market-* --export-namespaces=bank --import-deny-namespaces=west=shop --export-deny-namespaces=": {
			federation.Namespaces{Allow: []federation.NamespaceRule{{Cluster: "*", Namespace: "shop"}, {Cluster: "eu-*", Namespace: "market-*"}, {Cluster: "*", Namespace: "bank"}}},
			federation.Namespaces{Deny: []federation.NamespaceRule{{Cluster: "west", Namespace: "shop"}}},
		},
		"--import-namespaces=shop --export-deny-namespaces= --import-deny-namespaces=": {
			federation.Namespaces{}, federation.Namespaces{Allow: []federation.NamespaceRule{{Cluster: "*", Namespace: "shop"}}},
		},
	} {
		o, _ := valid(t)
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		o.AddFlags(f)
		if err := errors.Join(f.Parse(strings.Fields(line)), o.Validate()); err != nil {
			t.Fatal(err)
		}
		if exports, imports := o.exportPolicy(), o.importPolicy(); !reflect.DeepEqual(exports, want.exports) || !reflect.DeepEqual(imports, want.imports) {
			t.Errorf("%s: exports by %+v, imports by %+v", line, exports, imports)
		}
	}
}

// Never, and at once, are times too.
func TestTimesOfQuietClusters(t *testing.T) {
	for _, c := range []struct{ demote, withdraw time.Duration }{{0, 0}, {time.Hour, 0}, {0, 1}, {time.Second, time.Second}} {
		o, _ := valid(t)
		o.DemoteAfter, o.WithdrawAfter = c.demote, c.withdraw
		if err := o.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestAnAddressIsNamedOnce(t *testing.T) {
	o, _ := valid(t)
	o.Peers = []string{"east"}
	if err := o.Validate(); err == nil || err.Error() != `--peer "east": want host:port` {
		t.Errorf("got %v", err)
	}
}

// execute runs the command line for a few seconds at most.
func execute(t *testing.T, args ...string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c := Command()
	c.SetArgs(append([]string{}, args...)) // none are those of the test
	c.SetErr(&bytes.Buffer{})
	c.SetOut(&bytes.Buffer{})
	return c.ExecuteContext(ctx)
}

// docs/hansa-agent.md is made of the flags, so it is true.
func TestTheReferenceListsEveryFlag(t *testing.T) {
	const path = "../../../docs/hansa-agent.md"
	want := reference()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: run go test ./cmd/hansa-agent/agent -update", path)
	}
}

func reference() string {
	c := Command()
	var b strings.Builder
	fmt.Fprintf(&b, "# hansa-agent\n\n%s\n\n```\n%s\n```\n\n| flag | default | meaning |\n|---|---|---|\n", c.Long, c.Example)
	c.Flags().VisitAll(func(f *pflag.Flag) {
		value := ""
		if text := strings.Trim(f.DefValue, "[]"); text != "" {
			value = "`" + text + "`"
		}
		fmt.Fprintf(&b, "| `--%s` | %s | %s |\n", f.Name, value, strings.NewReplacer("|", "\\|", "<", "\\<").Replace(f.Usage))
	})
	b.WriteString("\nWhat `/metrics` shows is listed in [metrics](metrics.md).\n")
	return b.String()
}
