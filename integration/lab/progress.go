package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

const (
	maxWords   = 60         // lines kept of what a compiler said.
	maxPartial = 64 << 10   // bytes of a line that has not ended yet.
	clearLine  = "\r\x1b[K" // what begins a line that replaces itself.
)

// progress reads the output of "go build -v", a line per package and then the
// compiler's errors, and tells a person now and then how far it is.
type progress struct {
	out      io.Writer
	terminal bool
	begun    time.Time

	mu       sync.Mutex
	partial  []byte
	packages int
	now      string
	said     []string
}

func newProgress(out io.Writer) *progress {
	file, ok := out.(*os.File)
	return &progress{out: out, terminal: ok && term.IsTerminal(int(file.Fd())), begun: time.Now(), now: "looking what is compiled already"}
}

// Write takes the output of the go command. It never fails.
func (p *progress) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.partial = append(p.partial, text...)
	for {
		line, rest, ended := bytes.Cut(p.partial, []byte("\n"))
		if !ended && len(line) < maxPartial {
			return len(text), nil
		}
		p.line(string(line))
		p.partial = rest
	}
}

func (p *progress) line(line string) {
	if module, ok := strings.CutPrefix(line, "go: downloading "); ok {
		p.now = "downloading " + module
		return
	}
	if line != "" && !strings.ContainsAny(line, " :\t") {
		p.packages++
		p.now = line
		return
	}
	p.said = append(p.said, line)
	p.said = p.said[max(0, len(p.said)-maxWords):]
}

// words are what the compiler said, or nil.
func (p *progress) words() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.said) == 0 {
		return nil
	}
	return errors.New(strings.Join(p.said, "\n"))
}

// tick shows the progress until the returned function is called: every second
// in one line of a terminal, else a line every ten seconds.
func (p *progress) tick() (stop func()) {
	interval := 10 * time.Second
	if p.terminal {
		interval = time.Second
	}
	ticker, end, ended := time.NewTicker(interval), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ticker.C:
				p.show()
			case <-end:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(end)
		<-ended
		if p.terminal {
			fmt.Fprint(p.out, clearLine)
		}
	}
}

func (p *progress) show() {
	p.mu.Lock()
	line := fmt.Sprintf("  %s: %d packages compiled, %.60s", time.Since(p.begun).Round(time.Second), p.packages, p.now)
	p.mu.Unlock()
	if p.terminal {
		fmt.Fprint(p.out, clearLine+line)
		return
	}
	fmt.Fprintln(p.out, line)
}
