package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/coredns"
)

// clustersetDNS is what an answer takes: the CPU of the whole server process while dnsperf asks it, divided by its
// answers, in µs. The baseline is CoreDNS with its option multicluster, which reads what our agent writes to the same
// API server, asked the same in the same run. A thousand services with an address, and a hundred headless ones with 50
// endpoints, are of three clusters.
//
// Each row is one kind of question. Paced, a server is asked so seldom that it sleeps between two questions: what it
// takes to wake up is then most of the value, and nothing is promised of it. Both servers are asked in turn, several
// rounds long, after a warm-up; values are medians of the rounds, so that whatever else the machine does is in both or
// in none. Before that, both must give the same answers.
var clustersetDNS = group{
	name: "dns", ids: dnsKindIDs(), alone: true, measure: measureDNS,
	needs: func() error {
		_, err := findDNSPerf()
		return err
	},
}

const (
	dnsWarmUp  = 1 // seconds
	dnsSeconds = 2 // of each server in each round
	dnsRounds  = 7
	// dnsPatience is how long all of it may take.
	dnsPatience = 15 * time.Minute
)

// dnsCorefile is a CoreDNS that answers for the zone, and does nothing else. It remembers no answers for the same
// reason for which nobody should who stands before us: what is remembered is not what is so.
const dnsCorefile = `clusterset.local:53 {
    errors
    kubernetes clusterset.local {
        multicluster clusterset.local
    }
}
`

// dnsServer is one of those that are compared.
type dnsServer struct {
	name    string
	address string
	pid     int
}

func measureDNS(ctx context.Context, b *bench) (rows []row, err error) {
	dnsperf, err := findDNSPerf()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, dnsPatience, fmt.Errorf("%s passed since the rows dns-… began", dnsPatience))
	defer cancel()
	binary, err := coredns.Build(ctx, b.progress)
	if err != nil {
		return nil, err
	}
	set, err := clusterset.Start(ctx, clusterset.Config{Clusters: clusters, Output: b.progress})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, set.Stop()) }()
	if err := makeDNSScene(ctx, b, set); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "hansa-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	other, err := coredns.Start(ctx, coredns.Config{
		Binary: binary, Corefile: dnsCorefile, Kubeconfig: set.ControlPlane("west").Kubeconfig,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, other.Stop()) }()
	west := set.Member("west")
	c := contest{dnsperf: dnsperf, dir: dir, servers: []dnsServer{
		{"hansa", west.DNS, west.PID()}, {"coredns", other.Address, other.PID()},
	}}
	for _, k := range dnsKinds() {
		r, err := c.row(ctx, b, k)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.id, err)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// contest is what the rows are measured with. The first of its servers is the one that they are of, the second one is
// the baseline.
type contest struct {
	dnsperf, dir string
	servers      []dnsServer
}

// dnsCost is what one server took in one round.
type dnsCost struct {
	dnsLoad
	each time.Duration // of CPU, for one answer
}

// row measures one kind of question.
func (c contest) row(ctx context.Context, b *bench, k dnsKind) (row, error) {
	if err := agree(ctx, k, c.servers[0], c.servers[1]); err != nil {
		return row{}, err
	}
	questions, err := k.stream()
	if err != nil {
		return row{}, err
	}
	file := filepath.Join(c.dir, "questions")
	if err := os.WriteFile(file, questions, 0o600); err != nil {
		return row{}, err
	}
	all := make([][]dnsCost, len(c.servers))
	for i := range dnsRounds + 1 {
		for j, s := range c.servers {
			span := dnsSeconds
			if i == 0 {
				span = dnsWarmUp
			}
			cost, err := c.cost(ctx, s, k, file, span)
			if err != nil {
				return row{}, fmt.Errorf("asking %s: %w", s.name, err)
			}
			if i > 0 {
				all[j] = append(all[j], cost)
			}
		}
	}
	for i, s := range c.servers {
		fmt.Fprintf(b.progress, "dns: %s: %s: %s\n", k.id, s.name, summary(all[i]))
	}
	return row{
		id: k.id, value: medianCost(all[0]), unit: "µs", baseline: baseline{c.servers[1].name, medianCost(all[1])},
	}, nil
}

// cost has a server asked for so many seconds.
func (c contest) cost(ctx context.Context, s dnsServer, k dnsKind, file string, seconds int) (dnsCost, error) {
	before, err := cpuOf(s.pid)
	if err != nil {
		return dnsCost{}, err
	}
	load, err := askMany(ctx, c.dnsperf, s.address, file, k, seconds)
	if err != nil {
		return dnsCost{}, err
	}
	after, err := cpuOf(s.pid)
	if err != nil {
		return dnsCost{}, err
	}
	return dnsCost{load, (after - before) / time.Duration(load.completed)}, nil
}

// medianCost is the median of the CPU for one answer, in µs.
func medianCost(rounds []dnsCost) float64 {
	return microseconds(percentile(eachOf(rounds), 50))
}

func eachOf(rounds []dnsCost) []time.Duration {
	return series(rounds, func(c dnsCost) time.Duration { return c.each })
}

// summary says for people how all rounds of one server went.
func summary(rounds []dnsCost) string {
	var answered, lost int
	var perSecond float64
	for _, c := range rounds {
		answered, lost, perSecond = answered+c.completed, lost+c.lost, perSecond+c.perSecond/float64(len(rounds))
	}
	each := eachOf(rounds)
	latency := percentile(series(rounds, func(c dnsCost) time.Duration { return c.latency }), 50)
	return fmt.Sprintf("%.2f µs of CPU for an answer (%.2f to %.2f in %d rounds), %.0f answers/s, after %.3f ms, %d answered, %d lost",
		medianCost(rounds), microseconds(slices.Min(each)), microseconds(slices.Max(each)), len(rounds),
		perSecond, milliseconds(latency), answered, lost)
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
