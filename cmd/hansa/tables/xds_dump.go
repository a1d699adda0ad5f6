package tables

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
)

// XDSDump writes what clients are told: a table for each type. Of routes it has those of the hosts that names mean, or all.
func XDSDump(w io.Writer, d *report.XDSResources, names []string, wide bool) error {
	_, err := fmt.Fprintln(w, clean(toldTo(named(d))))
	if err == nil && len(d.Resources)+len(d.Lacks) == 0 {
		_, err = fmt.Fprintln(w, "There is no resource.")
	}
	if err != nil {
		return err
	}
	for _, each := range dumps {
		t := columns(wide, each.columns, each.more...)
		for _, r := range d.Resources {
			if r.Type != each.of || r.Fault != "" {
				continue
			}
			if err := each.rows(t, r, names); err != nil {
				return fmt.Errorf("%s %q: %w", r.Type, r.Name, err)
			}
		}
		if len(t.rows) == 1 {
			continue
		}
		fmt.Fprintln(w)
		if err := t.write(w); err != nil {
			return err
		}
	}
	return writeLines(w, nil, remarksOn(d))
}

// named returns an answer in which the client is called by its address too: an ID may be that of several.
func named(d *report.XDSResources) *report.XDSResources {
	if d.Address == "" {
		return d
	}
	called := *d
	called.Client = strings.TrimPrefix(d.Client+" at "+d.Address, " ")
	return &called
}

// remarksOn says which resources nobody is told, and what there is not.
func remarksOn(d *report.XDSResources) (lines []string) {
	for _, r := range d.Resources {
		if r.Fault != "" {
			lines = append(lines, fmt.Sprintf("  ! %s %s is told to nobody: %s", r.Type, r.Name, r.Fault))
		}
	}
	lines = append(lines, hints(d.Resources)...)
	for _, lack := range d.Lacks {
		lines = append(lines, "  - "+lack)
	}
	return lines
}

// hints says where to look for why hosts have no endpoints, once for all ports of a host.
func hints(resources []report.XDSResource) (lines []string) {
	var all []string
	for _, r := range resources {
		if r.Hint != "" {
			all = append(all, r.Hint)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	for _, hint := range all[:min(len(all), maxTroubled)] {
		lines = append(lines, "  - "+hint)
	}
	if more := len(all) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("  - and so %s more", amount(more, "host")))
	}
	return lines
}

// dumps are the tables of the types.
var dumps = []struct {
	of            report.XDSType
	columns, more []string
	rows          func(t *table, r report.XDSResource, names []string) error
}{
	{report.CDS, []string{"CLUSTER", "BALANCED", "PROTOCOL"}, []string{"VERSION"}, clusterRow},
	{report.EDS, []string{"ENDPOINTS OF", "PRIORITY", "CLUSTER", "REGION", "ZONE", "ADDRESS", "HEALTH"}, []string{"WEIGHT", "VERSION"}, endpointRows},
	{report.LDS, []string{"LISTENER", "ADDRESS", "LEADS TO"}, []string{"VERSION"}, listenerRow},
	{report.RDS, []string{"ROUTES", "HOSTS", "LEADS TO"}, []string{"VERSION"}, routeRows},
}

func clusterRow(t *table, r report.XDSResource, _ []string) error {
	var c struct {
		Policy   string                     `json:"lbPolicy"`
		Protocol map[string]json.RawMessage `json:"typedExtensionProtocolOptions"`
	}
	if err := json.Unmarshal(r.Message, &c); err != nil {
		return err
	}
	policy, protocol := "round robin", ""
	if c.Policy != "" { // the first of them is left out
		policy = strings.ToLower(strings.ReplaceAll(c.Policy, "_", " "))
	}
	if len(c.Protocol) > 0 {
		protocol = "HTTP/2"
	}
	t.row([]string{r.Name, policy, protocol}, r.Version)
	return nil
}

// socket is where something is.
type socket struct {
	SocketAddress struct {
		Address string `json:"address"`
		Port    uint16 `json:"portValue"`
	} `json:"socketAddress"`
}

func (s socket) String() string {
	address, port := s.SocketAddress.Address, strconv.Itoa(int(s.SocketAddress.Port))
	if address == "" {
		return ""
	}
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	return address + ":" + port
}

func endpointRows(t *table, r report.XDSResource, _ []string) error {
	var a struct {
		Endpoints []struct {
			Locality struct {
				Region  string `json:"region"`
				Zone    string `json:"zone"`
				SubZone string `json:"subZone"`
			} `json:"locality"`
			Priority uint32 `json:"priority"`
			Weight   uint32 `json:"loadBalancingWeight"`
			All      []struct {
				Endpoint struct {
					Address socket `json:"address"`
				} `json:"endpoint"`
				Health string `json:"healthStatus"`
			} `json:"lbEndpoints"`
		} `json:"endpoints"`
	}
	if err := json.Unmarshal(r.Message, &a); err != nil {
		return err
	}
	if len(a.Endpoints) == 0 {
		t.row([]string{r.Name, "", "", "", "", "", ""}, "", r.Version)
	}
	for _, l := range a.Endpoints {
		for _, e := range l.All {
			t.row([]string{
				r.Name, strconv.Itoa(int(l.Priority)), l.Locality.SubZone, l.Locality.Region, l.Locality.Zone, e.Endpoint.Address.String(), health(e.Health),
			}, strconv.Itoa(int(l.Weight)), r.Version)
		}
	}
	return nil
}

// health returns a state in small letters; the first one is left out.
func health(state string) string {
	if state == "" {
		return "unknown"
	}
	return strings.ToLower(state)
}

func listenerRow(t *table, r report.XDSResource, _ []string) error {
	var l struct {
		Address socket `json:"address"`
		Rest    any    `json:"-"`
	}
	if err := json.Unmarshal(r.Message, &l); err != nil {
		return err
	}
	if err := json.Unmarshal(r.Message, &l.Rest); err != nil {
		return err
	}
	t.row([]string{r.Name, l.Address.String(), strings.Join(append(found(l.Rest, "cluster"), found(l.Rest, "routeConfigName")...), ",")}, r.Version)
	return nil
}

// found returns the texts that a message has by a name, however deep, in order and each once.
func found(message any, name string) (texts []string) {
	switch m := message.(type) {
	case []any:
		for _, each := range m {
			texts = append(texts, found(each, name)...)
		}
	case map[string]any:
		for key, value := range m {
			if text, ok := value.(string); ok && key == name {
				texts = append(texts, text)
				continue
			}
			texts = append(texts, found(value, name)...)
		}
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

func routeRows(t *table, r report.XDSResource, names []string) error {
	var c struct {
		Hosts []struct {
			Domains []string `json:"domains"`
			Routes  any      `json:"routes"`
		} `json:"virtualHosts"`
	}
	if err := json.Unmarshal(r.Message, &c); err != nil {
		return err
	}
	for _, h := range c.Hosts {
		if meant(h.Domains, r.Name, names) {
			t.row([]string{r.Name, strings.Join(h.Domains, ","), strings.Join(found(h.Routes, "cluster"), ",")}, r.Version)
		}
	}
	if len(c.Hosts) == 0 {
		t.row([]string{r.Name, "", ""}, r.Version)
	}
	return nil
}

// meant reports whether any of the names means a host, or all routes; without names all are meant.
func meant(domains []string, routes string, names []string) bool {
	return len(names) == 0 || slices.ContainsFunc(names, func(name string) bool { return report.MatchRoutes(name)(routes, domains) })
}
