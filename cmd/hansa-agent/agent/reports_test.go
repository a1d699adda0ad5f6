package agent

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/importer"
)

// door is the port of one agent of cluster east, behind which reports are answered.
type door struct {
	ca     *trust.Authority
	port   *trust.Port
	server *reportServer
}

// openDoor runs the port and the server of an agent until the test ends; to is its leader, "" if it leads itself.
func openDoor(t *testing.T, ca *trust.Authority, agent, to string) *door {
	t.Helper()
	port, err := trust.Listen(t.Context(), "127.0.0.1:0", identityOf(t, ca, "east"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	port.Route(func() trust.Route { return trust.Route{Serve: to == "", To: to} })
	store := federation.NewStore("east")
	scene := func(now time.Time) *report.Scene {
		return &report.Scene{Now: now, Clusterset: "acme", Store: store, View: importer.Empty(), Agent: report.Agent{Name: agent, Leads: to == ""}}
	}
	d := &door{ca, port, newReportServer(port.Listener(trust.ProtoReport), "east", scene, slog.New(slog.DiscardHandler))}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	for _, start := range []func(context.Context) error{port.Start, d.server.Start} {
		work.Go(func() {
			if err := start(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); work.Wait() })
	return d
}

func newCA(t *testing.T) *trust.Authority {
	t.Helper()
	ca, err := trust.NewAuthority("acme", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func identityOf(t *testing.T, ca *trust.Authority, cluster federation.ClusterID) *trust.Identity {
	t.Helper()
	c, err := ca.NewMember(cluster, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	id, err := trust.New("acme", cluster, c)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// clientOf returns a client that shows an identity to whoever answers at the door.
func (d *door) clientOf(t *testing.T, id *trust.Identity) *report.Client {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		return id.Dial(ctx, address, "", trust.ProtoReport)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := report.NewClient(d.port.Addr().String(), transport)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Whoever holds this cluster's own certificate may ask, and again on the same connection; another member is told why it may
// not, on this machine too; a stranger is not let in.
func TestOnlyTheClusterItselfAsksOnThePort(t *testing.T) {
	unleaked(t)
	d := openDoor(t, newCA(t), "east-0", "")
	own := d.clientOf(t, identityOf(t, d.ca, "east"))
	for range 3 {
		if status, err := own.Status(t.Context()); err != nil || status.Agent.Name != "east-0" {
			t.Errorf("%+v, %v", status, err)
		}
	}
	if n := d.port.Stats().Accepted; n > 1 {
		t.Errorf("three questions took %d connections", n)
	}
	_, err := d.clientOf(t, identityOf(t, d.ca, "west")).Status(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "the agent refuses: this is cluster east, and the certificate names cluster west: want the certificate of cluster east") || !strings.HasSuffix(err.Error(), "(403)") {
		t.Errorf("another member: %v", err)
	}
	for name, config := range map[string]*tls.Config{
		"without a certificate":     {NextProtos: []string{trust.ProtoReport}},
		"with another CA's":         identityOf(t, newCA(t), "east").ClientTLS("", trust.ProtoReport),
		"by HTTP":                   identityOf(t, d.ca, "east").ClientTLS("", "http/1.1"),
		"by more than one protocol": {NextProtos: []string{trust.ProtoJoin, trust.ProtoReport}},
	} {
		config.InsecureSkipVerify, config.VerifyConnection = true, nil
		if answer, err := knock(t, d.port.Addr().String(), config); err == nil {
			t.Errorf("a stranger %s was answered %q", name, answer)
		}
	}
}

// knock asks for the status with a configuration of a stranger's choice, and returns what is answered.
func knock(t *testing.T, address string, config *tls.Config) (string, error) {
	t.Helper()
	conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET "+report.PathStatus+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return "", err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.Status + " " + string(text), err
}

// Who asks a standby is answered by its leader.
func TestAStandbyPassesQuestionsOn(t *testing.T) {
	unleaked(t)
	leader := openDoor(t, newCA(t), "leader", "")
	standby := openDoor(t, leader.ca, "standby", leader.port.Addr().String())
	status, err := standby.clientOf(t, identityOf(t, leader.ca, "east")).Status(t.Context())
	if err != nil || status.Agent.Name != "leader" {
		t.Errorf("%+v, %v", status, err)
	}
	if _, err := standby.clientOf(t, identityOf(t, leader.ca, "west")).Status(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "(403)") {
		t.Errorf("another member: %v", err)
	}
	if s := standby.port.Stats(); s.Passed != 2 || s.Accepted != 0 {
		t.Errorf("standby %+v", s)
	}
}

// Health and metrics are not for other machines by this way, nor is anything but to read.
func TestOnlyReportsAreOnThePort(t *testing.T) {
	unleaked(t)
	d := openDoor(t, newCA(t), "east-0", "")
	id := identityOf(t, d.ca, "east")
	transport := &http.Transport{DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
		return id.Dial(ctx, address, "east", trust.ProtoReport)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	for path, want := range map[string]int{"/metrics": 404, "/healthz": 404, "/readyz": 404, "/debug/pprof/": 404, report.PathStatus: 200} {
		response, err := (&http.Client{Transport: transport}).Get("http://" + d.port.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, response.StatusCode, want)
		}
	}
	response, err := (&http.Client{Transport: transport}).Post("http://"+d.port.Addr().String()+report.PathStatus, "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", response.StatusCode)
	}
}

// So many connections of this cluster are served at once, and no more; other members take none of them.
func TestConnectionsOnThePortAreBounded(t *testing.T) {
	unleaked(t)
	d := openDoor(t, newCA(t), "east-0", "")
	id := identityOf(t, d.ca, "east")
	for range maxConnections {
		if _, err := d.clientOf(t, id).Status(t.Context()); err != nil { // it stays open
			t.Fatal(err)
		}
	}
	if _, err := d.clientOf(t, id).Status(t.Context()); err == nil || strings.Contains(err.Error(), "refuses") {
		t.Errorf("one more: %v", err)
	}
	if _, err := d.clientOf(t, identityOf(t, d.ca, "west")).Status(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "(403)") {
		t.Errorf("another member: %v", err)
	}
}

// Who is told that it may not ask holds no connection then.
func TestWhoMayNotAskHoldsNoConnection(t *testing.T) {
	unleaked(t)
	d := openDoor(t, newCA(t), "east-0", "")
	west := identityOf(t, d.ca, "west")
	for range 2 * maxOthers {
		conn, err := west.Dial(t.Context(), d.port.Addr().String(), "east", trust.ProtoReport)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "GET "+report.PathStatus+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 403 ") {
			t.Fatalf("%s, %v", answer, err)
		}
		conn.Close()
	}
}

// pipes is a listener of what is put in.
type pipes struct {
	net.Listener
	conns chan net.Conn
}

func (p *pipes) Accept() (net.Conn, error) {
	if conn, ok := <-p.conns; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

// Who is not of this cluster takes a slot of few, until it goes; and none of the others'.
func TestVisitsOfOthersAreFew(t *testing.T) {
	p := &pipes{conns: make(chan net.Conn, 1)}
	v := &visits{Listener: p, own: "east", ours: make(chan struct{}, 1), others: make(chan struct{}, 2)}
	visit := func() (ours, theirs net.Conn) {
		a, b := net.Pipe()
		p.conns <- a
		return a, b
	}
	accept := func() net.Conn {
		conn, err := v.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	visit()
	first := accept()
	visit()
	accept()
	_, tooMany := visit()
	close(p.conns)
	if _, err := v.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, want that one too many is closed and the next awaited", err)
	}
	if _, err := tooMany.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("%v, want that it is closed", err)
	}
	for range 2 { // twice is once
		if err := first.Close(); err != nil {
			t.Error(err)
		}
	}
	p.conns = make(chan net.Conn, 1)
	visit()
	accept()
	if len(v.others) != 2 || len(v.ours) != 0 {
		t.Errorf("%d others and %d of ours, want 2 and none", len(v.others), len(v.ours))
	}
}
