//go:build linux

package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rootVariable tells the role own-rundir where to make its directory.
const rootVariable = "HANSA_LAB_TEST_ROOT"

func ownRunDir() {
	if _, err := newRunDir(ownerContext, os.Getenv(rootVariable)); err != nil {
		panic(err)
	}
	fmt.Println(0)
	time.Sleep(time.Hour)
}

func labDirs(t *testing.T, root string) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(root, "lab-*"))
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

func TestRunDirsOfDeadOwnersAreSwept(t *testing.T) {
	root := t.TempDir()
	t.Setenv(rootVariable, root)
	dead, _ := owner(t, "own-rundir")
	alive, _ := owner(t, "own-rundir")
	_ = alive
	before := labDirs(t, root)
	if len(before) != 2 {
		t.Fatalf("directories = %v, want one per owner", before)
	}
	_ = dead.Process.Kill()
	_ = dead.Wait()
	mine, err := newRunDir(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	if after := labDirs(t, root); len(after) != 2 {
		t.Errorf("directories = %v, want that of the living owner and mine", after)
	}
	if err := mine.close(); err != nil {
		t.Fatal(err)
	}
	if after := labDirs(t, root); len(after) != 1 {
		t.Errorf("directories = %v, want that of the living owner alone", after)
	}
}

func TestGivenDirMustBeEmptyAndIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "dir")
	dir, err := givenRunDir(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the caller's directory is gone: %v", err)
	}
	if _, err := givenRunDir(path); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("second use: err = %v", err)
	}
}

func TestLockIsHeldByOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("second TryLock = %v, want ErrLocked", err)
	}
	got := make(chan error)
	go func() {
		second, err := WaitLock(t.Context(), path)
		if err == nil {
			err = second.Unlock()
		}
		got <- err
	}()
	if err := errors.Join(lock.Write("long text"), lock.Write("42"), lock.Unlock(), <-got); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "42" {
		t.Errorf("lock file = %q, %v", text, err)
	}
}

// Who holds a lock may remove its file: nobody else then holds the lock of a file that is no more.
func TestALockOfARemovedFileIsHeldByNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := os.OpenFile(path, os.O_RDWR, 0) // by somebody who is about to lock it
	if err != nil {
		t.Fatal(err)
	}
	late := &Lock{opened}
	if err := errors.Join(os.Remove(path), lock.Unlock()); err != nil {
		t.Fatal(err)
	}
	if late.current(path) {
		t.Error("the removed file is the lock's")
	}
	fresh, err := TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if !fresh.current(path) || late.current(path) {
		t.Error("the new file is not the lock's, or the removed one is")
	}
	if err := errors.Join(late.Unlock(), fresh.Unlock()); err != nil {
		t.Error(err)
	}
}
