package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
)

// linkLimit is how long it may take from two empty clusters to a service of one that answers in the other.
const linkLimit = 30 * time.Second

// link makes east and west members of a clusterset and exports lighthouse, all by hansa's own commands. It measures
// until west is answered, the start of the agents included. Web is there too, to show later that it is not exported.
func (d *demo) link(ctx context.Context) error {
	east, west := d.member("east"), d.member("west")
	began := time.Now()
	if err := d.fill(ctx); err != nil {
		return err
	}
	said, err := d.hansa(ctx, "init", "--context", "east", "--cluster", "east", "--clusterset", "acme", "--next", "west",
		"--install=false", "--files", "east", "--advertise", east.federation)
	if err != nil {
		return err
	}
	if err := d.startAgent(ctx, east, said); err != nil {
		return err
	}
	if err := d.join(ctx, west, said); err != nil {
		return err
	}
	if _, err := d.hansa(ctx, "export", "lighthouse", "-n", "shop", "--context", "east"); err != nil {
		return err
	}
	if _, err := d.imported(ctx, west, lighthouse, 1); err != nil {
		return fmt.Errorf("lighthouse in west: %w", err)
	}
	if err := d.curl(ctx, west, lighthouse, "east-lighthouse"); err != nil {
		return err
	}
	took := time.Since(began)
	d.check(took < linkLimit, "from two empty clusters to an answer of east in west, by hansa init, join and export: %.1f s (limit %.0f s)", took.Seconds(), linkLimit.Seconds())
	return nil
}

// fill brings what the demo exports into east, and the namespace into west.
func (d *demo) fill(ctx context.Context) error {
	for _, cluster := range []string{"east", "west"} {
		if _, err := d.kubectl(ctx, cluster, "create", "namespace", "shop"); err != nil {
			return err
		}
	}
	if err := d.deploy(ctx, "east", web, "east"); err != nil {
		return err
	}
	return d.deploy(ctx, "east", lighthouse, "east-lighthouse")
}

// third lets north join by a token of its own.
func (d *demo) third(ctx context.Context) error {
	east, north := d.member("east"), d.member("north")
	said, err := d.hansa(ctx, "token", "create", "--context", "east", "--peer", east.federation, "--cluster", "north")
	if err != nil {
		return err
	}
	if err := d.join(ctx, north, said); err != nil {
		return err
	}
	if _, err := d.kubectl(ctx, "north", "create", "namespace", "shop"); err != nil {
		return err
	}
	if err := awaitGood(ctx, east, 2); err != nil {
		return err
	}
	_, err = d.hansa(ctx, "status", "--agent", east.http)
	d.check(err == nil, "hansa status says that all is well%s", because(err))
	return nil
}

// join runs the line for a cluster that a member printed, and starts the cluster's agent.
func (d *demo) join(ctx context.Context, m *member, printed string) error {
	line, err := printedLine(printed, "hansa join")
	if err != nil {
		return err
	}
	if !slices.Contains(line, "--install=false") {
		line = append(line, "--install=false")
	}
	said, err := d.hansa(ctx, append(line, "--files", m.name, "--advertise", m.federation)...)
	if err != nil {
		return err
	}
	return d.startAgent(ctx, m, said)
}

// startAgent runs the line for an agent that hansa printed, with what this machine needs added to it.
func (d *demo) startAgent(ctx context.Context, m *member, printed string) error {
	line, err := printedLine(printed, "hansa-agent")
	if err != nil {
		return err
	}
	m.args = append(line, m.places()...)
	d.command("hansa-agent %s \\", quote(line))
	fmt.Fprintf(d.out, "      %s &\n", quote(m.places()))
	return m.start(ctx)
}

// printedLine returns the arguments of a command that hansa printed for people to run.
func printedLine(printed, command string) ([]string, error) {
	for line := range strings.Lines(printed) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), command+" "); ok {
			words := strings.Fields(command + " " + rest)
			return words[1:], nil
		}
	}
	return nil, fmt.Errorf("no line of %q was printed", command)
}

// awaitGood asks an agent until it hears so many other clusters and nothing is wrong. Its reports are all that
// tells, so it is asked again and again.
func awaitGood(ctx context.Context, m *member, others int) error {
	agent, err := report.NewClient(m.http, nil)
	if err != nil {
		return err
	}
	for {
		s, err := agent.Status(ctx)
		if err != nil {
			return err
		}
		if s.Verdict == report.Good && len(s.Peers) == others {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the status of %s is %v: %w", m.name, s.Verdict, ctx.Err())
		}
	}
}
