package exporter

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/rule"
)

var update = flag.Bool("update", false, "write what Describe says into the golden files; read the diff before you keep it")

// TestDescribe holds each file of testdata to its promise: from the objects in it, Describe makes what its
// section "want" says, and nothing else.
func TestDescribe(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d golden files, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			rule.CoversComment(t, archive.Comment)
			golden(t, file, archive)
		})
	}
}

func golden(t *testing.T, file string, archive *txtar.Archive) {
	t.Helper()
	export, service, endpoints := parse(t, archive)
	got := show(Describe("west", policyOf(t, archive), export, service, endpoints, placesOf(t, archive), formerOf(t, archive)))
	last := &archive.Files[len(archive.Files)-1]
	if last.Name != "want" {
		t.Fatalf("the last section is %q: want \"want\"", last.Name)
	}
	if got == string(last.Data) {
		return
	}
	if !*update {
		t.Fatalf("got\n%s\nwant\n%s", got, last.Data)
	}
	last.Data = []byte(got)
	if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
		t.Fatal(err)
	}
}

// formerOf returns what Describe says of the ServiceExport in the section "former", with the Service and without
// endpoints, as what was said before; nil if there is none.
func formerOf(t *testing.T, archive *txtar.Archive) *federation.Export {
	t.Helper()
	for _, f := range archive.Files {
		if f.Name != "former" {
			continue
		}
		before := &mcsv1beta1.ServiceExport{}
		if err := yaml.UnmarshalStrict(f.Data, before); err != nil {
			t.Fatalf("section former: %v", err)
		}
		_, service, _ := parse(t, archive)
		e, status := Describe("west", policyOf(t, archive), before, service, nil, nil, nil)
		if e == nil {
			t.Fatalf("section former: %s", status.Ready.Message)
		}
		return e
	}
	return nil
}

// placesOf reads the Nodes of a case, each in a section "node".
func placesOf(t *testing.T, archive *txtar.Archive) map[string]Place {
	t.Helper()
	places := map[string]Place{}
	for _, f := range archive.Files {
		if strings.Fields(f.Name)[0] != "node" {
			continue
		}
		var node corev1.Node
		if err := yaml.UnmarshalStrict(f.Data, &node); err != nil {
			t.Fatalf("section %s: %v", f.Name, err)
		}
		places[node.Name] = placeOf(node.Labels)
	}
	return places
}

// policyOf reads the section "policy" of a case, whose lines are "allow RULE" or "deny RULE".
func policyOf(t *testing.T, archive *txtar.Archive) (policy federation.Namespaces) {
	t.Helper()
	for _, f := range archive.Files {
		if f.Name != "policy" {
			continue
		}
		for line := range strings.Lines(string(f.Data)) {
			what, text, _ := strings.Cut(strings.TrimSpace(line), " ")
			r, err := federation.ParseNamespaceRule(text)
			into := map[string]*[]federation.NamespaceRule{"allow": &policy.Allow, "deny": &policy.Deny}[what]
			if err != nil || into == nil {
				t.Fatalf("policy %q: %v", line, err)
			}
			*into = append(*into, r)
		}
	}
	return policy
}

// parse reads the objects of one case. A field that the API does not know is a slip of the test.
func parse(t *testing.T, archive *txtar.Archive) (export *mcsv1beta1.ServiceExport, service *corev1.Service, endpoints []*discoveryv1.EndpointSlice) {
	t.Helper()
	for _, f := range archive.Files {
		var into any
		switch strings.Fields(f.Name)[0] {
		case "export":
			export = &mcsv1beta1.ServiceExport{}
			into = export
		case "service":
			service = &corev1.Service{}
			into = service
		case "slice":
			endpoints = append(endpoints, &discoveryv1.EndpointSlice{})
			into = endpoints[len(endpoints)-1]
		default:
			continue
		}
		if err := yaml.UnmarshalStrict(f.Data, into); err != nil {
			t.Fatalf("section %s: %v", f.Name, err)
		}
	}
	return export, service, endpoints
}

// show writes down all that Describe says.
func show(e *federation.Export, s Status) string {
	var b strings.Builder
	if e == nil {
		b.WriteString("nothing is exported\n")
	} else {
		showExport(&b, e)
	}
	for _, c := range []metav1.Condition{s.Valid, s.Ready} {
		fmt.Fprintf(&b, "%s=%s/%s generation %d", c.Type, c.Status, c.Reason, c.ObservedGeneration)
		if c.Message != "" {
			fmt.Fprintf(&b, ": %s", c.Message)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func showExport(b *strings.Builder, e *federation.Export) {
	fmt.Fprintf(b, "%s exports %s since %s\n", e.Cluster, e.Name, e.Created.Format("2006-01-02T15:04:05Z07:00"))
	fmt.Fprintf(b, "type %s, families %v\n", e.Type, e.IPFamilies)
	fmt.Fprintf(b, "affinity %s %ds, internalTrafficPolicy %q, trafficDistribution %q\n",
		e.SessionAffinity, e.SessionAffinitySeconds, e.InternalTrafficPolicy, e.TrafficDistribution)
	fmt.Fprintf(b, "labels %v, annotations %v\n", e.Labels, e.Annotations)
	if e.Network != "" {
		fmt.Fprintf(b, "network %s\n", e.Network)
	}
	if e.Consumers != nil {
		fmt.Fprintf(b, "consumers %q\n", e.Consumers)
	}
	for _, d := range []struct {
		what string
		federation.Delay
	}{{"demoted", e.Quiet.Demote}, {"withdrawn (0s: never)", e.Quiet.Withdraw}} {
		if d.Given {
			fmt.Fprintf(b, "%s when not heard for %s\n", d.what, d.After)
		}
	}
	if s := e.Steering; s.Given() {
		fmt.Fprintf(b, "prefers %q, weights %q, healthy %d%%\n", s.Prefer, federation.ShowWeights(s.Weights), s.MinHealthy)
	}
	for _, p := range e.Ports {
		fmt.Fprintf(b, "port %q %d/%s app %q\n", p.Name, p.Number, p.Protocol, p.AppProtocol)
	}
	for _, s := range e.Subsets {
		b.WriteString("subset")
		for _, p := range s.Ports {
			fmt.Fprintf(b, " %q at %d/%s", p.Name, p.Number, p.Protocol)
		}
		b.WriteString("\n")
		for _, ep := range s.Endpoints {
			fmt.Fprintf(b, "  %s host %q zone %q region %q", ep.Address, ep.Hostname, ep.Zone, ep.Region)
			if ep.Node != "" {
				fmt.Fprintf(b, " node %q", ep.Node)
			}
			fmt.Fprintf(b, "%s\n", showConditions(ep.Conditions))
		}
	}
}

func showConditions(c federation.Conditions) string {
	var out string
	for _, bit := range []struct {
		condition federation.Conditions
		name      string
	}{{federation.Ready, "ready"}, {federation.Serving, "serving"}, {federation.Terminating, "terminating"}} {
		if c.Has(bit.condition) {
			out += " " + bit.name
		}
	}
	return out
}
