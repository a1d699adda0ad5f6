package gossip

import (
	"context"
	"log/slog"
	"slices"
	"strings"
)

// logBridge writes memberlist's lines to a slog.Logger.
type logBridge struct{ log *slog.Logger }

// stamp is how a line begins that the standard logger writes.
const stamp = "2006/01/02 15:04:05 "

// Write takes one line, such as "2026/01/31 12:00:00 [WARN] memberlist: Refuting a suspect message".
func (b *logBridge) Write(line []byte) (int, error) {
	level, text := splitLevel(strings.TrimSpace(string(line[min(len(stamp), len(line)):])))
	b.log.Log(context.Background(), weigh(level, text), "memberlist", "said", text)
	return len(line), nil
}

// usual begins the warnings and errors of memberlist that are part of any member's restart: a node is asked
// for that is no more, and one that just ended cannot be talked to.
var usual = []string{"Got ping for unexpected node", "Push/Pull with", "Failed to send gossip to"}

// weigh returns the level at which an operator is to see a line. Who came and who went we say ourselves, and
// what memberlist suspects meanwhile is for those who look closer.
func weigh(level slog.Level, text string) slog.Level {
	began := func(with string) bool { return strings.HasPrefix(text, with) }
	if level == slog.LevelInfo || slices.ContainsFunc(usual, began) {
		return slog.LevelDebug
	}
	return level
}

// splitLevel takes the level off the front of a line. One that has none tells a mistake.
func splitLevel(line string) (slog.Level, string) {
	level := slog.LevelWarn
	if tag, rest, ok := strings.Cut(line, "] "); ok && strings.HasPrefix(tag, "[") {
		line = rest
		switch tag[1:] {
		case "DEBUG":
			level = slog.LevelDebug
		case "INFO":
			level = slog.LevelInfo
		case "ERR", "ERROR":
			level = slog.LevelError
		}
	}
	return level, strings.TrimPrefix(line, "memberlist: ")
}
