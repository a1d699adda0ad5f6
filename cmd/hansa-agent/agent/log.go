package agent

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// logger returns the logger that valid Options ask for.
func (o *Options) logger(w io.Writer) *slog.Logger {
	level, _ := o.level()
	options := &slog.HandlerOptions{Level: level}
	if o.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// machinery returns where controller-runtime logs. What it starts and stops tells an operator nothing, so all
// that is less than a warning is at level debug.
func machinery(log *slog.Logger) logr.Logger {
	return logr.FromSlogHandler(newLibrary(log, slog.LevelDebug))
}

// library is the Handler of a Kubernetes library, which knows no warnings.
type library struct {
	slog.Handler
	info   slog.Level // of what is to the library of level info
	warned *warned
}

func newLibrary(log *slog.Logger, info slog.Level) library {
	return library{log.Handler(), info, &warned{at: map[string]time.Time{}}}
}

// warned remembers when a library last gave a warning. Each watch has its own word for an API server that hangs, and
// people need one.
type warned struct {
	mu sync.Mutex
	at map[string]time.Time // by message
}

// again reports whether the same was said lately, and notes that it is said now.
func (w *warned) again(message string, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last, said := w.at[message]; said && now.Sub(last) < tellAgain {
		return true
	}
	if len(w.at) == maxWarnings {
		clear(w.at)
	}
	w.at[message] = now
	return false
}

// level returns the level of what a library says at a level. It writes "Warning: " in front of what is one.
func (l library) level(level slog.Level, message string) slog.Level {
	switch {
	case level >= slog.LevelWarn:
		return level
	case strings.HasPrefix(message, "Warning: "):
		return slog.LevelWarn
	}
	return min(level, l.info)
}

// Enabled implements slog.Handler. What is of level info may turn out to be a warning.
func (l library) Enabled(ctx context.Context, level slog.Level) bool {
	if level == slog.LevelInfo {
		return l.Handler.Enabled(ctx, slog.LevelWarn)
	}
	return l.Handler.Enabled(ctx, l.level(level, ""))
}

// Handle implements slog.Handler.
func (l library) Handle(ctx context.Context, r slog.Record) error {
	own := r.Level
	if r.Level = l.level(own, r.Message); ofTerminatingNamespace(r) || r.Level != own && r.Level == slog.LevelWarn && l.warned.again(r.Message, r.Time) {
		r.Level = slog.LevelDebug
	}
	if !l.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

// ofTerminatingNamespace reports whether what failed did so because its namespace is about to go: it goes with it.
func ofTerminatingNamespace(r slog.Record) (yes bool) {
	for a := range r.Attrs {
		err, ok := a.Value.Any().(error)
		yes = yes || ok && apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
	}
	return yes
}

// WithAttrs implements slog.Handler.
func (l library) WithAttrs(attrs []slog.Attr) slog.Handler {
	return library{l.Handler.WithAttrs(attrs), l.info, l.warned}
}

// WithGroup implements slog.Handler.
func (l library) WithGroup(name string) slog.Handler {
	return library{l.Handler.WithGroup(name), l.info, l.warned}
}

// maxWarnings bounds what is remembered of warnings, which may name objects.
const maxWarnings = 256

// apiWarnings logs what the API server warns of, each text once. That is at level debug: the requests that it
// is about were done, and say what our code asks for, such as a dry run that finds out what the API server knows, not
// what an operator did.
type apiWarnings struct {
	log *slog.Logger

	mu   sync.Mutex
	said map[string]bool
}

func newAPIWarnings(log *slog.Logger) *apiWarnings {
	return &apiWarnings{log: log, said: map[string]bool{}}
}

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
func (w *apiWarnings) HandleWarningHeaderWithContext(ctx context.Context, code int, _, text string) {
	const miscellaneous = 299 // the one code that Kubernetes uses
	if code != miscellaneous || text == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.said[text] || len(w.said) == maxWarnings {
		return
	}
	w.said[text] = true
	w.log.DebugContext(ctx, "the API server warns", "warning", text)
}
