package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// dnsClients is how many sockets questions come from: a server with several of its own is given them by the hash of
// the client's, so that from one socket alone all would go to one.
const dnsClients = 16

// dnsOutstanding is how many questions are without an answer at any time, at most; it is what dnsperf does by default.
const dnsOutstanding = 100

// mostLost is the share of questions that may stay without an answer; more are a server's mistake.
const mostLost = 0.001

// findDNSPerf returns where dnsperf is.
func findDNSPerf() (string, error) {
	path, err := exec.LookPath("dnsperf")
	if err != nil {
		return "", fmt.Errorf("the rows dns-… are measured with dnsperf, which is in Debian's package dnsperf (apt-get install dnsperf): %w", err)
	}
	return path, nil
}

// dnsLoad is what a dnsperf said of its questions.
type dnsLoad struct {
	sent, completed, lost int
	rcodes                map[string]int
	perSecond             float64
	latency               time.Duration // average
}

// askMany has dnsperf ask a server the questions in a file, again and again for so many seconds: with up to
// dnsOutstanding questions on their way at any time, which is the same for both servers, and at the kind's rate if it has
// one. It is an error when answers are others than the kind has, or too few.
//
// Without a rate either server is as busy as dnsperf leaves it cores, so that a value is what answers take, and not
// what it takes to fall asleep and to wake up. With one, it is both: a process that sleeps between two questions
// spends more on its waking than on its answer.
func askMany(ctx context.Context, dnsperf, address, file string, k dnsKind, seconds int) (dnsLoad, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return dnsLoad{}, err
	}
	var out bytes.Buffer
	args := []string{
		"-s", host, "-p", port, "-d", file, "-B", "-W",
		"-c", strconv.Itoa(dnsClients), "-q", strconv.Itoa(dnsOutstanding), "-l", strconv.Itoa(seconds),
	}
	if k.rate > 0 {
		args = append(args, "-Q", strconv.Itoa(k.rate))
	}
	if err := run(ctx, &out, dnsperf, args...); err != nil {
		return dnsLoad{}, err
	}
	load, err := parseDNSPerf(out.String())
	if err == nil {
		err = load.check(k.rcode)
	}
	if err != nil {
		return dnsLoad{}, fmt.Errorf("%w; dnsperf says:\n%s", err, out.String())
	}
	return load, nil
}

// parseDNSPerf reads the statistics that dnsperf prints.
func parseDNSPerf(text string) (l dnsLoad, err error) {
	number := func(name string) float64 {
		value, _, _ := strings.Cut(statistic(text, name), " ")
		n, parseErr := strconv.ParseFloat(value, 64)
		if parseErr != nil {
			err = errors.Join(err, fmt.Errorf("%q is %q, want a number", name, value))
		}
		return n
	}
	l.sent, l.completed, l.lost = int(number("Queries sent")), int(number("Queries completed")), int(number("Queries lost"))
	l.perSecond = number("Queries per second")
	l.latency = time.Duration(number("Average Latency (s)") * float64(time.Second))
	l.rcodes = map[string]int{}
	for _, m := range rcodeCount.FindAllStringSubmatch(statistic(text, "Response codes"), -1) {
		n, parseErr := strconv.Atoi(m[2])
		err = errors.Join(err, parseErr)
		l.rcodes[m[1]] = n
	}
	return l, err
}

var rcodeCount = regexp.MustCompile(`([A-Z0-9]+) (\d+) \(`)

// statistic returns what follows "<name>:" on a line, or "".
func statistic(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// check says what makes the load worthless to be measured: other answers than of that rcode, or too few.
func (l dnsLoad) check(rcode string) error {
	if l.completed == 0 {
		return fmt.Errorf("none of %d questions was answered", l.sent)
	}
	if l.rcodes[rcode] != l.completed {
		return fmt.Errorf("the answers were %v, want %d times %s", l.rcodes, l.completed, rcode)
	}
	if share := float64(l.lost) / float64(l.sent); share > mostLost {
		return fmt.Errorf("%d of %d answers were lost, want at most %g %%", l.lost, l.sent, 100*mostLost)
	}
	return nil
}
