package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/cmd/hansa/tables"
)

// dumping are the flags of what is told to a client.
type dumping struct {
	looking
	query report.XDSQuery
	types []string
}

func xdsDumpCommand() *cobra.Command {
	var d dumping
	c := &cobra.Command{
		Use:   "dump [NAME...]",
		Short: "Show what clients of xDS are told",
		Long: `Show what clients of xDS are told: to a client that is connected, of what it subscribes to, and which of that there is not; else
what one of a kind would be told that is in a region and a zone, on which the priorities of endpoints depend. By default that is
an Envoy that does not say where it is. Where there is nothing to show, why is said; under a NAME that is an error.

NAME is that of a resource; a host, such as web.shop.svc.clusterset.local, with a port or without; or NAMESPACE/NAME of a service.

With -o json or yaml the messages are as protobuf has them in JSON.`,
		Example: `  hansa xds dump shop/web
  hansa xds dump --client web-7d9f4
  hansa xds dump --kind grpc --region eu-1 --zone eu-1a web.shop.svc.clusterset.local:80
  hansa xds dump --type cds,lds,rds --egress 127.0.0.1:15001 -o yaml`,
		RunE: func(c *cobra.Command, names []string) error {
			err := d.check()
			if err == nil {
				err = checkXDSNames(names)
			}
			if err != nil {
				return err
			}
			return look(c, &d.looking, func(ctx context.Context, a *report.Client) (*report.XDSResources, error) { return d.ask(ctx, a, names) },
				func(w io.Writer, r *report.XDSResources, wide bool) error {
					return tables.XDSDump(w, d.advised(r), names, wide)
				}, nil)
		},
	}
	d.add(c)
	return c
}

func (d *dumping) add(c *cobra.Command) {
	d.looking.add(c)
	f, a := c.Flags(), &d.query.Audience
	f.StringVar(&d.query.Client, "client", "", "ID or address of a client that is connected")
	f.Var(&choice{&a.Kind, report.XDSKinds}, "kind", "envoy, grpc or other, as who does not say what it is; without it an Envoy")
	f.StringVar(&a.Region, "region", "", "region where the client is")
	f.StringVar(&a.Zone, "zone", "", "zone where the client is")
	f.StringVar(&a.Egress, "egress", "", "IP:port where the Envoy's listener for HTTP is to be, as its metadata says")
	f.StringSliceVar(&d.types, "type", []string{string(report.EDS)}, "cds, eds, lds and rds, those of them that are to be shown: clusters, their endpoints, listeners, routes")
	for _, of := range []string{"kind", "region", "zone", "egress"} {
		c.MarkFlagsMutuallyExclusive("client", of)
	}
}

func (d *dumping) check() error {
	if len(d.types) == 0 {
		return fmt.Errorf("--type: want at least one: %w", errUsage)
	}
	for _, t := range d.types {
		if !slices.Contains(report.XDSTypes, report.XDSType(t)) {
			return fmt.Errorf("--type %q: want cds, eds, lds or rds: %w", t, errUsage)
		}
	}
	if a := &d.query.Audience; d.query.Client == "" && a.Kind == "" {
		a.Kind = report.KindEnvoy
	}
	if _, err := report.ParseXDSQuery(d.query.Values()); err != nil {
		return fmt.Errorf("--%w: %w", err, errUsage)
	}
	return nil
}

// checkXDSNames refuses what can be the name of nothing.
func checkXDSNames(names []string) error {
	for _, name := range names {
		bare, _, _ := strings.Cut(name, ":")
		namespace, service, ok := strings.Cut(bare, "/")
		if !ok {
			namespace, service, ok = ofDNS(bare)
		}
		if name != report.EgressName && (!ok || namespace == "" || service == "") {
			return fmt.Errorf("%q: want NAMESPACE/NAME, a name in DNS such as web.shop.svc.clusterset.local, or %s: %w", name, report.EgressName, errUsage)
		}
	}
	return nil
}

// ask asks for all that is to be shown: the agent that the client is connected to, if there is to be one. All are asked, as
// several clients may have one ID.
func (d *dumping) ask(ctx context.Context, first *report.Client, names []string) (*report.XDSResources, error) {
	if d.query.Client == "" {
		return d.askOne(ctx, first, names)
	}
	var s search
	_, err := d.askEach(ctx, first, func(a *report.Client) (bool, error) { return false, d.seek(ctx, a, names, &s) })
	switch {
	case err != nil:
		return nil, err
	case len(s.found) == 0:
		return nil, d.nobody(ctx, first, d.query.Client)
	case len(s.found) > 1:
		return nil, report.Ambiguous(d.query.Client, s.found)
	}
	return s.answer, s.wrong
}

// search is for the one client that is called as someone said.
type search struct {
	found  []report.XDSClient
	answer *report.XDSResources // of the last that was found
	wrong  error                // with that
}

// seek adds to a search what an agent knows.
func (d *dumping) seek(ctx context.Context, a *report.Client, names []string, s *search) error {
	there, err := a.XDSClients(ctx, d.query.Client)
	if err != nil {
		return err
	}
	if s.found = append(s.found, there.Clients...); len(there.Clients) == 1 {
		s.answer, s.wrong = d.askOne(ctx, a, names)
	}
	return nil
}

// nobody says why no client is called so: an agent that is not ready has none at all.
func (d *dumping) nobody(ctx context.Context, first *report.Client, called string) error {
	if _, err := d.askOne(ctx, first, nil); err != nil && !lacks(err) {
		return err
	}
	return d.noClient(ctx, first, called)
}

// lacks reports whether an agent answers that it has not what is asked for.
func lacks(err error) bool {
	refused, ok := errors.AsType[*report.Refused](err)
	return ok && refused.Code == http.StatusNotFound
}

// askOne asks one agent for all names and types. It is an error if there is nothing of a name.
func (d *dumping) askOne(ctx context.Context, a *report.Client, names []string) (all *report.XDSResources, err error) {
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		one, err := d.askName(ctx, a, name)
		switch {
		case err != nil:
			return nil, err
		case name != "" && len(one.Resources) == 0:
			why := cmp.Or(strings.Join(one.Lacks, "; "), "such a client is told no "+orList(d.types)+" of that name")
			return nil, fmt.Errorf("%q: %s", name, d.advise(why))
		case name != "":
			one.Lacks = []string{} // of the other types, in which nobody need look for it
		}
		all = joined(all, one)
	}
	return all, nil
}

// askName asks one agent for what has a name, of all types.
func (d *dumping) askName(ctx context.Context, a *report.Client, name string) (all *report.XDSResources, err error) {
	for _, t := range d.types {
		q := d.query
		q.Type, q.Name = report.XDSType(t), name
		one, err := a.XDSResources(ctx, q)
		if err != nil {
			return nil, err
		}
		all = joined(all, one)
	}
	return all, nil
}

// joined adds to an answer what another one has, nil for none.
func joined(all, one *report.XDSResources) *report.XDSResources {
	if all == nil {
		return one
	}
	all.Resources = distinct(append(all.Resources, one.Resources...))
	for _, lack := range one.Lacks {
		if !slices.Contains(all.Lacks, lack) {
			all.Lacks = append(all.Lacks, lack)
		}
	}
	return all
}

// distinct leaves out what several names mean.
func distinct(list []report.XDSResource) []report.XDSResource {
	type key struct {
		of   report.XDSType
		name string
	}
	seen := map[key]bool{}
	return slices.DeleteFunc(list, func(r report.XDSResource) bool {
		k := key{r.Type, r.Name}
		before := seen[k]
		seen[k] = true
		return before
	})
}
