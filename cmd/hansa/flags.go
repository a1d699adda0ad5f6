package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/hansa-mcs/hansa/cmd/hansa/install"
	"github.com/hansa-mcs/hansa/cmd/hansa/link"
)

// where are the flags that say in which cluster a command works.
type where struct {
	kubeconfig, context, namespace string
}

func (w *where) add(c *cobra.Command) {
	w.addContext(c)
	c.Flags().StringVarP(&w.namespace, "namespace", "n", install.DefaultNamespace, "namespace of the agents")
}

// addBeside adds the flags to a command whose --namespace is that of services.
func (w *where) addBeside(c *cobra.Command) {
	w.addContext(c)
	w.addAgents(c)
}

func (w *where) addContext(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&w.kubeconfig, "kubeconfig", "", "path of the kubeconfig; without it $KUBECONFIG, else ~/.kube/config")
	f.StringVar(&w.context, "context", "", "context of the kubeconfig; without it the current one")
}

func (w *where) addAgents(c *cobra.Command) {
	c.Flags().StringVar(&w.namespace, "agent-namespace", install.DefaultNamespace, "namespace of the agents")
}

func (w *where) connect() (*link.Target, error) {
	return link.Connect(w.kubeconfig, w.context, w.namespace)
}

// show writes a result: as people read it, or as programs do.
func show(w io.Writer, output string, result any, people func(io.Writer) error) error {
	switch output {
	case "json":
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(result)
	case "yaml":
		text, err := yaml.Marshal(result)
		if err == nil {
			_, err = w.Write(text)
		}
		return err
	}
	return people(w)
}

// telling returns what prints progress, on the other stream than results are on.
func telling(c *cobra.Command) func(string) {
	return func(line string) { fmt.Fprintln(c.ErrOrStderr(), line) }
}
