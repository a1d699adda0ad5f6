package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// dryRun is --dry-run of a command that writes. With client it prints what it would write, for kubectl or GitOps, and asks
// nobody; with server, where there is such an answer, it says what would come of it.
type dryRun string

const (
	dryClient = "client"
	dryServer = "server"
)

func (d *dryRun) add(f *pflag.FlagSet, usage string) {
	f.Var(&choice{(*string)(d), []string{dryClient}}, "dry-run", dryClient+": "+usage)
}

// addServer adds the flag of a command that has both answers. Without a value it means server.
func (d *dryRun) addServer(f *pflag.FlagSet, usage string) {
	f.Var(&choice{(*string)(d), []string{dryClient, dryServer}}, "dry-run", usage)
	f.Lookup("dry-run").NoOptDefVal = dryServer
}

// client reports whether the command is to print what it would write.
func (d *dryRun) client() bool { return *d == dryClient }

// server reports whether the command is to say what would come of it.
func (d *dryRun) server() bool { return *d == dryServer }

// show prints objects as kubectl apply takes them: in YAML, unless JSON is asked for.
func (*dryRun) show(c *cobra.Command, output string, objects ...*unstructured.Unstructured) error {
	w := c.OutOrStdout()
	if output == "json" {
		if len(objects) == 1 {
			return show(w, output, objects[0].Object, nil)
		}
		items := make([]any, len(objects))
		for i, o := range objects {
			items[i] = o.Object
		}
		return show(w, output, map[string]any{"apiVersion": "v1", "kind": "List", "items": items}, nil)
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
