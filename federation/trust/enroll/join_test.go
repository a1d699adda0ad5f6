package enroll

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
)

func TestATokenBecomesAMembership(t *testing.T) {
	s := start(t, nil)
	for name, bound := range map[federation.ClusterID]federation.ClusterID{"west": "west", "north": ""} {
		token, a := s.token(bound, nil), applicant(t, name)
		m, err := Join(t.Context(), s.address, token, a)
		if err != nil {
			t.Fatal(err)
		}
		s.has(m, name)
		if string(m.Key) != string(a.Key) {
			t.Error("the key is not the applicant's own")
		}
		if used := s.tokens.used(token.ID); len(used) != 1 || used[0].Cluster != name || used[0].UID != a.UID {
			t.Errorf("the record says it was used by %+v", used)
		}
	}
	s.stop()
	if got := s.server.Stats(); got.Joined != 2 || refusedInAll(got) != 0 {
		t.Errorf("stats %+v", got)
	}
}

func TestAStandbyPassesAJoinOnToItsLeader(t *testing.T) {
	s := start(t, nil)
	standby := must(trust.Listen(t.Context(), "localhost:0", newIdentity(t, s.ca, mesh, "east"), quietLog))(t)
	standby.Route(func() trust.Route { return trust.Route{To: s.address} })
	run(t, standby.Start)
	m, err := Join(t.Context(), standby.Addr().String(), s.token("", nil), applicant(t, "west"))
	if err != nil {
		t.Fatal(err)
	}
	s.has(m, "west")
}

func TestARefusedTokenIsToldWhyAndNotUsed(t *testing.T) {
	now := time.Now()
	other := Use{Cluster: "north", UID: "uid-north", At: now}
	for name, tt := range map[string]struct {
		record func(*Record)
		token  func(*trust.Token)
		config func(*Config)
		spoil  func(*scene)
		who    federation.ClusterID
		want   Code
		says   string
	}{
		"another secret": {token: func(t *trust.Token) { t.Secret[0] ^= 1 }, want: Unknown, says: "no such token"},
		"another ID":     {token: func(t *trust.Token) { t.ID[0] ^= 1 }, want: Unknown, says: "no such token"},
		"expired":        {record: func(r *Record) { r.Expires = now.Add(-time.Second) }, want: Expired, says: "expired at"},
		"used":           {record: func(r *Record) { r.Used = []Use{other} }, want: Used, says: "by cluster north"},
		"for another":    {record: func(r *Record) { r.Cluster = "north" }, want: Bound, says: "is for cluster north"},
		"a member's ID":  {who: "east", want: Taken, says: "another cluster's"},
		"a member by its UID": {who: "west", spoil: func(s *scene) {
			s.clusters.uids["west"], s.clusters.members = "uid-west", map[federation.ClusterID]bool{"west": true}
		}, want: Taken, says: "make one for it by hansa token create --cluster west"},
		"an ID without a UID": {spoil: func(s *scene) { s.clusters.uids["west"] = "" }, want: Taken, says: "another cluster's"},
		"an ID that is kept":  {spoil: func(s *scene) { s.clusters.fails = &AwaitedError{Since: time.Unix(1e9, 0), Until: time.Unix(2e9, 0)} }, want: Taken, says: "which has not come yet; it is kept for that one until 2033-05-18T03:33:20Z, or until another agent leads that member; choose another ID, or wait"},
		"no CA here":          {config: func(c *Config) { c.Authority = func(context.Context) (*trust.Authority, error) { return nil, nil } }, want: NoCA, says: "does not hold"},
		"a CA that is illegible": {config: func(c *Config) {
			c.Authority = func(context.Context) (*trust.Authority, error) { return nil, errors.New("the weather") }
		}, want: Failed, says: "its log says why"},
		"no API server":       {spoil: func(s *scene) { s.tokens.fails = errors.New("the weather") }, want: Failed, says: "its log says why"},
		"nobody knows of IDs": {spoil: func(s *scene) { s.clusters.fails = errors.New("the weather") }, want: Failed, says: "its log says why"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, tt.config)
			token := s.token("", tt.record)
			before := len(s.tokens.used(token.ID))
			shown := token
			if tt.token != nil {
				tt.token(&shown)
			}
			if tt.spoil != nil {
				tt.spoil(s)
			}
			a := applicant(t, "west")
			if tt.who != "" {
				a.Cluster = tt.who
			}
			_, err := Join(t.Context(), s.address, shown, a)
			refuses(t, name, err, tt.want)
			if err != nil && (!strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "weather")) {
				t.Errorf("it says %q, want %q", err, tt.says)
			}
			if after := len(s.tokens.used(token.ID)); after != before {
				t.Errorf("%d uses, want %d as before", after, before)
			}
			s.stop()
			if got := s.server.Stats(); got.Refused[tt.want] != 1 || refusedInAll(got) != 1 || got.Joined != 0 {
				t.Errorf("stats %+v", got)
			}
		})
	}
}

// Who guesses learns nothing from the answer: not even whether there is a token of that ID.
func TestAWrongSecretAndAnUnknownTokenAreSaidAlike(t *testing.T) {
	s := start(t, nil)
	token, a := s.token("", func(r *Record) { r.Expires = time.Now().Add(-time.Hour) }), applicant(t, "west")
	secret, id := token, token
	secret.Secret[0] ^= 1
	id.ID[0] ^= 1
	one := say(t, dial(t, s.address), frame(t, asks(t, a, secret)))
	two := say(t, dial(t, s.address), frame(t, asks(t, a, id)))
	if one.Code != Unknown || one.Message != two.Message || one.Code != two.Code {
		t.Errorf("%+v and %+v", one, two)
	}
}

func TestATokenForAnotherClusterIsNotEvenSent(t *testing.T) {
	_, err := Join(t.Context(), "nowhere.invalid:1", trust.Token{Clusterset: mesh, Cluster: "north"}, applicant(t, "west"))
	refuses(t, "bound", err, Bound)
}

func TestTheTokenIsSentToNobodyElse(t *testing.T) {
	s := start(t, nil)
	token := s.token("", nil)
	stranger := must(trust.NewAuthority(mesh, time.Now()))(t)
	elsewhere := must(trust.LoadAuthority("other.example", s.ca.CAPEM(), must(s.ca.KeyPEM())(t)))(t)
	member := newIdentity(t, s.ca, mesh, "east")
	for name, tt := range map[string]struct {
		id   *trust.Identity
		want Code
		says string
	}{
		"another CA":         {newIdentity(t, stranger, mesh, "east"), Foreign, "nothing of the token was sent"},
		"another clusterset": {newIdentity(t, elsewhere, "other.example", "east"), Foreign, "spiffe://other.example/cluster/east"},
		"without the CA":     {member, Foreign, "nothing of the token was sent"},
	} {
		t.Run(name, func(t *testing.T) {
			config := tt.id.ServerTLS(trust.ProtoJoin)
			config.ClientAuth, config.VerifyConnection = tls.NoClientCert, nil
			if name != "without the CA" {
				get, ca := config.GetCertificate, derOf(t, tt.id.Credentials().CA)
				config.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
					cert, err := get(h)
					if err != nil {
						return nil, err
					}
					full := *cert
					full.Certificate = append(full.Certificate[:1:1], ca)
					return &full, nil
				}
			}
			address, heard := overhear(t, config)
			_, err := Join(t.Context(), address, token, applicant(t, "west"))
			refuses(t, name, err, tt.want)
			if err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("it says %q, want %q", err, tt.says)
			}
			if got := <-heard; len(got) > 0 {
				t.Errorf("it was told %q", got)
			}
		})
	}
}

// derOf returns the one certificate in a PEM text.
func derOf(t *testing.T, text []byte) []byte {
	t.Helper()
	block, rest := pem.Decode(text)
	if block == nil || len(rest) > 0 {
		t.Fatalf("want one certificate: %s", text)
	}
	return block.Bytes
}

// overhear serves one connection, and returns what it was told after the handshake.
func overhear(t *testing.T, config *tls.Config) (address string, heard chan []byte) {
	t.Helper()
	l := must(net.Listen("tcp", "localhost:0"))(t)
	heard = make(chan []byte, 1)
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { l.Close() })
	wg.Go(func() {
		raw, err := l.Accept()
		if err != nil {
			heard <- nil
			return
		}
		defer raw.Close()
		raw.SetDeadline(time.Now().Add(20 * time.Second))
		text, _ := io.ReadAll(tls.Server(raw, config))
		heard <- text
	})
	return l.Addr().String(), heard
}

func TestWhoDoesNotSpeakTheProtocolIsSaidToBeOutdated(t *testing.T) {
	s := start(t, func(c *Config) { c.Listener.Close() })
	_, err := Join(t.Context(), s.address, s.token("", nil), applicant(t, "west"))
	refuses(t, "no hansa-join/1", err, Protocol)
	if !Protocol.Elsewhere() {
		t.Error("another member may speak it")
	}
}

// The certificate was made, and the reply was lost: the same applicant with the same token gets one again,
// and nobody else does.
func TestAnInterruptedJoinGoesOn(t *testing.T) {
	s := start(t, nil)
	s.tokens.changed = make(chan struct{}, 10)
	token, a := s.token("", nil), applicant(t, "west")
	conn := dial(t, s.address)
	if _, err := conn.Write(frame(t, asks(t, a, token))); err != nil {
		t.Fatal(err)
	}
	conn.NetConn().Close()
	<-s.tokens.changed
	for range 3 {
		m, err := Join(t.Context(), s.address, token, a)
		if err != nil {
			t.Fatal(err)
		}
		s.has(m, "west")
	}
	if used := s.tokens.used(token.ID); len(used) != 1 {
		t.Errorf("%d uses, want 1", len(used))
	}
	for name, change := range map[string]func(*Applicant){
		"another key":     func(a *Applicant) { a.Key = must(trust.NewKey())(t) },
		"another cluster": func(a *Applicant) { a.Cluster = "north" },
		"another UID":     func(a *Applicant) { a.UID = "uid-north" },
	} {
		b := a
		change(&b)
		_, err := Join(t.Context(), s.address, token, b)
		refuses(t, name, err, Used)
	}
}

// Two who join with one token at the same moment: one of them does.
func TestATokenForOneIsUsedByOne(t *testing.T) {
	s := start(t, nil)
	token := s.token("", nil)
	names := []federation.ClusterID{"a", "b", "c", "d", "e", "f"}
	results := make(chan error, len(names))
	for _, name := range names {
		a := applicant(t, name)
		go func() {
			_, err := Join(t.Context(), s.address, token, a)
			results <- err
		}()
	}
	joined := 0
	for range names {
		err := <-results
		if err == nil {
			joined++
			continue
		}
		refuses(t, "another", err, Used)
	}
	if joined != 1 || len(s.tokens.used(token.ID)) != 1 {
		t.Errorf("%d joined, %d uses, want 1", joined, len(s.tokens.used(token.ID)))
	}
}

// Somebody else changed the record meanwhile: the use is counted once.
func TestAChangeThatClashesIsMadeAgain(t *testing.T) {
	s := start(t, nil)
	s.tokens.clashes = 3
	token := s.token("", nil)
	m, err := Join(t.Context(), s.address, token, applicant(t, "west"))
	if err != nil {
		t.Fatal(err)
	}
	s.has(m, "west")
	if used := s.tokens.used(token.ID); len(used) != 1 {
		t.Errorf("%d uses, want 1", len(used))
	}
}

func TestTheFirstOfTwoTokensTakesTheID(t *testing.T) {
	s := start(t, nil)
	if _, err := Join(t.Context(), s.address, s.token("", nil), applicant(t, "west")); err != nil {
		t.Fatal(err)
	}
	second := s.token("west", nil)
	a := applicant(t, "west")
	a.UID = "uid-another"
	_, err := Join(t.Context(), s.address, second, a)
	refuses(t, "another cluster", err, Taken)
	if used := s.tokens.used(second.ID); len(used) != 0 {
		t.Errorf("used by %+v", used)
	}
	if _, err := Join(t.Context(), s.address, s.token("", nil), applicant(t, "west")); err != nil {
		t.Errorf("the same cluster with another token and key: %v", err)
	}
}

func TestAJoinEndsWithItsContext(t *testing.T) {
	s := start(t, nil)
	waiting := make(chan struct{}, 1)
	s.tokens.block, s.tokens.waiting = make(chan struct{}), waiting
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-waiting
		cancel()
	}()
	_, err := Join(ctx, s.address, s.token("", nil), applicant(t, "west"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestNobodyThereIsNoRefusal(t *testing.T) {
	nobody := must(net.Listen("tcp", "localhost:0"))(t)
	nobody.Close()
	token := must(must(trust.NewAuthority(mesh, time.Now()))(t).NewToken(""))(t)
	_, err := Join(t.Context(), nobody.Addr().String(), token, applicant(t, "west"))
	if err == nil || CodeOf(err) != "" || !strings.Contains(err.Error(), nobody.Addr().String()) {
		t.Errorf("got %v", err)
	}
}

func TestAnApplicantThatCannotBeIsRefusedAtOnce(t *testing.T) {
	token := trust.Token{Clusterset: mesh}
	good := applicant(t, "west")
	for name, change := range map[string]func(*Applicant){
		"no UID":     func(a *Applicant) { a.UID = "" },
		"long UID":   func(a *Applicant) { a.UID = strings.Repeat("u", maxUID+1) },
		"bad UID":    func(a *Applicant) { a.UID = "u\n" },
		"no key":     func(a *Applicant) { a.Key = nil },
		"bad ID":     func(a *Applicant) { a.Cluster = "West" },
		"no cluster": func(a *Applicant) { a.Cluster = "" },
	} {
		a := good
		change(&a)
		if _, err := Join(t.Context(), "nowhere.invalid:1", token, a); err == nil || strings.Contains(err.Error(), "nowhere.invalid") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
