package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/secrets"
	"github.com/hansa-mcs/hansa/cmd/hansa/install"
	"github.com/hansa-mcs/hansa/cmd/hansa/link"
	"github.com/hansa-mcs/hansa/federation/trust"
)

func caCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "ca",
		Short: "Give the clusterset's CA to a second cluster, or keep it elsewhere",
		Long: `Give the clusterset's CA to a second cluster, or keep it elsewhere.

Nothing but joining and renewing needs the CA. With one cluster that holds it, the loss of that cluster ends both; a second
one outlives it. Whoever has the file can speak as any cluster: pass it on as you would a password, and delete it.`,
		Args: cobra.NoArgs,
	}
	c.AddCommand(caExport(), caImport())
	return c
}

func caExport() *cobra.Command {
	var w where
	var file string
	c := &cobra.Command{
		Use:     "export --file FILE",
		Short:   "Write the CA, certificate and key, to a file that its owner alone may read",
		Example: "  hansa ca export --context east --file ca.pem",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			t, err := w.connect()
			if err != nil {
				return err
			}
			text, err := t.ExportCA(c.Context(), time.Now())
			if err != nil {
				return err
			}
			if file == "-" {
				_, err = c.OutOrStdout().Write(text)
				return err
			}
			if err := writeSecret(file, text); err != nil {
				return fmt.Errorf("--file: %w", err)
			}
			telling(c)("wrote the CA to " + file + ": whoever has it can speak as any cluster")
			return nil
		},
	}
	w.add(c)
	c.Flags().StringVar(&file, "file", "", "file to write, which must not be there; - for standard output")
	_ = c.MarkFlagRequired("file")
	return c
}

// writeSecret writes a file that was not there, for its owner alone.
func writeSecret(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// mostCA bounds what is read as a CA, in bytes.
const mostCA = 1 << 20

func caImport() *cobra.Command {
	var w where
	var file, output string
	var dry dryRun
	c := &cobra.Command{
		Use:     "import --file FILE",
		Short:   "Let this cluster hold the CA, too, so that it lets clusters in and renews certificates",
		Example: "  hansa ca import --context west --file ca.pem",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			in := c.InOrStdin()
			if file != "-" {
				f, err := os.Open(file)
				if err != nil {
					return fmt.Errorf("--file: %w: %w", err, errUsage)
				}
				defer f.Close()
				in = f
			}
			text, err := io.ReadAll(io.LimitReader(in, mostCA))
			if err != nil {
				return fmt.Errorf("--file: %w", err)
			}
			t, err := w.connect()
			if err != nil {
				return err
			}
			set, ca, err := t.ReadCA(c.Context(), text, time.Now())
			if err != nil {
				return fmt.Errorf("--file %s: %w", file, err)
			}
			if dry.client() {
				return showCA(c, &dry, output, t.Namespace, set, ca)
			}
			if err := t.KeepCA(c.Context(), set, ca); err != nil {
				return err
			}
			if err := letIssue(c, t, time.Now()); err != nil {
				return fmt.Errorf("the CA is kept, but its agents cannot read it yet: %w: repeat the command", err)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "this cluster holds the CA of clusterset %s\n", set)
			return err
		},
	}
	w.add(c)
	addDryOutput(c, &output)
	dry.add(c.Flags(), "print the Secret, whose key lets whoever has it speak as any cluster, and make nothing")
	c.Flags().StringVar(&file, "file", "", "file that hansa ca export wrote; - for standard input")
	_ = c.MarkFlagRequired("file")
	return c
}

// letIssue lets the agents of a release read the CA. Those that run elsewhere get their rights there.
func letIssue(c *cobra.Command, t *link.Target, now time.Time) error {
	i, err := install.New(install.Config{Kubernetes: t.Kubernetes, Namespace: t.Namespace, Tell: telling(c)})
	if err != nil {
		return err
	}
	if there, err := i.Installed(c.Context()); err != nil || !there {
		return err
	}
	_, err = i.Apply(c.Context(), install.Options{Values: map[string]any{"issuer": true}}, now)
	return err
}

// showCA prints the Secret that holds a CA.
func showCA(c *cobra.Command, dry *dryRun, output, namespace, clusterset string, ca *trust.Authority) error {
	secret, err := secrets.CAObject(clusterset, ca)
	if err != nil {
		return err
	}
	secret.Namespace = namespace
	o, err := objectOf("Secret", secret)
	if err != nil {
		return err
	}
	return dry.show(c, output, o)
}
