package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// ServerConfig says what StartServer starts.
type ServerConfig struct {
	// Name is what errors call it; its log is of that name, in lower case.
	Name string
	// Path is the program's file, and Args are its arguments, behind which comes the path of its configuration.
	Path string
	Args []string
	// File is the name of the file of its configuration, and Content what is written to it.
	File    string
	Content []byte
	// Env is its whole environment; nothing is inherited.
	Env []string
	// Dir is where the configuration and the log are written, and stay. Empty means a directory that Stop removes.
	Dir string
	// Ready returns nil when it serves.
	Ready func(context.Context) error
	// Grace is how long it may take to end.
	Grace time.Duration
}

// Server is a [Process] that reads one file of configuration, and serves. All methods may be called by many goroutines at
// once.
type Server struct {
	process *Process
	stop    func() error
}

// StartServer runs a program and returns once it is ready. The end of ctx ends only the starting. After an error nothing
// runs; otherwise the caller must call Stop.
func StartServer(ctx context.Context, config ServerConfig) (*Server, error) {
	name := strings.ToLower(config.Name)
	dir, remove, err := serverDir(config.Dir, name)
	if err != nil {
		return nil, fmt.Errorf("make the directory of %s: %w", config.Name, err)
	}
	file := filepath.Join(dir, config.File)
	if err := os.WriteFile(file, config.Content, 0o600); err != nil {
		return nil, errors.Join(err, remove())
	}
	process, err := StartProcess(ProcessConfig{
		Name: name, Path: config.Path, Args: slices.Concat(config.Args, []string{file}), Env: config.Env,
		Dir: dir, LogFile: filepath.Join(dir, name+".log"),
	})
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	s := &Server{process: process}
	s.stop = sync.OnceValue(func() error { return errors.Join(process.Stop(config.Grace), remove()) })
	if err := process.Await(ctx, config.Ready); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// serverDir makes the given directory, or one that remove removes.
func serverDir(given, name string) (dir string, remove func() error, err error) {
	if given != "" {
		return given, func() error { return nil }, os.MkdirAll(given, 0o700)
	}
	dir, err = os.MkdirTemp("", "hansa-"+name+"-")
	return dir, func() error { return os.RemoveAll(dir) }, err
}

// PID is the process's number, which means nothing after Stop.
func (s *Server) PID() int { return s.process.Pid() }

// Log is the last n lines that the program wrote.
func (s *Server) Log(n int) string { return s.process.LogTail(n) }

// Stop ends the program and returns when it is gone. Calling it again returns the same.
func (s *Server) Stop() error { return s.stop() }
