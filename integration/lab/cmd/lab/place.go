package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hansa-mcs/hansa/integration/lab"
	"k8s.io/apimachinery/pkg/util/validation"
)

// place is the directory of one named lab. Its supervisor holds the lock file,
// which has the supervisor's process number, for as long as it lives.
type place struct {
	name string
	dir  string
}

func newPlace(name string) (place, error) {
	if problems := validation.IsDNS1123Label(name); len(problems) > 0 {
		return place{}, fmt.Errorf("--name: %q is no DNS label, expected at most 63 of a-z, 0-9 and '-', as in lab", name)
	}
	cache, err := lab.CacheDir()
	if err != nil {
		return place{}, err
	}
	return place{name, filepath.Join(cache, "labs", name)}, nil
}

// make makes the directory, which is there from up to down.
func (p place) make() error { return os.MkdirAll(p.dir, 0o700) }

func (p place) lock() string  { return filepath.Join(p.dir, "lock") }
func (p place) log() string   { return filepath.Join(p.dir, "supervisor.log") }
func (p place) state() string { return filepath.Join(p.dir, "state.json") }
func (p place) data() string  { return filepath.Join(p.dir, "data") }

// running says whether a supervisor has the place. If not, it forgets the
// process number of one that was killed, which may be another process's by now.
func (p place) running() (bool, error) {
	lock, err := lab.TryLock(p.lock())
	switch {
	case errors.Is(err, lab.ErrLocked):
		return true, nil
	case errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	}
	return false, errors.Join(lock.Write(""), lock.Unlock())
}

// supervisor is the process number of a running supervisor.
func (p place) supervisor() (int, error) {
	text, err := os.ReadFile(p.lock())
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}

// clear removes what a supervisor leaves when it is killed. Its caller holds the lock.
func (p place) clear() error {
	return errors.Join(os.RemoveAll(p.data()), os.RemoveAll(p.state()))
}

// remove removes the directory and all in it. Its caller holds the lock.
func (p place) remove() error { return os.RemoveAll(p.dir) }

// command is what a person types to do something with this lab.
func (p place) command(words string) string {
	if p.name == defaultName {
		return program + " " + words
	}
	return program + " " + words + " --name " + p.name
}

// state is what a supervisor says of its lab once all clusters are ready.
type state struct {
	Clusters   []string  `json:"clusters"`
	Dir        string    `json:"dir"`
	Kubeconfig string    `json:"kubeconfig"`
	Kubectl    string    `json:"kubectl"`
	Ready      time.Time `json:"ready"`
}

// ready reads the state of a lab that is up.
func (p place) ready() (state, error) {
	var s state
	up, err := p.running()
	if err != nil {
		return s, err
	}
	if !up {
		return s, hintError{fmt.Errorf("no lab %q is running", p.name), "Start one: " + p.command("up --clusters east,west,north")}
	}
	text, err := os.ReadFile(p.state())
	if errors.Is(err, os.ErrNotExist) {
		return s, hintError{fmt.Errorf("lab %q is not ready yet", p.name), "See how far it is: " + p.log()}
	}
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(text, &s)
}

func (p place) write(s state) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	unfinished := p.state() + ".unfinished"
	if err := os.WriteFile(unfinished, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(unfinished, p.state())
}
