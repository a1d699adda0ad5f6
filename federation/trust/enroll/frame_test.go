package enroll

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/federation/trust"
)

func TestFramesKeepWhatIsSaid(t *testing.T) {
	want := request{Token: "t", Secret: "s", Cluster: "west", UID: "u", CSR: []byte{0, 1, 2}}
	var b bytes.Buffer
	if err := writeFrame(&b, want, maxRequest); err != nil {
		t.Fatal(err)
	}
	var got request
	if err := readFrame(&b, &got, maxRequest); err != nil || got.Cluster != want.Cluster || !bytes.Equal(got.CSR, want.CSR) || b.Len() != 0 {
		t.Errorf("%+v, %v, %d bytes left", got, err, b.Len())
	}
}

func TestFramesHaveABound(t *testing.T) {
	fits := strings.Repeat("x", maxReply-2) // and its quotes
	var b bytes.Buffer
	if err := writeFrame(&b, fits, maxReply); err != nil {
		t.Error(err)
	}
	var got string
	if err := readFrame(&b, &got, maxReply); err != nil || got != fits {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := writeFrame(&b, fits+"x", maxReply); err == nil || b.Len() != 0 {
		t.Errorf("wrote %d bytes, %v", b.Len(), err)
	}
}

func TestAFrameThatEndsEarlyIsNoFrame(t *testing.T) {
	var b bytes.Buffer
	if err := writeFrame(&b, request{Cluster: "west"}, maxRequest); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	for n := range whole {
		var got request
		err := readFrame(bytes.NewReader(whole[:n]), &got, maxRequest)
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the first %d of %d bytes: %v", n, len(whole), err)
		}
	}
}

func TestAnothersWordsAreHarmless(t *testing.T) {
	for said, want := range map[string]string{
		"":                           "no reason was given",
		"a reason":                   "a reason",
		"\x1b[31mred\x1b[0m\r\n\x00": "[31mred[0m",
		"\u009b31m":                  "31m",
		"größe":                      "größe",
		"\xff":                       "no reason was given",
		strings.Repeat("é", 1000):    strings.Repeat("é", maxMessage/2) + "…",
	} {
		if got := heard(Used, said); got.Error() != want || CodeOf(got) != Used {
			t.Errorf("%q became %q, want %q", said, got, want)
		}
	}
	if got := CodeOf(heard(Code(strings.Repeat("c", 1000)), "")); len(got) > 100 {
		t.Errorf("a code of %d bytes", len(got))
	}
}

func TestCodesAreListedOnce(t *testing.T) {
	codes := Codes()
	slices.Sort(codes)
	if got := len(slices.Compact(codes)); got != 13 {
		t.Errorf("%d codes", got)
	}
	for _, c := range []Code{Unknown, Expired, Used, Bound, Taken, Invalid, Certificate, Foreign, Answer} {
		if c.Elsewhere() {
			t.Errorf("%s would be the same elsewhere", c)
		}
	}
}

func TestTheBundleHoldsWhoSigned(t *testing.T) {
	one, two := "-----BEGIN CERTIFICATE-----\nMQ==\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nMg==\n-----END CERTIFICATE-----\n"
	for _, tt := range []struct{ trusted, signed, want string }{
		{one, one, one}, {one, two, one + two}, {one + two, two, one + two}, {strings.TrimSpace(one), two, one + two},
	} {
		if got := string(bundle([]byte(tt.trusted), []byte(tt.signed))); got != tt.want {
			t.Errorf("%q and %q became %q", tt.trusted, tt.signed, got)
		}
	}
}

// Whatever a stranger sends is a request whose parts are what they should be, or an error.
func FuzzRequest(f *testing.F) {
	key, err := trust.NewKey()
	if err != nil {
		f.Fatal(err)
	}
	r, err := Applicant{Cluster: "west", UID: "uid", Key: key}.request(mesh)
	if err != nil {
		f.Fatal(err)
	}
	for _, token := range []string{"", "0011223344556677"} {
		r.Token = token
		if r.Secret = ""; token != "" {
			r.Secret = token + token
		}
		var b bytes.Buffer
		if err := writeFrame(&b, r, maxRequest); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte{0, 0, 0, 2, '{', '}'})
	f.Fuzz(func(t *testing.T, said []byte) {
		var r request
		if err := readFrame(bytes.NewReader(said), &r, maxRequest); err != nil {
			return
		}
		a, err := r.check(mesh)
		if err != nil {
			if CodeOf(err) != Invalid {
				t.Errorf("%q: %v is no refusal", said, err)
			}
			return
		}
		if string(a.cluster()) != r.Cluster || a.uid != r.UID || a.renews != (r.Token == "" && r.Secret == "") {
			t.Errorf("%q became %+v", said, a)
		}
	})
}

// Whatever a member answers is a membership, a refusal or an error, and never a panic.
func FuzzReply(f *testing.F) {
	f.Add([]byte{0, 0, 0, 15, '{', '"', 'c', 'o', 'd', 'e', '"', ':', '"', 'u', 's', 'e', 'd', '"', '}'})
	f.Fuzz(func(t *testing.T, said []byte) {
		var r reply
		if err := readFrame(bytes.NewReader(said), &r, maxReply); err == nil && r.Code != "" {
			if got := heard(r.Code, r.Message).Error(); len(got) > maxMessage+3 || strings.ContainsAny(got, "\x1b\n\r\x00") {
				t.Errorf("%q is shown as %q", said, got)
			}
		}
	})
}
