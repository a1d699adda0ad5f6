package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	discoveryv1 "k8s.io/api/discovery/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/lab"
)

// status is what who types hansa status waits for, from the start of the program to its end: it asks the agent of a real
// cluster which has 100 peers, and has imported the 100 services that each exports. The peers are members without a
// Kubernetes. The floor is the same program that asks nobody, hansa version.
var status = group{name: "status", ids: spreadIDs("status"), alone: true, measure: measureStatus}

const (
	statusPeers    = 100
	statusServices = 100 // of each peer
	statusRuns     = 20
	// statusPatience is how long the agent may take to import all.
	statusPatience = 15 * time.Minute
)

func measureStatus(ctx context.Context, b *bench) (rows []row, err error) {
	dir, err := os.MkdirTemp("", "hansa-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	hansa, err := buildHansa(ctx, dir)
	if err != nil {
		return nil, err
	}
	err = withImports(ctx, b, dir, func(ctx context.Context, east *clusterset.Member) error {
		if err := checkStatus(ctx, hansa, east.HTTP); err != nil {
			return err
		}
		rows, err = timeStatus(ctx, hansa, east.HTTP)
		return err
	})
	return rows, err
}

// withImports runs a cluster, with files in dir, and its peers until do returns, which begins when all is imported and quiet.
func withImports(ctx context.Context, b *bench, dir string, do func(context.Context, *clusterset.Member) error) (err error) {
	members := []federation.ClusterID{"east"}
	for i := range statusPeers {
		members = append(members, peerName(i))
	}
	if err := identities(dir, members...); err != nil {
		return err
	}
	set, err := clusterset.Start(ctx, clusterset.Config{Clusters: []string{"east"}, Output: b.progress, Options: func(_ string, o *agent.Options) {
		o.Clusterset = benchSet
		o.CertFile, o.KeyFile, o.CAFile = dir+"/east/tls.crt", dir+"/east/tls.key", dir+"/east/ca.crt"
	}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, set.Stop()) }()
	east := set.Member("east")
	return withExporters(ctx, b, dir, east.Federation, func(ctx context.Context) error {
		if err := awaitImported(ctx, east); err != nil {
			return err
		}
		fmt.Fprintf(b.progress, "status: %d services are imported\n", statusPeers*statusServices)
		if err := sleep(ctx, settling); err != nil {
			return err
		}
		return do(ctx, east)
	})
}

// buildHansa builds the command line, and returns its path.
func buildHansa(ctx context.Context, dir string) (string, error) {
	path := dir + "/hansa"
	cmd := exec.CommandContext(ctx, "go", "build", lab.CompilerFlags, "-o", path, "github.com/hansa-mcs/hansa/cmd/hansa")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building hansa: %w\n%s", err, text)
	}
	return path, nil
}

// awaitImported waits until the cluster has all that the peers export.
func awaitImported(ctx context.Context, m *clusterset.Member) error {
	const all = statusPeers * statusServices
	ctx, cancel := context.WithTimeoutCause(ctx, statusPatience, fmt.Errorf("%s passed since the peers began", statusPatience))
	defer cancel()
	if err := createNamespace(ctx, namespace, m); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return awaitAll(ctx, m, &mcsv1beta1.ServiceImportList{}, namespace, all, isReady)
	})
	group.Go(func() error {
		return awaitAll(ctx, m, &discoveryv1.EndpointSliceList{}, namespace, all, isFilled)
	})
	return group.Wait()
}

// timeStatus runs hansa status and hansa version in turn.
func timeStatus(ctx context.Context, hansa, address string) ([]row, error) {
	var samples, floor []time.Duration
	for range statusRuns {
		for _, one := range []struct {
			args []string
			took *[]time.Duration
		}{{[]string{"version"}, &floor}, {[]string{"status", "--agent", address}, &samples}} {
			began := time.Now()
			if err := run(ctx, io.Discard, hansa, one.args...); err != nil {
				return nil, err
			}
			*one.took = append(*one.took, time.Since(began))
		}
	}
	rows := spread("status", samples)
	rows[0].floor, rows[1].floor = milliseconds(percentile(floor, 50)), milliseconds(slices.Max(floor))
	return rows, nil
}

// checkStatus makes sure that what is measured is what is promised.
func checkStatus(ctx context.Context, hansa, address string) error {
	var text bytes.Buffer
	if err := run(ctx, &text, hansa, "status", "--agent", address, "-o", "json"); err != nil {
		return err
	}
	var s report.Status
	if err := json.Unmarshal(text.Bytes(), &s); err != nil {
		return fmt.Errorf("reading what hansa status says: %w", err)
	}
	if len(s.Peers) != statusPeers || s.Imported.Services != statusPeers*statusServices || s.Verdict != report.Good {
		return fmt.Errorf("status is %s (%q), of %d peers and %d services, want %s, %d and %d",
			s.Verdict, s.Problems, len(s.Peers), s.Imported.Services, report.Good, statusPeers, statusPeers*statusServices)
	}
	return nil
}

// run runs a program, which must succeed.
func run(ctx context.Context, out io.Writer, program string, args ...string) error {
	var complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = out, &complaint
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running %s %v: %w: %s", program, args, err, bytes.TrimSpace(complaint.Bytes()))
	}
	return nil
}
