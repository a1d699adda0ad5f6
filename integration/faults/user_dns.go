package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/integration/probe"
)

// A resolver waits so long for one agent before it asks the next, and asks all of them so often, as resolv.conf has it
// by default (attempts), but for the patience, which is 5 s there.
const (
	dnsPatience = 2 * time.Second
	dnsAttempts = 2
)

// askDNS asks at the pace, as a stub resolver would: a new question each time, to another agent if one is silent.
func (u *user) askDNS(ctx context.Context) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	var address []string // of a service that has one
	for {
		answer, err := u.resolve(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil && answer.Rcode != "NOERROR" {
			err = errors.New(answer.Rcode)
		}
		if err == nil && !u.headless {
			if address == nil {
				address = answer.Records
			} else if !slices.Equal(address, answer.Records) {
				err = fmt.Errorf("the address was %v", address)
			}
		}
		if err == nil || answer.Rcode != "" {
			u.say(byDNS, answer.Records)
		}
		u.request(byDNS, err)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// resolve returns the first answer of an agent; one that says that it cannot answer now is passed over, if there is
// another.
func (u *user) resolve(ctx context.Context) (answer probe.DNS, err error) {
	for i := range dnsAttempts * len(u.agents) {
		once, cancel := context.WithTimeout(ctx, dnsPatience)
		answer, err = probe.Query(once, u.agents[i%len(u.agents)].DNS, u.host(), "A")
		cancel()
		if err == nil && (answer.Rcode != "SERVFAIL" || len(u.agents) == 1) {
			break
		}
	}
	return answer, err
}
