package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-mcs/hansa/integration/probe"
)

// agent stops and starts it. What it is told besides is forgotten with the next start, and when the script ends.
func (s *scene) agent(at *site, args []string) error {
	stop, start := args[0] != "start", args[0] != "stop"
	if !stop && !start || stop == s.away[at] {
		return fmt.Errorf("agent %s: want stop or restart of one that runs, or start of one that does not", args[0])
	}
	ctx, cancel := s.patiently()
	defer cancel()
	if stop {
		if err := at.StopAgent(); err != nil {
			return err
		}
		s.away[at] = true
	}
	at.Arguments, s.told[at] = args[1:], true
	if start {
		if err := at.StartAgent(ctx); err != nil {
			return err
		}
		delete(s.away, at)
	}
	return nil
}

// agentRefused starts one that does not run, which must not work, and prints why.
func (s *scene) agentRefused(at *site, args []string) error {
	if args[0] != "start" || !s.away[at] {
		return errors.New("want start of one that does not run")
	}
	ctx, cancel := s.patiently()
	defer cancel()
	at.Arguments, s.told[at] = args[1:], true
	err := at.StartAgent(ctx)
	if err == nil {
		delete(s.away, at)
		return errors.New("it started")
	}
	s.print(err.Error() + "\n")
	return nil
}

// answers asks the agent for a path of its answers until each expression holds, as nothing tells when one would.
func (s *scene) answers(at *site, args []string) error {
	all, err := parseExpressions(args[1:])
	if err != nil {
		return err
	}
	ctx, cancel := s.patiently()
	defer cancel()
	for {
		text, err := at.Get(ctx, args[0])
		o := &unstructured.Unstructured{}
		if err == nil {
			err = json.Unmarshal([]byte(text), &o.Object)
		}
		if err == nil && allHold(all, o) {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("asking for %s: %w; it was last\n%s\n%s", strings.Join(args, " "), errors.Join(inWords(ctx.Err()), err), mismatches(all, o), tail(at.LogFile()))
		}
	}
}

// metric waits until the agent shows a metric with a value, as nothing tells when it would.
func (s *scene) metric(at *site, args []string) error {
	ctx, cancel := s.patiently()
	defer cancel()
	for {
		text, err := at.Get(ctx, "/metrics")
		if err == nil && strings.Contains("\n"+text, "\n"+args[0]+" "+args[1]+"\n") {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s to be %s: %w", args[0], args[1], errors.Join(inWords(ctx.Err()), err))
		}
	}
}

// xds waits until the addresses that xDS assigns to a host and port are just those that are given.
func (s *scene) xds(at *site, args []string) error {
	host, text, err := net.SplitHostPort(args[0])
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("port %q: %w", text, err)
	}
	ctx, cancel := s.patiently()
	defer cancel()
	ads, err := probe.OpenAssignment(ctx, at.XDS, host, port)
	if err != nil {
		return err
	}
	defer ads.Close()
	var last []string
	for {
		got, err := ads.NextAssignment()
		if err != nil {
			return fmt.Errorf("waiting until xDS assigns %v to %s: %w; it was last %v", args[1:], args[0], inWords(errors.Join(err, ctx.Err())), last)
		}
		if last = nil; len(got) > 0 {
			for _, a := range got {
				last = append(last, a.String())
			}
		}
		if slices.Equal(last, args[1:]) {
			return nil
		}
	}
}

// xdsNone checks that xDS has no listener for a host and port.
func (s *scene) xdsNone(at *site, args []string) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for {
		n, err := probe.Listeners(ctx, at.XDS, args[0])
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("xDS has a listener for %s", args[0])
		}
	}
}
