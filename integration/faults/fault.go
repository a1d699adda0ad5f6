package main

import (
	"context"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
)

// fault is one thing that goes wrong.
type fault struct {
	id    string // its number in the list of faults
	title string
	sees  string // what a user notices
	holds string // the outcome that the steps assert

	clusters []string // two or three
	twins    bool     // two agents in each cluster
	manager  bool     // a kube-controller-manager in each
	faulty   string   // the cluster whose API server is reached through one that fails on command
	quiet    quiet    // how long a cluster that is not heard stays in use
	options  func(r *run, cluster string, o *agent.Options)

	steps []step
}

// quiet is what agents are told of clusters that go quiet; the zero values leave the defaults.
type quiet struct{ demote, withdraw time.Duration }

// step is one thing that is done, or waited for.
type step func(ctx context.Context, r *run) error

// patience is how long a step waits for what must come: long, so that only what never comes fails.
const patience = time.Minute

// faults are all, in the order of their numbers.
func faults(t timers) []fault {
	var all []fault
	for _, group := range [][]fault{
		partitions(t), quietPeers(t), badNetworks(t), restarts(t), dataFaults(t), loads(t), strangers(t), hostilePeers(t), upgrades(t), promises(t),
	} {
		all = append(all, group...)
	}
	return all
}

// timers are the lengths of time that faults take.
type timers struct {
	demote   time.Duration // until a quiet cluster is used last
	withdraw time.Duration // until it is used no more
	long     time.Duration // how long a fault lasts whose length does not matter
	idle     time.Duration // after which a balancer forgets a connection
	flags    quiet         // what agents are told; zero for the defaults
}

// fullTimers are those of a release: agents run with the default of --demote-after.
func fullTimers() timers {
	return timers{
		demote: 30 * time.Second, withdraw: 100 * time.Second, long: 45 * time.Second, idle: time.Minute,
		flags: quiet{withdraw: 100 * time.Second},
	}
}

// shortTimers are for who has minutes.
func shortTimers() timers {
	return timers{
		demote: 4 * time.Second, withdraw: 15 * time.Second, long: 15 * time.Second, idle: 5 * time.Second,
		flags: quiet{demote: 4 * time.Second, withdraw: 15 * time.Second},
	}
}
