package tables

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
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
	// Again are the flags by which a further command asks the same agents, with a space before each.
	Again string `json:"-"`
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
		_, err = fmt.Fprintln(w, clean(nobody(c)))
	} else {
		err = t.write(w)
	}
	return writeLines(w, err, remarks(c))
}

// nobody says that no client is connected, and where one would be.
func nobody(c *Connected) string {
	var at []string
	for _, a := range c.Agents {
		if to := where(a.Address); to != "" && !slices.Contains(at, to) {
			at = append(at, to)
		}
	}
	if len(at) == 0 {
		return "No client is connected."
	}
	return fmt.Sprintf("No client is connected. Clients connect to %s.", strings.Join(at, " or "))
}

// where says where clients connect to an agent that listens at an address. One that listens at all of its addresses is mostly
// in a cluster, where none of them stays.
func where(address string) string {
	if a, err := netip.ParseAddrPort(address); err == nil && a.Addr().IsUnspecified() {
		return fmt.Sprintf("port %d of an agent, to which the Service hansa-agent-xds of its namespace leads", a.Port())
	}
	return address
}

// remarks says what the list lacks, what is wrong with a client, and what is not told, or not wholly, to any.
func remarks(c *Connected) (lines []string) {
	for _, a := range c.Agents {
		if a.More > 0 {
			lines = append(lines, fmt.Sprintf("and %s more of agent %s", amount(a.More, "client"), a.Agent))
		}
		if a.TurnedAway > 0 {
			lines = append(lines, crowded(a))
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
	return append(lines, troubled(c)...)
}

// crowded says of an agent that it turned clients away.
func crowded(a *report.XDS) string {
	n, bound := len(a.Clients)+a.More, "which is as many as --xds-max-clients allows"
	if n < a.MaxClients {
		bound = fmt.Sprintf("of %d that --xds-max-clients allows, of which one address may have a part", a.MaxClients)
	}
	return fmt.Sprintf("  ! %s %s connected to agent %s, %s; so far clients were turned away %s", amount(n, "client"), are(n), a.Agent, bound, amount(int(a.TurnedAway), "time"))
}

func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// maxTroubled is of how many clients a list says what is wrong.
const maxTroubled = 8

// troubled says which clients do not get what they ask for.
func troubled(c *Connected) (lines []string) {
	more := 0
	for _, a := range c.Agents {
		for _, each := range a.Clients {
			switch wrong := troubles(&each); {
			case len(wrong) == 0:
			case len(lines) == maxTroubled:
				more++
			default:
				id := each.ID
				if id == "" {
					id = each.Address
				}
				lines = append(lines, fmt.Sprintf("  ! %s %s: hansa xds clients %s%s", id, strings.Join(wrong, ", and "), id, c.Again))
			}
		}
	}
	if more > 0 {
		lines = append(lines, fmt.Sprintf("  ! and so %s more, which -o json has", amount(more, "client")))
	}
	return lines
}

// troubles says what a client does not get, though all that it is told it takes.
func troubles(c *report.XDSClient) (list []string) {
	missing := 0
	for _, s := range c.Types {
		missing += s.Missing
	}
	switch {
	case missing == 1:
		list = append(list, "subscribes to 1 name that does not exist")
	case missing > 1:
		list = append(list, fmt.Sprintf("subscribes to %d names that do not exist", missing))
	}
	if len(c.Unserved) > 0 {
		list = append(list, "asks for what is not served")
	}
	if c.EgressFault != "" {
		list = append(list, "says wrongly where its listener for HTTP is to be")
	}
	return list
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
		return version(s.Acked)
	case s.Unanswered:
		return "waits"
	}
	return refused
}

// refused is in the place of the version of what a client did not take.
const refused = "refused"

// version returns a version, "" for that of nothing.
func version(v string) string {
	if v == "0" {
		return ""
	}
	return v
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
			if err := writeLines(w, nil, inVain(c, &each)); err != nil {
				return err
			}
		}
	}
	return nil
}

// inVain says what tells why names that a client subscribes to do not exist.
func inVain(c *Connected, of *report.XDSClient) []string {
	missing, called := 0, of.ID
	for _, s := range of.Types {
		missing += s.Missing
	}
	if called == "" || c.Clients() > 1 {
		called = cmp.Or(of.Address, called)
	}
	if missing == 0 {
		return nil
	}
	return []string{fmt.Sprintf("why: hansa xds dump --client %s%s", called, c.Again)}
}

func writeClient(w io.Writer, a *report.XDS, c *report.XDSClient) error {
	lines := []string{
		"Client  " + either(c.ID) + in(", of group ", c.Group),
		"Kind    " + c.Audience.Kind + in(", ", c.Software) + ", by the variant " + c.Variant,
		"Place   region " + either(c.Audience.Region) + ", zone " + either(c.Audience.Zone),
	}
	if c.Audience.Kind == report.KindEnvoy {
		lines = append(lines, "Egress  "+egress(c, a.At.Sub(c.Since)))
	}
	lines = append(lines,
		fmt.Sprintf("Since   %s, for %s, from %s", c.Since.UTC().Format(time.RFC3339), span(a.At.Sub(c.Since)), c.Address),
		"Agent   "+a.Agent+", at "+a.Address)
	for _, line := range lines {
		fmt.Fprintln(w, clean(line))
	}
	wrong := append(refusals(c), unserved(c)...)
	if len(c.Types) == 0 && len(wrong) == 0 {
		wrong = []string{"It has asked for nothing yet."}
	}
	var err error
	if len(c.Types) > 0 {
		err = writeStates(w, c.Types)
	}
	if err := writeLines(w, err, wrong); err != nil {
		return err
	}
	return writeNames(w, c.Types)
}

// beginning is how long an Envoy may take until it asks for listeners: it first waits for endpoints of each cluster, 15 seconds
// for one that there is not.
const beginning = 30 * time.Second

// egress says where an Envoy's listener for HTTP is, or why there is none, some time after the Envoy connected.
func egress(c *report.XDSClient, since time.Duration) string {
	i := slices.IndexFunc(c.Types, func(s report.XDSState) bool { return s.Type == report.LDS })
	switch {
	case c.EgressFault != "":
		return "none: " + c.EgressFault
	case c.Audience.Egress == "":
		return `none: its node names no hansa-egress: want metadata hansa-egress: "IP:port" in its node`
	case i < 0 && since < beginning:
		return "none yet: it does not subscribe to lds so far"
	case i < 0:
		return "none: it does not subscribe to lds: dynamic_resources.lds_config is missing in its bootstrap"
	case c.Types[i].LastNACK != nil && acked(c.Types[i]) == refused:
		return c.Audience.Egress + ", refused, see below"
	}
	return c.Audience.Egress
}

func writeStates(w io.Writer, types []report.XDSState) error {
	fmt.Fprintln(w)
	t := columns(false, []string{"TYPE", "SUBSCRIBED", "SENT", "ACKED", "WAITING", "NACKS"})
	for _, s := range types {
		t.row([]string{string(s.Type), subscribed(s), version(s.Sent), acked(s), strconv.Itoa(s.Waiting), strconv.Itoa(s.NACKs)})
	}
	return t.write(w)
}

// refusals says what a client refused last of each type.
func refusals(c *report.XDSClient) (lines []string) {
	for _, s := range c.Types {
		if n := s.LastNACK; n != nil {
			lines = append(lines, fmt.Sprintf("  ! at %s it refused version %s of %s: %s", n.At.UTC().Format(time.RFC3339), n.Version, s.Type, n.Error))
		}
	}
	return lines
}

// unserved says what a client asked for in vain.
func unserved(c *report.XDSClient) (lines []string) {
	for _, typeURL := range c.Unserved {
		lines = append(lines, fmt.Sprintf("  ! it asked for %s, which is not served: clusters, endpoints, listeners and routes of v3 are", typeURL))
	}
	return lines
}

func writeNames(w io.Writer, types []report.XDSState) error {
	t := columns(false, []string{"TYPE", "NAME", "STATE"})
	for _, s := range types {
		for _, name := range s.Absent {
			t.row([]string{string(s.Type), name, "does not exist"})
		}
		names := there(s)
		for _, name := range names {
			t.row([]string{string(s.Type), name, ""})
		}
		if more := s.Subscribed - len(s.Absent) - len(names); more > 0 {
			state := ""
			if missing := s.Missing - len(s.Absent); missing > 0 {
				state = fmt.Sprintf("%d of them do not exist", missing)
			}
			t.row([]string{string(s.Type), fmt.Sprintf("and %d more", more), state})
		}
	}
	if len(t.rows) == 1 {
		return nil
	}
	fmt.Fprintln(w)
	return t.write(w)
}

// there returns the names that are listed and exist.
func there(s report.XDSState) []string {
	return slices.DeleteFunc(slices.Clone(s.Names), func(name string) bool {
		_, absent := slices.BinarySearch(s.Absent, name)
		return absent
	})
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
