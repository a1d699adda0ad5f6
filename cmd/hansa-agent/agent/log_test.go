package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// logging returns a logger of a level, and what it writes: one line "LEVEL message key=value…" for each.
func logging(level slog.Level) (*slog.Logger, *strings.Builder) {
	out := &strings.Builder{}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			return slog.Attr{}
		}
		return a
	}})), out
}

func TestTheMachineryIsQuietUntilItWarns(t *testing.T) {
	for _, test := range []struct {
		level slog.Level
		want  string
	}{
		{slog.LevelWarn, "level=WARN msg=\"Warning: watch ended\" cluster=west controller=importer\n" +
			"level=ERROR msg=\"Reconciler error\" cluster=west controller=importer err=refused\n"},
		{slog.LevelInfo, "level=WARN msg=\"Warning: watch ended\" cluster=west controller=importer\n" +
			"level=ERROR msg=\"Reconciler error\" cluster=west controller=importer err=refused\n"},
		{slog.LevelDebug, "level=DEBUG msg=\"Starting Controller\" cluster=west controller=importer\n" +
			"level=DEBUG msg=detail cluster=west controller=importer\n" +
			"level=WARN msg=\"Warning: watch ended\" cluster=west controller=importer\n" +
			"level=ERROR msg=\"Reconciler error\" cluster=west controller=importer err=refused\n"},
	} {
		log, out := logging(test.level)
		machine := machinery(log.With("cluster", "west")).WithValues("controller", "importer")
		machine.Info("Starting Controller")
		machine.V(1).Info("detail")
		machine.V(5).Info("chatter")
		machine.Info("Warning: watch ended")
		machine.Error(errors.New("refused"), "Reconciler error")
		if out.String() != test.want {
			t.Errorf("at level %s it says\n%swant\n%s", test.level, out, test.want)
		}
	}
	log, out := logging(slog.LevelInfo)
	clientGo := slog.New(newLibrary(log, slog.LevelInfo)).WithGroup("g")
	clientGo.Warn("odd", "a", 1)
	clientGo.Info("even", "a", 2)
	if want := "level=WARN msg=odd g.a=1\nlevel=INFO msg=even g.a=2\n"; out.String() != want {
		t.Errorf("client-go says %q, want %q", out, want)
	}
}

// Each watch says that it ended when the API server hangs: a line a minute is enough.
func TestWhatALibraryWarnsOfIsToldOnceAMinute(t *testing.T) {
	log, out := logging(slog.LevelInfo)
	l := newLibrary(log, slog.LevelInfo)
	for _, step := range []struct {
		at            time.Duration
		message, kind string
		level         slog.Level
		want          string
	}{
		{0, "Warning: watch ended", "Services", slog.LevelInfo, "level=WARN msg=\"Warning: watch ended\" type=Services\n"},
		{time.Second, "Warning: watch ended", "Namespaces", slog.LevelInfo, ""},
		{2 * time.Second, "Warning: bookmark expired", "Namespaces", slog.LevelInfo, "level=WARN msg=\"Warning: bookmark expired\" type=Namespaces\n"},
		{3 * time.Second, "Warning: watch ended", "Nodes", slog.LevelWarn, "level=WARN msg=\"Warning: watch ended\" type=Nodes\n"}, // it means it
		{tellAgain - 1, "Warning: watch ended", "Services", slog.LevelInfo, ""},
		{tellAgain, "Warning: watch ended", "Services", slog.LevelInfo, "level=WARN msg=\"Warning: watch ended\" type=Services\n"},
	} {
		out.Reset()
		r := slog.NewRecord(time.Unix(1000, 0).Add(step.at), step.level, step.message, 0)
		if err := l.WithAttrs([]slog.Attr{slog.String("type", step.kind)}).Handle(t.Context(), r); err != nil || out.String() != step.want {
			t.Errorf("at %s: logged %q, want %q; error %v", step.at, out, step.want, err)
		}
	}
}

// An Event about an object whose namespace is about to go is refused, and nobody misses it.
func TestWhatFailsInANamespaceThatGoesIsNoError(t *testing.T) {
	going := apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "web.1", errors.New("the namespace is being terminated"))
	going.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	other := apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "web.1", errors.New("no such right"))
	for err, want := range map[error]string{going: "", other: "level=ERROR msg=\"Server rejected event (will not retry!)\" err=\""} {
		log, out := logging(slog.LevelInfo)
		machinery(log).Error(err, "Server rejected event (will not retry!)")
		if !strings.HasPrefix(out.String(), want) || (want == "") != (out.Len() == 0) {
			t.Errorf("%v: logged %q, want %q", err, out, want)
		}
	}
}

// An API server warns with each answer; a line of each text is enough, for those who look for it.
func TestWarningsOfTheAPIServerAreToldOnceAndQuietly(t *testing.T) {
	const warning = `spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Warning", `299 - "`+strings.ReplaceAll(warning, `"`, `\"`)+`"`)
		w.Header().Add("Warning", `199 - "of a proxy"`)
		fmt.Fprint(w, `{"major":"1","minor":"36"}`)
	}))
	defer server.Close()
	log, out := logging(slog.LevelDebug)
	client, err := discovery.NewDiscoveryClientForConfig(&rest.Config{Host: server.URL, WarningHandlerWithContext: newAPIWarnings(log)})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := client.ServerVersion(); err != nil {
			t.Fatal(err)
		}
	}
	if want := `level=DEBUG msg="the API server warns" warning="` + strings.ReplaceAll(warning, `"`, `\"`) + "\"\n"; out.String() != want {
		t.Errorf("logged %q, want %q", out, want)
	}
}

func TestWhatIsRememberedOfWarningsIsBounded(t *testing.T) {
	log, out := logging(slog.LevelDebug)
	w := newAPIWarnings(log)
	for i := range maxWarnings + 10 {
		w.HandleWarningHeaderWithContext(t.Context(), 299, "", fmt.Sprintf("object %d", i))
	}
	if n := strings.Count(out.String(), "\n"); n != maxWarnings || len(w.said) != maxWarnings {
		t.Errorf("%d lines, %d remembered, want %d", n, len(w.said), maxWarnings)
	}
}
