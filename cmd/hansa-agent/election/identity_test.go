package election

import (
	"strings"
	"testing"
)

func TestAnIdentityIsWhatItSaysItIs(t *testing.T) {
	for text, want := range map[string]Identity{
		"hansa-agent-7c9f-x1y2z/10.1.2.3:7946":    {"hansa-agent-7c9f-x1y2z", "10.1.2.3:7946"},
		"hansa-agent-7c9f-x1y2z":                  {Name: "hansa-agent-7c9f-x1y2z"},
		"a/[fd00::1]:1":                           {"a", "[fd00::1]:1"},
		"a_8f0e/agent.example:65535":              {"a_8f0e", "agent.example:65535"},
		strings.Repeat("a", 253) + "/b.example:1": {strings.Repeat("a", 253), "b.example:1"},
	} {
		got, err := ParseIdentity(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q is %+v (%v), want %+v", text, got, err, want)
		}
	}
}

func TestAnIdentityThatIsNoneIsRefusedInOneReadableLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       `name "" of an identity: want 1 to 253`,
		"/10.1.2.3:7946":                         `name "" of an identity`,
		"a/":                                     `identity "a/": want host:port after the slash`,
		"a/b/c:1":                                `address "b/c:1" of an identity: want host:port with a port of 1 to 65535`,
		"a/10.1.2.3":                             `address "10.1.2.3"`,
		"a/:7946":                                `address ":7946"`,
		"a/b:0":                                  `address "b:0"`,
		"a/b:65536":                              `address "b:65536"`,
		"a/b:http":                               `address "b:http"`,
		"a/fd00::1:7946":                         `address "fd00::1:7946"`,
		"a b":                                    `name "a b"`,
		"a\nb":                                   `name "a\nb"`,
		"ä":                                      `name "ä"`,
		strings.Repeat("a", 254):                 `name "` + strings.Repeat("a", 64) + `…"`,
		"a/" + strings.Repeat("b", 1<<20) + ":1": `address "` + strings.Repeat("b", 64) + `…"`,
	} {
		_, err := ParseIdentity(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
			t.Errorf("%.80q: %v, want an error that says %s", text, err, want)
		}
	}
}

func FuzzParseIdentity(f *testing.F) {
	for _, text := range []string{"", "a", "a/b:1", "a/[::1]:7946", "/", "a//:1", "\x00/\xff:1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		i, err := ParseIdentity(text)
		if err != nil {
			if len(err.Error()) > 600 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if i.String() != text {
			t.Errorf("%q became %q", text, i.String())
		}
	})
}
