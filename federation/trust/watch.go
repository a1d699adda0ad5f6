package trust

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settleTime is how long a change of files may take. A Secret's are replaced in one step, but others
	// are written one by one, and two of them that do not belong together are no news.
	settleTime = 200 * time.Millisecond
	// lookTime is how often the files are read while the system has no way to tell of a change.
	lookTime = time.Minute
)

// Watch reloads the identity's files whenever they change, until ctx ends; then it returns nil. Files that
// make no identity are told of once, and what was read before stays in use. An identity that New made has
// no files, so it only waits. It is called once.
func (id *Identity) Watch(ctx context.Context, log *slog.Logger) error {
	if id.files == (Files{}) {
		<-ctx.Done()
		return nil
	}
	w := &watch{id: id, log: log}
	for ctx.Err() == nil {
		if err := w.follow(ctx); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "the system does not tell of changes to the certificate files, so they are read now and then", "error", err, "again_in", lookTime)
			pause(ctx, lookTime)
		}
	}
	return nil
}

// watch is who reads the files of an identity again.
type watch struct {
	id  *Identity
	log *slog.Logger
}

// follow reads the files at first and after each change, until ctx ends or changes can no longer be seen.
func (w *watch) follow(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		w.look(ctx)
		return err
	}
	defer watcher.Close()
	for {
		err := w.add(watcher)
		w.look(ctx) // after it is watched, so that no change falls between
		if err != nil {
			return err
		}
		select {
		case <-watcher.Events:
		case err := <-watcher.Errors:
			w.log.DebugContext(ctx, "changes to the certificate files may have been missed", "error", err)
		case <-ctx.Done():
			return nil
		}
		settle(ctx, watcher)
	}
}

// add watches the folders of the files, and of those that they are links to. A folder is watched, not a
// file: files are replaced, not written, and a watch stays with the old one.
func (w *watch) add(watcher *fsnotify.Watcher) error {
	f := w.id.files
	for _, path := range []string{f.Cert, f.Key, f.CA} {
		if err := watcher.Add(filepath.Dir(path)); err != nil {
			return fmt.Errorf("watch the folder of %s: %w", path, err)
		}
		if end, err := filepath.EvalSymlinks(path); err == nil && filepath.Dir(end) != filepath.Dir(path) {
			_ = watcher.Add(filepath.Dir(end)) // if it went meanwhile, the link did too, which is watched
		}
	}
	return nil
}

// settle waits until what changes together has changed.
func settle(ctx context.Context, watcher *fsnotify.Watcher) {
	timer := time.NewTimer(settleTime)
	defer timer.Stop()
	for {
		select {
		case <-watcher.Events:
		case <-watcher.Errors:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// look reads the files, takes what they hold if it is new, and tells of it.
func (w *watch) look(ctx context.Context) {
	texts, err := w.id.files.texts()
	if err == nil {
		if texts.equal(*w.id.read.Load()) {
			w.id.unused.Store(nil)
			return
		}
		err = w.id.takeFiles(texts)
	}
	if err == nil {
		w.id.unused.Store(nil)
		w.log.InfoContext(ctx, "the certificate files have changed and are in use", "file", w.id.files.Cert, "valid_until", stamp(w.id.Certificate().NotAfter))
		return
	}
	if why := err.Error(); why != w.id.Unused() {
		w.id.unused.Store(&why)
		w.log.ErrorContext(ctx, "the certificate files have changed and are not used, what was read before stays in use", "error", err)
	}
}
