package tables

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
)

// Connected are the xDS clients of all agents of a cluster that answered.
type Connected struct {
	Agents []*report.XDS `json:"agents"`
	// Unanswered are the agents of which it is not known who is connected to them.
	Unanswered []Unanswered `json:"unanswered"`
	// Alone means that one agent was chosen, so that no other one was asked.
	Alone bool `json:"-"`
}

// Unanswered is an agent that could not be asked.
type Unanswered struct {
	Agent string `json:"agent"`
	Why   string `json:"why"`
}

// Clients returns how many clients are listed.
func (c *Connected) Clients() (n int) {
	for _, a := range c.Agents {
		n += len(a.Clients)
	}
	return n
}

// XDSClients writes a row for each type of resource of each client.
func XDSClients(w io.Writer, c *Connected, wide bool) error {
	t := columns(wide, []string{"CLIENT", "KIND", "ADDRESS", "ZONE", "SINCE", "TYPE", "SUBSCRIBED", "ACKED", "NACKS"}, "REGION", "VARIANT", "SOFTWARE", "AGENT")
	for _, a := range c.Agents {
		for _, each := range a.Clients {
			who := []string{each.ID, each.Audience.Kind, each.Address, each.Audience.Zone, span(a.At.Sub(each.Since))}
			more := []string{each.Audience.Region, each.Variant, each.Software, a.Agent}
			if len(each.Types) == 0 {
				t.row(append(who, "", "", "", ""), more...)
			}
			for _, s := range each.Types {
				t.row(append(slices.Clip(who), string(s.Type), subscribed(s), acked(s), strconv.Itoa(s.NACKs)), more...)
			}
		}
	}
	var err error
	if c.Clients() == 0 {
		_, err = fmt.Fprintln(w, "No client is connected.")
	} else {
		err = t.write(w)
	}
	return writeLines(w, err, remarks(c))
}

// remarks says what the list lacks, and what is not told, or not wholly, to any client.
func remarks(c *Connected) (lines []string) {
	for _, a := range c.Agents {
		if a.More > 0 {
			lines = append(lines, fmt.Sprintf("and %s more of agent %s", amount(a.More, "client"), a.Agent))
		}
	}
	if c.Alone {
		for _, a := range c.Agents {
			lines = append(lines, fmt.Sprintf("Agent %s was asked alone; other agents of cluster %s have clients of their own.", a.Agent, a.Cluster))
		}
	}
	for _, u := range c.Unanswered {
		lines = append(lines, fmt.Sprintf("Agent %s has clients, too, and did not say which: %s", u.Agent, u.Why))
	}
	told := map[string]bool{}
	for _, a := range c.Agents {
		for _, q := range a.Quarantined {
			if !told[q.Name] {
				lines = append(lines, fmt.Sprintf("  ! %s is not told, or not wholly: %s", q.Name, q.Why))
			}
			told[q.Name] = true
		}
	}
	return lines
}

// writeLines writes lines below what was written, after an empty one.
func writeLines(w io.Writer, err error, lines []string) error {
	if err != nil || len(lines) == 0 {
		return err
	}
	fmt.Fprintln(w)
	for _, line := range lines {
		_, err = fmt.Fprintln(w, clean(line))
	}
	return err
}

// subscribed says to how many resources a client subscribes.
func subscribed(s report.XDSState) string {
	if s.Wildcard && s.Subscribed > 0 {
		return fmt.Sprintf("all and %d", s.Subscribed)
	}
	if s.Wildcard {
		return "all"
	}
	return strconv.Itoa(s.Subscribed)
}

// acked returns the version that a client has, or that it has not answered yet, or not taken it.
func acked(s report.XDSState) string {
	switch {
	case s.Sent == s.Acked:
		return s.Acked
	case s.LastNACK != nil && s.LastNACK.Version == s.Sent:
		return "refused"
	}
	return "waits"
}

// XDSClient writes all that is known of a client, or of several that call themselves the same.
func XDSClient(w io.Writer, c *Connected, _ bool) error {
	first := true
	for _, a := range c.Agents {
		for _, each := range a.Clients {
			if !first {
				fmt.Fprintln(w)
			}
			first = false
			if err := writeClient(w, a, &each); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeClient(w io.Writer, a *report.XDS, c *report.XDSClient) error {
	for _, line := range []string{
		"Client  " + either(c.ID) + in(", of group ", c.Group),
		"Kind    " + c.Audience.Kind + in(", ", c.Software) + ", by the variant " + c.Variant,
		"Place   region " + either(c.Audience.Region) + ", zone " + either(c.Audience.Zone) + in("; its listener for HTTP is at ", c.Audience.Egress),
		fmt.Sprintf("Since   %s, for %s, from %s", c.Since.UTC().Format(time.RFC3339), span(a.At.Sub(c.Since)), c.Address),
		"Agent   " + a.Agent + ", at " + a.Address,
	} {
		fmt.Fprintln(w, clean(line))
	}
	if len(c.Types) == 0 {
		_, err := fmt.Fprintln(w, "\nIt has asked for nothing yet.")
		return err
	}
	fmt.Fprintln(w)
	t := columns(false, []string{"TYPE", "SUBSCRIBED", "SENT", "ACKED", "WAITING", "NACKS"})
	for _, s := range c.Types {
		t.row([]string{string(s.Type), subscribed(s), s.Sent, acked(s), strconv.Itoa(s.Waiting), strconv.Itoa(s.NACKs)})
	}
	var refused []string
	for _, s := range c.Types {
		if n := s.LastNACK; n != nil {
			refused = append(refused, fmt.Sprintf("  ! at %s it refused version %s of %s: %s", n.At.UTC().Format(time.RFC3339), n.Version, s.Type, n.Error))
		}
	}
	if err := writeLines(w, t.write(w), refused); err != nil {
		return err
	}
	return writeNames(w, c.Types)
}

func writeNames(w io.Writer, types []report.XDSState) error {
	t := columns(false, []string{"TYPE", "NAME"})
	for _, s := range types {
		for _, name := range s.Names {
			t.row([]string{string(s.Type), name})
		}
		if more := s.Subscribed - len(s.Names); more > 0 {
			t.row([]string{string(s.Type), fmt.Sprintf("and %d more", more)})
		}
	}
	if len(t.rows) == 1 {
		return nil
	}
	fmt.Fprintln(w)
	return t.write(w)
}

func either(text string) string {
	if text == "" {
		return none
	}
	return text
}

// in returns a text behind what leads to it, "" for none.
func in(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

// toldTo says to whom resources are told.
func toldTo(d *report.XDSResources) string {
	a, who := d.Audience, "a client"
	if d.Client != "" {
		who = "client " + d.Client + ","
	}
	return fmt.Sprintf("As agent %s tells %s of kind %s, region %s, zone %s", d.Agent, who, a.Kind, either(a.Region), either(a.Zone)) + in(", whose listener for HTTP is at ", a.Egress)
}
