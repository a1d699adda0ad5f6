package tables

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
)

// Services writes one row for each exported service.
func Services(w io.Writer, s *report.Services, wide bool) error {
	if len(s.Services) == 0 {
		_, err := fmt.Fprintln(w, "No service is exported.")
		return err
	}
	t := columns(wide, []string{"NAMESPACE", "NAME", "TYPE", "CLUSTERS", "READY", "SERVED", "ACKNOWLEDGED", "CONFLICTS", "WHY"}, "IPS", "PORTS")
	for _, each := range s.Services {
		t.row([]string{
			each.Namespace, each.Name, string(each.Type), list(each.Clusters),
			fmt.Sprintf("%d/%d", each.Endpoints.Ready, each.Endpoints.Total), fmt.Sprint(each.Endpoints.Served), acknowledgedBy(each.Exported), list(each.Conflicts), each.Why,
		}, list(each.IPs), ports(each.Ports))
	}
	ours := slices.ContainsFunc(s.Services, func(each report.Service) bool { return each.Exported != nil })
	if err := t.write(w); err != nil || !ours || len(s.Peers) == 0 {
		return err
	}
	fmt.Fprintln(w)
	t = columns(false, []string{"CLUSTER", "HAS ACKNOWLEDGED VERSION"})
	for _, p := range s.Peers {
		t.row([]string{string(p.Cluster), p.Version})
	}
	return t.write(w)
}

// acknowledgedBy says how many of the clusters that may see it have what this one exports.
func acknowledgedBy(e *report.Exported) string {
	if e == nil || e.Acknowledged == nil || e.Audience == nil {
		return ""
	}
	return fmt.Sprintf("%d/%d", *e.Acknowledged, *e.Audience)
}

func ports(all []report.Port) string {
	var texts []string
	for _, p := range all {
		text := fmt.Sprintf("%d/%s", p.Port, p.Protocol)
		if p.Name != "" {
			text = p.Name + ":" + text
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ",")
}

// Endpoints writes one row for each endpoint.
func Endpoints(w io.Writer, e *report.Endpoints, wide bool) error {
	if len(e.Endpoints) == 0 {
		_, err := fmt.Fprintln(w, "There is no endpoint.")
		return err
	}
	return writeEndpoints(w, e.Endpoints, wide, true)
}

func writeEndpoints(w io.Writer, all []report.Endpoint, wide, named bool) error {
	names := []string{"CLUSTER", "ADDRESS", "PORTS", "ZONE", "READY", "SERVED", "AGE", "WHY"}
	if named {
		names = append([]string{"SERVICE"}, names...)
	}
	t := columns(wide, names, "HOSTNAME", "NODE", "VERSION")
	for _, e := range all {
		cells := []string{string(e.Cluster), e.Address.String(), targets(e.Ports), e.Zone, yes(e.Ready), string(e.Served), seconds(e.Age), e.Why}
		if named {
			cells = append([]string{e.Service}, cells...)
		}
		t.row(cells, e.Hostname, e.Node, e.Version)
	}
	return t.write(w)
}

func targets(all []report.EndpointPort) string {
	var texts []string
	for _, p := range all {
		texts = append(texts, fmt.Sprint(p.Target))
	}
	return strings.Join(texts, ",")
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
