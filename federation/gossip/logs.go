package gossip

import (
	"context"
	"log/slog"
	"strings"
)

// logBridge writes memberlist's lines to a slog.Logger.
type logBridge struct{ log *slog.Logger }

// stamp is how a line begins that the standard logger writes.
const stamp = "2006/01/02 15:04:05 "

// Write takes one line, such as "2026/01/31 12:00:00 [WARN] memberlist: Refuting a suspect message".
func (b *logBridge) Write(line []byte) (int, error) {
	level, text := splitLevel(strings.TrimSpace(string(line[min(len(stamp), len(line)):])))
	b.log.Log(context.Background(), level, "memberlist", "said", text)
	return len(line), nil
}

// splitLevel takes the level off the front of a line. One that has none is of level info.
func splitLevel(line string) (slog.Level, string) {
	level := slog.LevelInfo
	if tag, rest, ok := strings.Cut(line, "] "); ok && strings.HasPrefix(tag, "[") {
		line = rest
		switch tag[1:] {
		case "DEBUG":
			level = slog.LevelDebug
		case "WARN":
			level = slog.LevelWarn
		case "ERR", "ERROR":
			level = slog.LevelError
		}
	}
	return level, strings.TrimPrefix(line, "memberlist: ")
}
