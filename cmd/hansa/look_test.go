package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/importer"
)

// unleaked fails the test if something that it starts from here on outlives it.
func unleaked(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// anyone admits everybody.
type anyone struct{}

func (anyone) Admit(*http.Request) error { return nil }

// serving answers on a listener until the test ends.
func serving(t *testing.T, l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	var work sync.WaitGroup
	work.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() { _ = server.Close(); work.Wait() })
}

// reports answers for an agent of cluster east that knows nobody.
func reports() http.Handler {
	store := federation.NewStore("east")
	return report.Handler(func(now time.Time) *report.Scene {
		return &report.Scene{Now: now, Clusterset: "acme", Store: store, View: importer.Empty(), Agent: report.Agent{Name: "east-0", Leads: true, Leader: &report.Leader{Name: "east-0"}}}
	}, anyone{})
}

// inTheClear runs an agent that is asked on this machine, and returns its address.
func inTheClear(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serving(t, l, h)
	return l.Addr().String()
}

// members makes files of clusters in a folder for each, and returns the CA.
func members(t *testing.T, dir string, clusters ...federation.ClusterID) *trust.Authority {
	t.Helper()
	ca, err := trust.NewAuthority("acme", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range clusters {
		at := filepath.Join(dir, string(c))
		if err := os.Mkdir(at, 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := ca.WriteMember(at, c, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return ca
}

// filesOf are the flags of the files in a folder.
func filesOf(dir string) []string {
	return []string{"--tls-cert-file", filepath.Join(dir, "tls.crt"), "--tls-key-file", filepath.Join(dir, "tls.key"), "--tls-ca-file", filepath.Join(dir, "ca.crt")}
}

// onPort runs the port of an agent of cluster east that answers who asks there.
func onPort(t *testing.T, ca *trust.Authority, r trust.Route) string {
	t.Helper()
	c, err := ca.NewMember("east", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	id, err := trust.New("acme", "east", c)
	if err != nil {
		t.Fatal(err)
	}
	port, err := trust.Listen(t.Context(), "127.0.0.1:0", id, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	port.Route(func() trust.Route { return r })
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = port.Start(ctx) })
	t.Cleanup(func() { cancel(); work.Wait() })
	serving(t, port.Listener(trust.ProtoReport), reports())
	return port.Addr().String()
}

// hansa runs the command line until ctx ends, and returns what it wrote.
func hansa(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	c := command()
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(&errs)
	err = c.ExecuteContext(ctx)
	return out.String(), errs.String(), err
}

func TestAnAgentElsewhereIsAskedWithTheClustersOwnFiles(t *testing.T) {
	unleaked(t)
	dir := t.TempDir()
	ca := members(t, dir, "east", "west")
	members(t, filepath.Join(dir, "east"), "east") // of another CA
	leads := onPort(t, ca, trust.Route{Serve: true})
	leaderless := onPort(t, ca, trust.Route{})
	for about, c := range map[string]struct{ address, files, want string }{
		"its own cluster":     {leads, "east", ""},
		"another cluster":     {leads, "west", `the peer is cluster "east", want "west"`},
		"another CA":          {leads, "east/east", "certificate signed by unknown authority"},
		"one without leader":  {leaderless, "east", "it ends every connection while it knows of no agent that leads"},
		"nobody":              {"127.0.0.1:1", "east", "connection refused"},
		"what is no port":     {"127.0.0.1", "east", "with a certificate want host:port"},
		"what is a web site":  {"http://" + leads, "east", "with a certificate want host:port"},
		"what has no address": {"", "east", "it is for --agent host:port"},
	} {
		out, _, err := hansa(t.Context(), append([]string{"status", "--agent", c.address}, filesOf(filepath.Join(dir, c.files))...)...)
		switch {
		case c.want == "" && (err != nil || !strings.Contains(out, "Agent   east-0 leads")):
			t.Errorf("%s: %v, %s", about, err, out)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", about, err, c.want)
		}
	}
	if _, _, err := hansa(t.Context(), "status", "--agent", leads); err == nil || !strings.Contains(err.Error(), "give the three --tls-…-file flags too") {
		t.Errorf("in the clear: %v", err)
	}
}

// The port of xDS begins with a frame of HTTP/2, which says nothing to anybody.
func TestAnAgentAskedAtItsPortOfXDS(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	var work sync.WaitGroup
	work.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() { server.Stop(); work.Wait() })
	_, _, err = hansa(t.Context(), "xds", "clients", "--agent", l.Addr().String())
	if want := "does not answer: that is not an agent's --http-address; is it its --xds-address?"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// What is missing or wrong is told before anybody is asked, with the flag that it is about.
func TestWhatIsWrongWithHowAnAgentIsAsked(t *testing.T) {
	dir := t.TempDir()
	members(t, dir, "east", "west")
	east, west := filesOf(filepath.Join(dir, "east")), filesOf(filepath.Join(dir, "west"))
	none := filepath.Join(dir, "none")
	with := func(files ...string) []string { return append([]string{"--agent", "127.0.0.1:1"}, files...) }
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--agent", "10.0.0.1:8080"}, `--agent "10.0.0.1:8080": an agent answers in the clear on its own machine alone: give --tls-cert-file, --tls-key-file and --tls-ca-file of its cluster`},
		{[]string{"--agent", "http://agent.example:8080"}, "in the clear on its own machine alone"},
		{[]string{"--agent", "agent.example"}, "in the clear on its own machine alone"},
		{[]string{"--agent", "[2001:db8::1]:8080"}, "in the clear on its own machine alone"},
		{[]string{"--agent", "%"}, "--agent: address \"%\" of an agent: want host:port"},
		{[]string{"--agent", "127.0.0.1:1/x"}, "want host:port"},
		{with(east[:2]...), "--tls-key-file, --tls-ca-file: want all of --tls-cert-file, --tls-key-file and --tls-ca-file, or none"},
		{with(east[2:]...), "--tls-cert-file: want all of"},
		{with("--tls-cert-file", none, "--tls-key-file", east[3], "--tls-ca-file", east[5]), "--tls-cert-file: open " + none},
		{with("--tls-cert-file", east[3], "--tls-key-file", east[3], "--tls-ca-file", east[5]), "--tls-cert-file " + east[3] + ": "},
		{with("--tls-cert-file", east[1], "--tls-key-file", west[3], "--tls-ca-file", east[5]), "--tls-key-file: " + west[3]},
		{with("--tls-cert-file", east[1], "--tls-key-file", east[3], "--tls-ca-file", none), "--tls-ca-file: " + none},
		{[]string{"--agent", "127.0.0.1:1", "--watch", "--every", "1ms"}, "--every 1ms: want 100ms at least"},
		{[]string{"--agent", "127.0.0.1:1", "-o", "xml"}, `invalid argument "xml" for "-o, --output" flag: want wide, json or yaml`},
	} {
		if out, _, err := hansa(t.Context(), append([]string{"status"}, c.args...)...); err == nil || !strings.Contains(err.Error(), c.want) || out != "" {
			t.Errorf("%q: %v, want %s", c.args, err, c.want)
		}
	}
	for _, local := range []string{"127.0.0.1:1", "localhost:1", "http://[::1]:1", "http://127.0.0.1:1/"} {
		if _, _, err := hansa(t.Context(), "status", "--agent", local); err == nil || !strings.Contains(err.Error(), "does not answer") {
			t.Errorf("%s: %v", local, err)
		}
	}
}

// A service is named as it is listed, or as it is asked for in DNS.
func TestAServiceIsNamedInTwoWays(t *testing.T) {
	shop := report.Query{Namespace: "shop", Name: "web"}
	for _, c := range []struct {
		argument, namespace string
		want                report.Query
	}{
		{"shop/web", "", shop},
		{"web", "shop", shop},
		{"shop/", "", report.Query{Namespace: "shop"}},
		{"web.shop.svc", "", shop},
		{"web.shop.svc.clusterset.local", "", shop},
		{"Web.Shop.SVC.Clusterset.Local.", "", shop},
		{"web.shop.svc.mesh.svc.example", "shop", shop},
		{"svc.svc.svc.clusterset.local", "", report.Query{Namespace: "svc", Name: "svc"}},
		{"_http._tcp.web.shop.svc.clusterset.local", "", shop},
		{"web-0.east.web.shop.svc.clusterset.local", "", shop},
	} {
		s := chosenServices{namespace: c.namespace}
		if got, err := s.query([]string{c.argument}); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", c.argument, got, err)
		}
	}
	for _, c := range []struct{ argument, namespace, want string }{
		{"web", "", "want NAMESPACE/NAME, or NAME and --namespace"},
		{"/web", "", "want NAMESPACE/NAME, or NAME and --namespace"},
		{"web.shop", "", "want NAMESPACE/NAME, or NAME and --namespace"},
		{"web.svc.clusterset.local", "", "want NAMESPACE/NAME, or NAME and --namespace"},
		{"web..svc.clusterset.local", "", "want NAMESPACE/NAME, or NAME and --namespace"},
		{".shop.svc.clusterset.local", "", "want NAMESPACE/NAME, or NAME and --namespace"},
		{"shop/web", "data", `want the namespace once, and --namespace says "data"`},
		{"web.shop.svc.clusterset.local", "data", `want the namespace once, and --namespace says "data"`},
	} {
		s := chosenServices{namespace: c.namespace}
		if got, err := s.query([]string{c.argument}); !errors.Is(err, errUsage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v, want %s", c.argument, got, err, c.want)
		}
	}
}

// An answer that does not come is told, and does not end a watch: only its interruption does.
func TestAWatchOutlivesWhatGoesWrong(t *testing.T) {
	unleaked(t)
	for output, between := range map[string]string{"": "\nCluster east of", "yaml": "\n---\nagent:\n", "json": "\n}\n\n{\n"} {
		ctx, cancel := context.WithCancel(t.Context())
		asked, answers := 0, reports()
		address := inTheClear(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch asked++; asked {
			case 2:
				w.WriteHeader(http.StatusTeapot)
				_, _ = io.WriteString(w, `{"error":"not now"}`)
				return
			case 4:
				cancel()
			}
			answers.ServeHTTP(w, r)
		}))
		out, errs, err := hansa(ctx, "status", "--agent", address, "--watch", "--every", "100ms", "-o", output)
		if err != nil || asked != 4 || strings.Count(out, between) != 1 || errs != "hansa: the agent refuses: not now (418)\n" {
			t.Errorf("-o %q: asked %d times, %v, told %s and wrote\n%s", output, asked, err, errs, out)
		}
	}
}

// A terminal shows the newest answer alone, another stream all of them.
func TestAnswersOnAScreen(t *testing.T) {
	say := func(text string) answer {
		return answer{write: func(w io.Writer) error { _, err := fmt.Fprintf(w, "%s %T\n", text, w); return err }}
	}
	for _, c := range []struct {
		screen       screen
		output, want string
	}{
		{screen{}, "", "one *bytes.Buffer\n\ntwo *bytes.Buffer\n"},
		{screen{}, "yaml", "one *bytes.Buffer\n---\ntwo *bytes.Buffer\n"},
		{screen{terminal: true}, "", "\x1b[H\x1b[2Jone *bytes.Buffer\n\x1b[H\x1b[2Jtwo *bytes.Buffer\n"},
		{screen{terminal: true, colour: true}, "yaml", "\x1b[H\x1b[2Jone tables.inColour\n\x1b[H\x1b[2Jtwo tables.inColour\n"},
	} {
		var out bytes.Buffer
		c.screen.out = &out
		for _, text := range []string{"one", "two"} {
			if err := c.screen.next(say(text), c.output); err != nil {
				t.Error(err)
			}
		}
		if out.String() != c.want {
			t.Errorf("%+v: %q, want %q", c.screen, out.String(), c.want)
		}
	}
	broken := errors.New("nobody reads")
	if err := (&screen{out: io.Discard}).next(answer{write: func(io.Writer) error { return broken }}, ""); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
}

// What is written to a file or into a pipe has no colour, and is not cleared.
func TestWhatIsNoTerminalIsNotTakenForOne(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, out := range []io.Writer{file, &bytes.Buffer{}} {
		if s := newScreen(out, io.Discard, func(string) string { return "" }); s.terminal || s.colour {
			t.Errorf("%T is taken for a terminal", out)
		}
	}
}
