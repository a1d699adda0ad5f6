package enroll

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation/trust"
)

// text returns the bytes of a frame whose body is any text.
func text(body string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// head returns the beginning of a frame of a length.
func head(length uint32) []byte { return binary.BigEndian.AppendUint32(nil, length) }

func TestWhatIsNoRequestIsRefusedAndChangesNothing(t *testing.T) {
	s := start(t, nil)
	token, a := s.token("", nil), applicant(t, "west")
	with := func(change func(*request)) []byte {
		r := asks(t, a, token)
		change(&r)
		return frame(t, r)
	}
	for name, said := range map[string][]byte{
		"empty":                 head(0),
		"a giant":               head(maxRequest + 1),
		"the greatest":          head(1<<32 - 1),
		"another protocol":      []byte("GET "),
		"no JSON":               text("\x00\xff garbage"),
		"no object":             text(`["west"]`),
		"a number for a name":   text(`{"cluster": 7}`),
		"nested":                text(strings.Repeat("[", maxRequest)),
		"nothing in it":         text(`{}`),
		"no cluster":            with(func(r *request) { r.Cluster = "" }),
		"a bad cluster":         with(func(r *request) { r.Cluster = "../west" }),
		"an endless cluster":    with(func(r *request) { r.Cluster = strings.Repeat("w", 5_000) }),
		"another cluster":       with(func(r *request) { r.Cluster = "north" }),
		"no UID":                with(func(r *request) { r.UID = "" }),
		"a bad UID":             with(func(r *request) { r.UID = "uid\r\nwest" }),
		"no signing request":    with(func(r *request) { r.CSR = nil }),
		"a bad signing request": with(func(r *request) { r.CSR = []byte("sign this") }),
		"a token alone":         with(func(r *request) { r.Secret = "" }),
		"a secret alone":        with(func(r *request) { r.Token = "" }),
		"a bad token":           with(func(r *request) { r.Token = "../hansa-ca" }),
		"a short secret":        with(func(r *request) { r.Secret = r.Secret[1:] }),
	} {
		answer := say(t, dial(t, s.address), said)
		if answer.Code != Invalid || answer.Certificate != "" || len(answer.Message) > 1000 {
			t.Errorf("%s: %+v, want %s", name, answer, Invalid)
		}
	}
	if used := s.tokens.used(token.ID); len(used) != 0 {
		t.Errorf("the token was used by %+v", used)
	}
	if _, err := Join(t.Context(), s.address, token, a); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// A newer cluster may say more than this member knows.
func TestWhatIsNotKnownOfARequestIsLeftOut(t *testing.T) {
	s := start(t, nil)
	var more map[string]any
	r := must(json.Marshal(asks(t, applicant(t, "west"), s.token("", nil))))(t)
	if err := json.Unmarshal(r, &more); err != nil {
		t.Fatal(err)
	}
	more["mood"] = map[string]any{"today": "good"}
	if answer := say(t, dial(t, s.address), frame(t, more)); answer.Code != "" || answer.Certificate == "" {
		t.Errorf("%+v", answer)
	}
}

// Those who come and say nothing, or half of it, go when others come.
func TestSlowOnesKeepNobodyOut(t *testing.T) {
	s := start(t, nil)
	s.server.limits.each.most = 1000 // which is not what is tested here
	var slow []net.Conn
	for i := range 2*maxTalks - 1 {
		conn := dial(t, s.address)
		if i%2 == 1 {
			if _, err := conn.Write(append(head(100), '{')); err != nil {
				t.Fatal(err)
			}
		}
		slow = append(slow, conn)
	}
	if _, err := Join(t.Context(), s.address, s.token("", nil), applicant(t, "west")); err != nil {
		t.Error(err)
	}
	isCut(t, slow[0])
	s.stop()
	for _, conn := range slow {
		isCut(t, conn)
	}
	if got := s.server.Stats(); got.Silent < maxTalks || got.Joined != 1 {
		t.Errorf("stats %+v", got)
	}
}

// isCut waits for the other side to end a connection.
func isCut(t *testing.T, conn net.Conn) {
	t.Helper()
	n, err := conn.Read(make([]byte, 1))
	late, ok := errors.AsType[net.Error](err)
	if err == nil || ok && late.Timeout() {
		t.Errorf("read %d bytes and %v, want the end", n, err)
	}
}

func TestWhoGuessesIsSoonKeptWaiting(t *testing.T) {
	s := start(t, nil)
	s.server.limits.each.second = 0 // however long the guesses take
	token, a := s.token("", nil), applicant(t, "west")
	wrong := token
	wrong.Secret[0] ^= 1
	var err error
	guesses := 0
	for ; guesses < 30 && CodeOf(err) != Busy; guesses++ {
		_, err = Join(t.Context(), s.address, wrong, a)
	}
	if CodeOf(err) != Busy || guesses != 11 {
		t.Errorf("guess %d: %v, want %s of the eleventh", guesses, err, Busy)
	}
	_, err = Join(t.Context(), s.address, token, a)
	refuses(t, "the right one right after", err, Busy)
	if used := s.tokens.used(token.ID); len(used) != 0 {
		t.Errorf("used by %+v", used)
	}
}

// Who reads the log or the numbers sees that somebody guesses, and nothing of what was guessed or would have been right.
func TestAGuessIsSeenAndItsSecretIsNot(t *testing.T) {
	var said strings.Builder
	s := start(t, func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	s.server.limits.each.second = 0 // however long the guesses take
	token, a := s.token("", nil), applicant(t, "west")
	wrong := token
	wrong.Secret[0] ^= 1
	for range 12 {
		_, _ = Join(t.Context(), s.address, wrong, a) // TestWhoGuessesIsSoonKeptWaiting says what it gets
	}
	s.stop()
	if got := s.server.Stats().Refused; got[Unknown] != 10 || got[Busy] != 2 {
		t.Errorf("refused %v, want 10 guesses and 2 who ask too often", got)
	}
	if n := strings.Count(said.String(), "level=WARN"); n != 10 || strings.Count(said.String(), "code=unknown") != n {
		t.Errorf("%d warnings, want one of each guess\n%s", n, &said)
	}
	for _, secret := range []string{token.Secret.Reveal(), wrong.Secret.Reveal()} {
		for i := 0; i+8 <= len(secret); i++ {
			if strings.Contains(said.String(), secret[i:i+8]) {
				t.Fatalf("%s of a secret is logged\n%s", secret[i:i+8], &said)
			}
		}
	}
}

// The end of the server cuts who is being answered, and waits until that is over.
func TestTheEndCutsWhoIsBeingAnswered(t *testing.T) {
	s := start(t, nil)
	waiting := make(chan struct{}, 1)
	s.tokens.block, s.tokens.waiting = make(chan struct{}), waiting
	token, a := s.token("", nil), applicant(t, "west")
	conn := dial(t, s.address)
	if _, err := conn.Write(frame(t, asks(t, a, token))); err != nil {
		t.Fatal(err)
	}
	<-waiting
	s.stop()
	var answer reply
	if err := readFrame(conn, &answer, maxReply); err == nil && answer.Certificate != "" {
		t.Errorf("got %+v", answer)
	}
}

// A member of the clusterset that has gone bad can refuse, and no more: nothing that it gives is taken that is
// not the membership of the one who asked.
func TestWhatAMemberGivesIsChecked(t *testing.T) {
	ca := must(trust.NewAuthority(mesh, time.Now()))(t)
	other := must(trust.NewAuthority(mesh, time.Now()))(t)
	token, a := must(ca.NewToken(""))(t), applicant(t, "west")
	signed := func(ca *trust.Authority, a Applicant) string {
		csr := must(trust.NewRequest(mesh, a.Cluster, a.Key))(t)
		return string(must(ca.Sign(must(trust.ParseRequest(mesh, csr))(t), time.Now()))(t))
	}
	bundle := string(ca.CAPEM())
	for name, tt := range map[string]struct {
		said []byte
		want Code
	}{
		"the right thing":    {frame(t, reply{Certificate: signed(ca, a), CA: bundle}), ""},
		"nothing":            {frame(t, reply{}), Answer},
		"another's key":      {frame(t, reply{Certificate: signed(ca, applicant(t, "west")), CA: bundle}), Answer},
		"another's ID":       {frame(t, reply{Certificate: signed(ca, Applicant{Cluster: "north", Key: a.Key}), CA: bundle}), Answer},
		"another CA's":       {frame(t, reply{Certificate: signed(other, a), CA: bundle}), Answer},
		"another CA":         {frame(t, reply{Certificate: signed(other, a), CA: string(other.CAPEM())}), Answer},
		"no CA":              {frame(t, reply{Certificate: signed(ca, a)}), Answer},
		"a member beside":    {frame(t, reply{Certificate: signed(ca, a), CA: bundle + signed(ca, a)}), ""},
		"another CA beside":  {frame(t, reply{Certificate: signed(ca, a), CA: bundle + string(other.CAPEM())}), ""},
		"another CA signed":  {frame(t, reply{Certificate: signed(other, a), CA: bundle + string(other.CAPEM())}), Answer},
		"a code of tomorrow": {frame(t, reply{Code: "tomorrow", Message: "come again"}), "tomorrow"},
		"a code and more":    {frame(t, reply{Code: Used, Certificate: signed(ca, a), CA: bundle}), Used},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Join(t.Context(), bad(t, ca, tt.said), token, a)
			if tt.want == "" && (err != nil || string(m.CA) != bundle) {
				t.Errorf("%v, and trusts %s; want that it takes the certificate, and trusts the token's CA alone", err, m.CA)
			}
			refuses(t, name, err, tt.want)
		})
	}
	for name, said := range map[string][]byte{"silence": nil, "half a frame": head(100), "a giant": head(1 << 30), "garbage": text("garbage")} {
		_, err := Join(t.Context(), bad(t, ca, said), token, a)
		if err == nil || CodeOf(err) != "" || !strings.Contains(err.Error(), "try again") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// bad runs a member that answers whatever it is asked with the same, until the test ends.
func bad(t *testing.T, ca *trust.Authority, said []byte) (address string) {
	t.Helper()
	port := must(trust.Listen(t.Context(), "localhost:0", newIdentity(t, ca, mesh, "east"), quietLog))(t)
	l := port.Listener(trust.ProtoJoin)
	run(t, port.Start, func(context.Context) error {
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			if err != nil {
				return err
			}
			var r request
			if err := readFrame(conn, &r, maxReply); err == nil {
				_, err = conn.Write(said)
				if err != nil {
					t.Error(err)
				}
			}
			conn.Close()
		}
	})
	return port.Addr().String()
}
