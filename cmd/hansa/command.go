package main

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// The groups in which help lists the commands.
const (
	groupLink   = "link"
	groupExport = "export"
	groupLook   = "look"
	groupSteer  = "steer"
	groupOther  = "other"
)

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "hansa",
		Short: "Run a clusterset: services of one cluster, found from all others",
		Long: `Run a clusterset: services of one cluster, found from all others.

Two commands link two clusters, and one exports a service:

  hansa init --context east --cluster east --clusterset acme
  hansa join --context west --cluster west --peer HOST:PORT --token TOKEN
  hansa export web --context east --namespace shop

The first prints the second. CoreDNS is told of the clusterset once in each cluster, by the lines that this prints for it:

  hansa dns snippet --context east

Then web.shop.svc.clusterset.local is found from both.`,
		Args:          cobra.ArbitraryArgs, // run says what is wrong with them
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddGroup(
		&cobra.Group{ID: groupLink, Title: "Link clusters:"},
		&cobra.Group{ID: groupExport, Title: "Export services:"},
		&cobra.Group{ID: groupLook, Title: "Look at what is there:"},
		&cobra.Group{ID: groupSteer, Title: "Steer the agents:"},
		&cobra.Group{ID: groupOther, Title: "Other commands:"},
	)
	add(root, groupLink, initCommand(), joinCommandOf(), tokenCommand(), caCommand(), leaveCommand())
	add(root, groupExport, exportCommand(), unexportCommand())
	add(root, groupLook, statusCommand(), clustersCommand(), servicesCommand(), endpointsCommand(), explainCommand(), xdsCommand())
	add(root, groupSteer, featuresCommand(), freezeCommand(), unfreezeCommand(), drainCommand(), undrainCommand())
	add(root, groupOther, dnsCommand(), versionCommand())
	addCompletionCommand(root, groupOther)
	addHelpCommand(root, groupOther)
	addCompletions(root)
	checkUsage(root)
	return root
}

func add(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
		root.AddCommand(c)
	}
}

// What kubectl finds a plugin by, and what it asks how the words of its commands go on.
const (
	pluginName    = "kubectl-hansa"
	completerName = "kubectl_complete-hansa"
)

// calledAs lets the program be what it is called as, by a link to it such as kubectl's plugins are.
func calledAs(root *cobra.Command, args []string) {
	switch strings.TrimSuffix(filepath.Base(args[0]), ".exe") {
	case pluginName:
		speakAsPlugin(root)
	case completerName:
		root.SetArgs(append([]string{cobra.ShellCompRequestCmd}, args[1:]...))
	}
}

// speakAsPlugin makes help say kubectl hansa.
func speakAsPlugin(root *cobra.Command) {
	const plugin = "kubectl hansa"
	root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: plugin}
	root.Long = strings.ReplaceAll(root.Long, "  hansa ", "  "+plugin+" ")
	walk(root, func(c *cobra.Command) {
		c.Example = strings.ReplaceAll(c.Example, "  hansa ", "  "+plugin+" ")
	})
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
		RunE: func(c *cobra.Command, _ []string) error {
			v := buildVersion()
			return show(c.OutOrStdout(), output, v, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "hansa %s %s %s\n", v.Version, v.Go, v.Platform)
				return err
			})
		},
	}
	addOutput(c, &output)
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
