package trust

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/hansa-mcs/hansa/federation"
)

// lines are what a logger said, one by one.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// next returns the next line that says what.
func (l lines) next(t *testing.T, what string) {
	t.Helper()
	for late := time.After(20 * time.Second); ; {
		select {
		case line := <-l:
			if strings.Contains(line, what) {
				return
			}
		case <-late:
			t.Fatalf("nobody said %q", what)
		}
	}
}

func startWatch(t *testing.T, id *Identity) (said lines, stop func()) {
	t.Helper()
	said = make(lines, 100)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- id.Watch(ctx, slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelInfo})))
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return said, stop
}

// shows waits until an identity shows the certificate of a file.
func shows(t *testing.T, id *Identity, file string) {
	t.Helper()
	want := must(parseCertificates(must(os.ReadFile(file))(t)))(t)[0]
	for late := time.After(20 * time.Second); ; {
		changed := id.Changed()
		if id.Certificate().Equal(want) {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatal("the new certificate is not shown")
		}
	}
}

func TestFilesThatAreReplacedAreReadAgain(t *testing.T) {
	ca := newAuthority(t, mesh)
	f := newFiles(t, ca, "a")
	id := must(Load(mesh, "a", f))(t)
	startWatch(t, id)
	for range 3 {
		must(ca.WriteMember(filepath.Dir(f.Cert), "a", time.Now()))(t)
		shows(t, id, f.Cert)
	}
}

// volume is a folder as kubelet makes it of a Secret: the files are links into ..data, which is a link that
// is replaced in one step.
func volume(t *testing.T, dir string, ca *Authority, cluster federation.ClusterID, version string) Files {
	t.Helper()
	inside := filepath.Join(dir, ".."+version)
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	must(ca.WriteMember(inside, cluster, time.Now()))(t)
	old, _ := os.Readlink(filepath.Join(dir, "..data"))
	link(".."+version, "..data_tmp")
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tls.crt", "tls.key", "ca.crt"} {
		link(filepath.Join("..data", name), name)
	}
	if old != "" {
		if err := os.RemoveAll(filepath.Join(dir, old)); err != nil {
			t.Fatal(err)
		}
	}
	return Files{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"), CA: filepath.Join(dir, "ca.crt")}
}

func TestAVolumeThatKubeletReplacesIsReadAgain(t *testing.T) {
	ca := newAuthority(t, mesh)
	dir := t.TempDir()
	f := volume(t, dir, ca, "a", "v1")
	id := must(Load(mesh, "a", f))(t)
	startWatch(t, id)
	for _, version := range []string{"v2", "v3", "v4"} {
		volume(t, dir, ca, "a", version)
		shows(t, id, f.Cert)
	}
}

func TestFilesElsewhereThatLinksLeadToAreReadAgain(t *testing.T) {
	ca := newAuthority(t, mesh)
	there := newFiles(t, ca, "a")
	dir := t.TempDir()
	here := Files{Cert: filepath.Join(dir, "c"), Key: filepath.Join(dir, "k"), CA: filepath.Join(dir, "ca")}
	for to, from := range map[string]string{there.Cert: here.Cert, there.Key: here.Key, there.CA: here.CA} {
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
	}
	id := must(Load(mesh, "a", here))(t)
	startWatch(t, id)
	for range 2 {
		must(ca.WriteMember(filepath.Dir(there.Cert), "a", time.Now()))(t)
		shows(t, id, there.Cert)
	}
}

func TestBadFilesAreToldAndLeaveTheOldIdentity(t *testing.T) {
	ca := newAuthority(t, mesh)
	f := newFiles(t, ca, "a")
	id := must(Load(mesh, "a", f))(t)
	before := id.Certificate()
	said, _ := startWatch(t, id)
	put(t, f.Cert, "broken")
	said.next(t, "stays in use")
	if err := os.Remove(f.CA); err != nil {
		t.Fatal(err)
	}
	said.next(t, "no such file")
	if !id.Certificate().Equal(before) {
		t.Error("another certificate is in use")
	}
	must(ca.WriteMember(filepath.Dir(f.Cert), "a", time.Now()))(t)
	said.next(t, "have changed and are in use")
	shows(t, id, f.Cert)
}

// What was renewed is used before the files follow, and what else happens beside them does not undo it.
func TestWhatIsUsedStaysUntilTheFilesChange(t *testing.T) {
	ca := newAuthority(t, mesh)
	f := newFiles(t, ca, "a")
	id := must(Load(mesh, "a", f))(t)
	w := &watch{id: id, log: quietLog}
	renewed := must(ca.NewMember("a", time.Now()))(t)
	if err := id.Use(renewed); err != nil {
		t.Fatal(err)
	}
	w.look(t.Context())
	if !id.Credentials().equal(renewed) {
		t.Error("the files have not changed, and what was renewed was given up")
	}
	must(ca.WriteMember(filepath.Dir(f.Cert), "a", time.Now()))(t)
	w.look(t.Context())
	if id.Credentials().equal(renewed) {
		t.Error("the files have changed and are not used")
	}
}

func TestWhatIsWrongWithFilesIsToldOnce(t *testing.T) {
	ca := newAuthority(t, mesh)
	f := newFiles(t, ca, "a")
	id := must(Load(mesh, "a", f))(t)
	good := string(id.Credentials().Cert)
	said := make(lines, 100)
	w := &watch{id: id, log: slog.New(slog.NewTextHandler(said, nil))}
	for _, step := range []struct {
		text string
		told int
	}{{"broken", 1}, {"broken", 1}, {good, 1}, {"broken", 2}, {"", 2}, {string(ca.CAPEM()), 3}, {string(ca.CAPEM()), 3}} {
		put(t, f.Cert, step.text)
		w.look(t.Context())
		if len(said) != step.told {
			t.Errorf("after %q it was told %d times, want %d", step.text, len(said), step.told)
		}
		if why := id.Unused(); (why == "") != (step.text == good) || why != "" && !strings.Contains(why, f.Cert) {
			t.Errorf("after %q it is not used because %q", step.text, why)
		}
	}
	must(ca.WriteMember(filepath.Dir(f.Cert), "a", time.Now()))(t)
	w.look(t.Context())
	if why := id.Unused(); why != "" {
		t.Errorf("the new files are not used because %q", why)
	}
	put(t, f.Cert, "broken")
	w.look(t.Context())
	if len(said) != 5 {
		t.Errorf("told %d times, want that new ones are in use, and that they are broken again", len(said))
	}
}

// Files that are written one by one are one change.
func TestChangesSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watcher := &fsnotify.Watcher{Events: make(chan fsnotify.Event), Errors: make(chan error)}
		sent := make(chan int, 1)
		go func() {
			n := 0
			for ; n < 3; n++ {
				time.Sleep(settleTime / 4)
				watcher.Events <- fsnotify.Event{}
			}
			watcher.Errors <- fsnotify.ErrEventOverflow
			sent <- n
		}()
		began := time.Now()
		settle(t.Context(), watcher)
		if took := time.Since(began); took != settleTime || len(sent) != 1 {
			t.Errorf("it took %v with all changes said: %t", took, len(sent) == 1)
		}
	})
}

func TestAFolderThatIsGoneIsTold(t *testing.T) {
	ca := newAuthority(t, mesh)
	f := newFiles(t, ca, "a")
	id := must(Load(mesh, "a", f))(t)
	if err := os.RemoveAll(filepath.Dir(f.Cert)); err != nil {
		t.Fatal(err)
	}
	said, stop := startWatch(t, id)
	said.next(t, "no such file")
	said.next(t, "does not tell of changes")
	stop()
}

func TestWhatIsInNoFilesIsNotWatched(t *testing.T) {
	ca := newAuthority(t, mesh)
	id := must(New(mesh, "a", must(ca.NewMember("a", time.Now()))(t)))(t)
	synctest.Test(t, func(t *testing.T) {
		said, stop := startWatch(t, id)
		synctest.Wait() // it waits for nothing but its end
		stop()
		if len(said) > 0 {
			t.Errorf("it told %q", <-said)
		}
	})
}

func TestCredentialsInMemory(t *testing.T) {
	ca := newAuthority(t, mesh)
	c := must(ca.NewMember("a", time.Now()))(t)
	id := must(New(mesh, "a", c))(t)
	if !id.Credentials().equal(c) {
		t.Error("the identity has other credentials than it was given")
	}
	changed := id.Changed()
	for name, bad := range map[string]Credentials{
		"tls.crt": {Key: c.Key, CA: c.CA},
		"tls.key": {Cert: c.Cert, CA: c.CA},
		"ca.crt":  {Cert: c.Cert, Key: c.Key},
	} {
		refused(t, name, id.Use(bad), name)
		_, err := New(mesh, "a", bad)
		refused(t, name, err, name)
		refused(t, name, bad.Check(mesh, "a", time.Now()), name)
	}
	refused(t, "no files", id.Reload(), "no file is given")
	select {
	case <-changed:
		t.Error("what was refused is said to be a change")
	default:
	}
	next := must(ca.NewMember("a", time.Now()))(t)
	if err := id.Use(next); err != nil || !id.Credentials().equal(next) {
		t.Error("other credentials were not taken", err)
	}
	<-changed
	if _, err := New("Mesh", "a", c); err == nil {
		t.Error("clusterset Mesh is taken")
	}
	if _, err := New(mesh, "b", c); err == nil {
		t.Error("credentials of cluster a are taken as b's")
	}
}
