package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "hansa",
		Short:         "Run a clusterset: services of one cluster, found from all others",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(initCommand(), joinCommandOf(), tokenCommand(), caCommand(), exportCommand(), unexportCommand(), leaveCommand(), statusCommand(), clustersCommand(), servicesCommand(), endpointsCommand(), explainCommand(), versionCommand())
	return root
}

// version is what `hansa version` tells.
type version struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func versionCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "version",
		Short: "Print which build of hansa this is",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return print(cmd.OutOrStdout(), output, buildVersion())
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "json or yaml; without it a line for people")
	return c
}

func buildVersion() version {
	v := version{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Revision = s.Value
		}
	}
	return v
}

func print(w io.Writer, output string, v version) error {
	switch output {
	case "":
		_, err := fmt.Fprintf(w, "hansa %s %s %s\n", v.Version, v.Go, v.Platform)
		return err
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(v)
	case "yaml":
		text, err := yaml.Marshal(v)
		if err == nil {
			_, err = w.Write(text)
		}
		return err
	}
	return fmt.Errorf("--output %q: want json, yaml, or nothing for a line", output)
}
