package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/cmd/hansa/tables"
)

const (
	// leastEvery is how often --watch asks at most.
	leastEvery = 100 * time.Millisecond
	// answerTime is how long an answer may take; agents give up within it.
	answerTime = 35 * time.Second
)

var errSlow = fmt.Errorf("it did not answer within %s", answerTime)

// answer is what an agent said, ready to be written.
type answer struct {
	write  func(io.Writer) error
	status int // that the command exits with
}

// question asks an agent once.
type question func(context.Context, *report.Client) (answer, error)

// follow asks again and again until ctx ends, and then returns nil. An answer that does not come is told, and asked for again,
// on another port-forward if there was one: it may have led to an agent that is gone. first and stop are of the client to
// begin with.
func (l *looking) follow(ctx context.Context, s *screen, first *report.Client, stop func(), ask question) error {
	client := first
	defer func() { stop() }()
	for {
		var said answer
		var err error
		if client == nil {
			if client, stop, err = l.client(ctx); err != nil {
				client, stop = nil, func() {}
			}
		}
		if err == nil {
			said, err = ask(ctx, client)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			fmt.Fprintln(s.errs, "hansa:", err)
			if l.lost(err) {
				stop()
				client, stop = nil, func() {}
			}
		} else if err := s.next(said, l.output); err != nil {
			return err
		}
		select {
		case <-time.After(l.every):
		case <-ctx.Done():
			return nil
		}
	}
}

// lost reports whether a port-forward may be good for nothing any more.
func (l *looking) lost(err error) bool {
	_, answered := errors.AsType[*report.Refused](err)
	return l.agent == "" && !answered
}

// screen is where answers are shown, one after the other.
type screen struct {
	out, errs io.Writer
	terminal  bool // out is a person's, who sees the newest answer alone
	colour    bool
	shown     bool // something is there already
}

func newScreen(out, errs io.Writer, env func(string) string) *screen {
	file, ok := out.(*os.File)
	terminal := ok && term.IsTerminal(int(file.Fd())) && env("TERM") != "dumb"
	return &screen{out: out, errs: errs, terminal: terminal, colour: terminal && env("NO_COLOR") == ""}
}

// show writes an answer.
func (s *screen) show(a answer) error {
	if s.colour {
		return a.write(tables.InColour(s.out))
	}
	return a.write(s.out)
}

// next writes an answer in the place of the one before, or behind it where that stays.
func (s *screen) next(a answer, output string) error {
	var whole bytes.Buffer // at once, so that a terminal does not flicker
	switch {
	case s.terminal:
		whole.WriteString("\x1b[H\x1b[2J")
	case s.shown && output == "yaml":
		whole.WriteString("---\n")
	case s.shown:
		whole.WriteString("\n")
	}
	s.shown = true
	to := *s
	to.out = &whole
	if err := to.show(a); err != nil {
		return err
	}
	_, err := s.out.Write(whole.Bytes())
	return err
}
