package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hansa-mcs/hansa/federation/trust/enroll"
)

// docs/hansa.md is made of the commands, so it is true.
func TestTheReferenceListsEveryCommand(t *testing.T) {
	const path = "../../docs/hansa.md"
	want := reference{t}.text()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: run go test ./cmd/hansa -run Reference -update", path)
	}
}

// reference is docs/hansa.md.
type reference struct{ t *testing.T }

// text has what is about all commands, and then each command with those below it, group by group in the order of their names,
// as help lists them.
func (r reference) text() string {
	root := command()
	root.InitDefaultCompletionCmd("completion") // as it is when it runs, unless there is one
	var b, sections strings.Builder
	fmt.Fprintf(&b, "# hansa\n\n%s\n\nInstalled as `kubectl-hansa` it is `kubectl hansa`, too.\n", r.about(root))
	for _, g := range append(root.Groups(), &cobra.Group{}) { // at last what is in none
		var table strings.Builder
		for _, child := range r.people(root) {
			if child.GroupID != g.ID {
				continue
			}
			for _, c := range append([]*cobra.Command{child}, r.below(child)...) {
				fmt.Fprintf(&table, "| %s | %s |\n", r.link(c, c.CommandPath()), r.plain(c.Short))
				sections.WriteString(r.section(c))
			}
		}
		if table.Len() > 0 {
			fmt.Fprintf(&b, "\n%s\n\n| command | what it does |\n|---|---|\n%s", cmp.Or(g.Title, "Further commands:"), &table)
		}
	}
	return b.String() + r.flagsOf(root) + r.statuses() + sections.String()
}

// people returns the commands right below one that people are told of, by their names.
func (r reference) people(c *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(c.Commands()), func(child *cobra.Command) bool {
		return !child.IsAvailableCommand() || child.Name() == "help"
	})
}

// below returns all commands below one, each before its own.
func (r reference) below(c *cobra.Command) (all []*cobra.Command) {
	for _, child := range r.people(c) {
		all = append(append(all, child), r.below(child)...)
	}
	return all
}

// link leads to the section of a command.
func (r reference) link(c *cobra.Command, text string) string {
	return fmt.Sprintf("[`%s`](#%s)", text, strings.ReplaceAll(c.CommandPath(), " ", "-"))
}

func (r reference) section(c *cobra.Command) string {
	if c.Short == "" {
		r.t.Errorf("%s has no Short", c.CommandPath())
	}
	usage := c.UseLine()
	if !c.Runnable() {
		usage = c.CommandPath() + " COMMAND"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n```\n%s\n```\n\n%s\n", c.CommandPath(), usage, r.about(c))
	if c.Example != "" {
		fmt.Fprintf(&b, "\n```sh\n%s\n```\n", r.unindented(c.Example))
	}
	var children []string
	for _, child := range r.people(c) {
		children = append(children, r.link(child, child.Name()))
	}
	if children != nil {
		fmt.Fprintf(&b, "\nCommands: %s.\n", strings.Join(children, ", "))
	}
	return b.String() + r.flagsOf(c)
}

// about is what help says of a command.
func (r reference) about(c *cobra.Command) string {
	return r.plain(strings.TrimSpace(cmp.Or(c.Long, c.Short+".")))
}

// unindented takes off what each line of an example begins with.
func (r reference) unindented(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  ")
	}
	return strings.Join(lines, "\n")
}

// plain lets Markdown show a text as it is: nothing in it is a tag, what is indented is code, and a heading of it is none of
// ours.
func (r reference) plain(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if code := strings.TrimLeft(line, " \t"); code != line {
			lines[i] = "    " + code
			continue
		}
		if heading := strings.TrimLeft(line, "#"); heading != line {
			line = strings.TrimSpace(heading)
		}
		lines[i] = strings.ReplaceAll(line, "<", "\\<")
	}
	return strings.Join(lines, "\n")
}

// flagsOf is the table of a command's own flags.
func (r reference) flagsOf(c *cobra.Command) string {
	var b strings.Builder
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if f.Usage == "" {
			r.t.Errorf("--%s of %s has no usage", f.Name, c.CommandPath())
		}
		name, value, meaning := "`--"+f.Name+"`", "", r.plain(f.Usage)
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		if text := strings.Trim(f.DefValue, "[]"); text != "" {
			value = "`" + text + "`"
		}
		if f.Annotations[cobra.BashCompOneRequiredFlag] != nil {
			meaning += " (required)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, value, strings.ReplaceAll(meaning, "|", "\\|"))
	})
	if b.Len() == 0 {
		return ""
	}
	return "\n| flag | default | meaning |\n|---|---|---|\n" + b.String()
}

// refusalMeanings say what the codes mean to who joins.
var refusalMeanings = map[enroll.Code]string{
	enroll.Invalid:     "the request was invalid",
	enroll.Unknown:     "there is no such token",
	enroll.Expired:     "the token has expired",
	enroll.Used:        "the token has been used as often as it may be",
	enroll.Bound:       "the token is for another cluster ID",
	enroll.Taken:       "another cluster has the ID",
	enroll.Certificate: "the certificate proves nothing",
	enroll.NoCA:        "the member does not hold the CA",
	enroll.Busy:        "the member is asked too often: try again later",
	enroll.Failed:      "the member could not find out, or could not sign",
	enroll.Foreign:     "who answered is no member of the token's clusterset",
	enroll.Protocol:    "who answered does not let clusters in, or is of another version",
	enroll.Answer:      "what was answered is no membership",
}

// statuses is the table of exit statuses.
func (r reference) statuses() string {
	var b strings.Builder
	b.WriteString("\n## Exit status\n\n| status | meaning |\n|---|---|\n| 0 | done, and what was asked about is good |\n")
	fmt.Fprintf(&b, "| %d | failed; or what was asked about is not as it should be, as the command says |\n", exitFailed)
	fmt.Fprintf(&b, "| %d | wrong use; or what was asked about has failed, as the command says |\n", exitUsage)
	for i, code := range enroll.Codes() {
		if got := status(&enroll.Refusal{Code: code}); got != exitRefuse+i || refusalMeanings[code] == "" {
			r.t.Errorf("%s has status %d and meaning %q, want %d and one", code, got, refusalMeanings[code], exitRefuse+i)
		}
		fmt.Fprintf(&b, "| %d | `join`: %s |\n", exitRefuse+i, refusalMeanings[code])
	}
	if len(refusalMeanings) != len(enroll.Codes()) {
		r.t.Errorf("%d codes have a meaning, want all %d", len(refusalMeanings), len(enroll.Codes()))
	}
	return b.String()
}
