package tables

import (
	"io"
	"strings"
	"unicode"
)

// InColour returns a writer to a terminal, on which what matters is coloured: verdicts, and how clusters are.
func InColour(w io.Writer) io.Writer { return inColour{w} }

type inColour struct{ io.Writer }

// Colours of terminals, as SGR parameters (ECMA-48, 8.3.117).
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	faint  = "2"
)

// tones are the colours of words that say how something is.
var tones = map[string]string{
	"good": green, "degraded": yellow, "failed": red,
	"alive": green, "unreachable": red, "lost": yellow, "gone": faint,
}

// coloured are the columns whose cells say how something is.
var coloured = map[string]bool{"STATE": true, "OTHERS": true}

// paint returns a text in the colour of a word that says how it is, if the writer is one for colours.
func paint(w io.Writer, word, text string) string {
	tone := tones[word]
	if _, ok := w.(inColour); !ok || tone == "" {
		return text
	}
	return "\x1b[" + tone + "m" + text + "\x1b[0m"
}

// clean keeps what others said from moving the cursor, or worse: what cannot be printed becomes a space.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}
