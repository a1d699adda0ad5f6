package enroll

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Code says why a cluster was not let in, for who has to act on it.
type Code string

// The codes. Those that the joining side finds by itself never cross the wire; see said.
const (
	Invalid     Code = "invalid"     // the request breaks the protocol's rules
	Unknown     Code = "unknown"     // there is no such token, or its secret is another: who guesses cannot tell
	Expired     Code = "expired"     // the token's time is over
	Used        Code = "used"        // the token has been used as often as it may be
	Bound       Code = "bound"       // the token is for another cluster ID
	Taken       Code = "taken"       // another cluster has the ID
	Certificate Code = "certificate" // the certificate that was to be renewed proves nothing
	NoCA        Code = "no-ca"       // the member does not hold the CA's key
	Busy        Code = "busy"        // too many asked, or this one too often
	Failed      Code = "failed"      // the member could not find out, or could not sign

	Foreign  Code = "foreign"  // who answered is no member of the token's clusterset
	Protocol Code = "protocol" // who answered does not speak hansa-join/1
	Answer   Code = "answer"   // what the member gave is no membership
)

// Codes lists every Code. The order stays, and a new one is put at the end: the exit statuses of hansa follow it.
func Codes() []Code {
	return []Code{Invalid, Unknown, Expired, Used, Bound, Taken, Certificate, NoCA, Busy, Failed, Foreign, Protocol, Answer}
}

// said reports whether a member answers with it, instead of the joining side finding it.
func (c Code) said() bool { return c != Foreign && c != Protocol && c != Answer }

// Elsewhere reports whether to ask another member, or the same one later, may help as nothing is wrong
// with what was asked.
func (c Code) Elsewhere() bool { return c == NoCA || c == Busy || c == Failed || c == Protocol }

// Refusal is why a cluster was not let in. Its message is a sentence for people that says what to do.
type Refusal struct {
	Code    Code
	Message string
}

// Error returns the message.
func (r *Refusal) Error() string { return r.Message }

// CodeOf returns the Code of the Refusal that an error is or wraps, "" if there is none.
func CodeOf(err error) Code {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Code
	}
	return ""
}

func refuse(code Code, format string, args ...any) error {
	return &Refusal{Code: code, Message: fmt.Sprintf(format, args...)}
}

// maxMessage bounds what is shown of another's words.
const maxMessage = 512

// heard returns the Refusal that a member sent. Its words are kept to one line of harmless characters; a
// code that is not known here, of a newer member, stays as it is.
func heard(code Code, message string) error {
	harmless := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, message)
	if len(harmless) > maxMessage {
		harmless = strings.ToValidUTF8(harmless[:maxMessage], "") + "…"
	}
	if harmless == "" {
		harmless = "no reason was given"
	}
	return &Refusal{Code: Code(clip(string(code))), Message: harmless}
}
