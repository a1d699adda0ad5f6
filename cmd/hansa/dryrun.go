package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// dryRun is --dry-run of a command that writes. With client it prints what it would write, for kubectl or GitOps, and asks
// nobody; with server, where there is such an answer, it says what would come of it.
type dryRun struct {
	value   string
	choices []string
}

const (
	dryClient = "client"
	dryServer = "server"
)

func (d *dryRun) add(f *pflag.FlagSet, usage string) {
	d.choices = []string{dryClient}
	f.Var(d, "dry-run", dryClient+": "+usage)
}

// String implements pflag.Value.
func (d *dryRun) String() string { return d.value }

// Type implements pflag.Value.
func (d *dryRun) Type() string { return "string" }

// Set implements pflag.Value.
func (d *dryRun) Set(text string) error {
	if !slices.Contains(d.choices, text) {
		return fmt.Errorf("want %s", strings.Join(d.choices, " or "))
	}
	d.value = text
	return nil
}

// client reports whether the command is to print what it would write.
func (d *dryRun) client() bool { return d.value == dryClient }

// addDryOutput adds -o for a command that prints objects with --dry-run, and lines for people without.
func addDryOutput(c *cobra.Command, output *string) {
	c.Flags().StringVarP(output, "output", "o", "", "with --dry-run, yaml or json; yaml without it")
}

// show prints objects as kubectl apply takes them: in YAML, unless JSON is asked for.
func (*dryRun) show(c *cobra.Command, output string, objects ...*unstructured.Unstructured) error {
	w := c.OutOrStdout()
	switch output {
	case "", "yaml":
	case "json":
		if len(objects) == 1 {
			return show(w, output, objects[0].Object, nil)
		}
		items := make([]any, len(objects))
		for i, o := range objects {
			items[i] = o.Object
		}
		return show(w, output, map[string]any{"apiVersion": "v1", "kind": "List", "items": items}, nil)
	default:
		return fmt.Errorf("--output %q: want json, yaml, or nothing: %w", output, errUsage)
	}
	for i, o := range objects {
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			return fmt.Errorf("encoding %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		if i > 0 {
			text = append([]byte("---\n"), text...)
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// objectOf returns an object as it is printed: what is typed, without what only a server says.
func objectOf(kind string, typed any) (*unstructured.Unstructured, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return nil, fmt.Errorf("encoding a %s: %w", kind, err)
	}
	o := &unstructured.Unstructured{Object: fields}
	o.SetAPIVersion("v1")
	o.SetKind(kind)
	unstructured.RemoveNestedField(fields, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(fields, "status")
	return o, nil
}
