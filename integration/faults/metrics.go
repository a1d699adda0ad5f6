package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/election"
	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// of is the series of a metric for a cluster.
func of(metric, cluster string) string { return fmt.Sprintf("%s{cluster=%q}", metric, cluster) }

func aliveIn(cluster string) string  { return of("hansa_cluster_alive", cluster) }
func behindOf(cluster string) string { return of("hansa_cluster_versions_behind", cluster) }

// refusedOf is the series of the records that were refused of a cluster for a reason.
func refusedOf(cluster, reason string) string {
	return fmt.Sprintf("hansa_cluster_refused_records_total{cluster=%q,reason=%q}", cluster, reason)
}

func streams(cluster string) string { return of("hansa_cluster_streams_total", cluster) }

const members = "hansa_members"

// errAbsent says that an agent does not show a series.
var errAbsent = errors.New("it is not shown")

// read returns the value of a series.
func (r *run) read(ctx context.Context, cluster, series string) (float64, error) {
	m, err := r.member(ctx, cluster)
	if err != nil {
		return 0, err
	}
	return readFrom(ctx, m, series)
}

func readFrom(ctx context.Context, m *clusterset.Member, series string) (float64, error) {
	text, err := m.Get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("%s of %s: %w", series, m.Name, errAbsent)
}

// glance is how often metrics are read: there is no event to wait for, as the agent is another process.
const glance = 25 * time.Millisecond

// shows waits until a series is as wanted.
func shows(cluster, series string, want func(float64) bool) step {
	return func(ctx context.Context, r *run) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		for {
			value, err := r.read(ctx, cluster, series)
			if err == nil && want(value) {
				return nil
			}
			if !sleep(ctx, glance) {
				return fmt.Errorf("%s shows %s %v (%w)", cluster, series, value, errors.Join(err, ctx.Err()))
			}
		}
	}
}

func is(want float64) func(float64) bool     { return func(v float64) bool { return v == want } }
func above(least float64) func(float64) bool { return func(v float64) bool { return v > least } }

// keeps looks at a series for a while, in which it must always be as wanted.
func keeps(span time.Duration, cluster, series string, want func(float64) bool) step {
	return func(ctx context.Context, r *run) error {
		for end := time.Now().Add(span); time.Now().Before(end); {
			value, err := r.read(ctx, cluster, series)
			if err != nil || !want(value) {
				return fmt.Errorf("%s shows %s %v: %w", cluster, series, value, errors.Join(err, errUnwanted))
			}
			if !sleep(ctx, 4*glance) {
				return ctx.Err()
			}
		}
		return nil
	}
}

var errUnwanted = errors.New("it is not as it should be")

// leader returns the agent that holds a cluster's Lease, and the other one, nil if there is none.
func (r *run) leader(ctx context.Context, cluster string) (leads, stands *clusterset.Member, err error) {
	var lease coordinationv1.Lease
	pair := r.pairs[cluster]
	key := client.ObjectKey{Namespace: agent.Defaults().Namespace, Name: election.LeaseName}
	if err := pair[0].Client.Get(ctx, key, &lease); err != nil {
		return nil, nil, fmt.Errorf("reading the Lease of %s: %w", cluster, err)
	}
	for i, m := range pair {
		if lease.Spec.HolderIdentity != nil && strings.HasSuffix(*lease.Spec.HolderIdentity, portOf(m.Federation)) {
			if len(pair) > 1 {
				stands = pair[1-i]
			}
			return m, stands, nil
		}
	}
	return nil, nil, fmt.Errorf("the Lease of %s is held by %v: %w", cluster, lease.Spec.HolderIdentity, errUnwanted)
}

// portOf returns the port of an address, with its colon.
func portOf(address string) string { return address[strings.LastIndex(address, ":"):] }

// awaitLeader waits until an agent leads its cluster.
func (r *run) awaitLeader(ctx context.Context, m *clusterset.Member) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := clusterset.Await(ctx, m.Client, &coordinationv1.LeaseList{}, func(l *coordinationv1.Lease) bool {
		return l.Name == election.LeaseName && l.Spec.HolderIdentity != nil && strings.HasSuffix(*l.Spec.HolderIdentity, portOf(m.Federation))
	}, client.InNamespace(agent.Defaults().Namespace))
	if err != nil {
		return fmt.Errorf("waiting for the agent of %s at %s to lead: %w", m.Name, m.Federation, err)
	}
	return nil
}
