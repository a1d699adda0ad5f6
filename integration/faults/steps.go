package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// all does steps one after the other.
func all(steps ...step) step {
	return func(ctx context.Context, r *run) error {
		for _, s := range steps {
			if err := s(ctx, r); err != nil {
				return err
			}
		}
		return nil
	}
}

// timed does a step and tells how long it took, which must be no longer than the limit; 0 for no limit.
func timed(what string, limit time.Duration, s step) step {
	return since("", what, 0, limit, s)
}

// marks remembers this moment.
func marks(name string) step {
	return func(_ context.Context, r *run) error {
		r.marks[name] = time.Now()
		return nil
	}
}

// since does a step and tells how long after the mark it was done, or after its own begin for no mark. It must be
// neither earlier nor later than the limits; 0 for none.
func since(mark, what string, least, most time.Duration, s step) step {
	return func(ctx context.Context, r *run) error {
		began, ok := r.marks[mark]
		if !ok {
			began = time.Now()
		}
		if err := s(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		took := time.Since(began)
		r.measure(what, took)
		if took < least {
			return fmt.Errorf("%s after %s, want no earlier than %s: %w", what, round(took), least, errUnwanted)
		}
		if most > 0 && took > most {
			return fmt.Errorf("%s after %s, want at most %s: %w", what, round(took), most, errUnwanted)
		}
		return nil
	}
}

// uses begins to use a service in a cluster, whose endpoints must be these by every door; what is asked counts from
// then on.
func uses(cluster, service string, addresses ...string) step {
	return func(ctx context.Context, r *run) error {
		u := newUser(cluster, service, headless(service), r.pairs[cluster])
		r.users = append(r.users, u)
		u.start()
		if err := finds(cluster, service, addresses...)(ctx, r); err != nil {
			return err
		}
		u.counting(true)
		return nil
	}
}

// finds waits until a user finds just these endpoints by every door.
func finds(cluster, service string, addresses ...string) step {
	return func(ctx context.Context, r *run) error {
		for d := range doors {
			if err := findsBy(d, cluster, service, addresses...)(ctx, r); err != nil {
				return err
			}
		}
		return nil
	}
}

// findsBy waits until a user finds just these endpoints by one door; an address of the clusterset stands for them in
// DNS.
func findsBy(d door, cluster, service string, addresses ...string) step {
	return func(ctx context.Context, r *run) error {
		ctx, cancel := context.WithTimeout(ctx, 3*patience)
		defer cancel()
		u := r.user(cluster, service)
		if d == byXDS {
			addresses = nearest(cluster, addresses)
		}
		if d == byDNS && !u.headless && len(addresses) > 0 {
			return u.awaitAny(ctx, d)
		}
		return u.await(ctx, d, addresses)
	}
}

// blocks are of which addresses the clusters have their endpoints here.
var blocks = map[string]string{"east": "10.1.", "west": "10.2.", "north": "10.3."}

// nearest returns those of addresses to which a client of xDS sends everything: its own cluster's, where that has any.
func nearest(cluster string, addresses []string) []string {
	own := slices.DeleteFunc(slices.Clone(addresses), func(a string) bool { return !strings.HasPrefix(a, blocks[cluster]) })
	if blocks[cluster] == "" || len(own) == 0 {
		return addresses
	}
	return own
}

// kills says which endpoints of a service answer no more: requests to them alone are lost.
func kills(service string, addresses ...string) step {
	return func(_ context.Context, r *run) error {
		for _, u := range r.users {
			if u.service == service {
				u.kill(addresses...)
			}
		}
		return nil
	}
}

// neverFinds says which endpoints users of a service are never to be told of.
func neverFinds(service string, addresses ...string) step {
	return func(_ context.Context, r *run) error {
		for _, u := range r.users {
			if u.service == service {
				u.forge(addresses...)
			}
		}
		return nil
	}
}

// stopsCounting lets users of a service lose what they may lose from now on; of all services for none.
func stopsCounting(service string) step {
	return func(_ context.Context, r *run) error {
		for _, u := range r.users {
			if service == "" || u.service == service {
				u.counting(false)
			}
		}
		return nil
	}
}

// startsCounting is the reverse of stopsCounting.
func startsCounting(_ context.Context, r *run) error {
	for _, u := range r.users {
		u.counting(true)
	}
	return nil
}

// losesNothing fails if a request was lost.
func losesNothing(_ context.Context, r *run) error {
	for _, u := range r.users {
		counts, gaps := u.result()
		for d, c := range counts {
			if c.lost > 0 {
				return fmt.Errorf("%d of %d requests were lost by %s, such as %v: %w", c.lost, c.asked, door(d), gaps, errUnwanted)
			}
		}
	}
	return nil
}

// lasts lets time pass: the fault itself takes it.
func lasts(d time.Duration) step {
	return func(ctx context.Context, _ *run) error {
		if !sleep(ctx, d) {
			return ctx.Err()
		}
		return nil
	}
}

// withEast puts a rule in force between east and another member, both ways.
func withEast(other string, x rule) step {
	return all(oneWay("east", other, x), oneWay(other, "east", x))
}

func oneWay(from, to string, x rule) step { return only(anyTraffic, from, to, x) }

// only puts a rule in force for one protocol.
func only(what traffic, from, to string, x rule) step {
	return func(_ context.Context, r *run) error {
		r.net.set(pair{from, to}, what, x)
		return nil
	}
}

// heals lets everything pass again.
func heals(_ context.Context, r *run) error {
	r.net.clear()
	return nil
}

// filters has nftables treat packets; none for no more.
func filters(statements ...string) step {
	return func(_ context.Context, r *run) error {
		r.atEnd(func() { _ = r.net.filter() })
		return r.net.filter(statements...)
	}
}

// killsAgents ends all agents of a cluster by SIGKILL.
func killsAgents(cluster string) step {
	return func(_ context.Context, r *run) error {
		for _, m := range r.pairs[cluster] {
			if err := m.KillAgent(); err != nil {
				return fmt.Errorf("killing the agent of %s: %w", cluster, err)
			}
		}
		return nil
	}
}

// startsAgents starts all agents of a cluster, one after the other, and waits until they are ready.
func startsAgents(cluster string) step {
	return func(ctx context.Context, r *run) error {
		for _, m := range r.pairs[cluster] {
			if err := m.StartAgent(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

func stopsAPIServer(cluster string) step {
	return func(_ context.Context, r *run) error { return r.set.ControlPlane(cluster).StopAPIServer() }
}

func startsAPIServer(cluster string) step {
	return func(ctx context.Context, r *run) error { return r.set.ControlPlane(cluster).StartAPIServer(ctx) }
}

// logs waits until an agent of a cluster has logged a text so often.
func logs(cluster, text string, times int) step {
	return func(ctx context.Context, r *run) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return r.pairs[cluster][0].AwaitLog(ctx, text, times)
	}
}

// expect fails unless a condition holds.
func expect(what string, holds func(context.Context, *run) (bool, error)) step {
	return func(ctx context.Context, r *run) error {
		ok, err := holds(ctx, r)
		if err == nil && !ok {
			err = errUnwanted
		}
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}
}

// remembers keeps the value of a series for same.
func remembers(cluster, series string) step {
	return func(ctx context.Context, r *run) error {
		v, err := r.read(ctx, cluster, series)
		if errors.Is(err, errAbsent) {
			v, err = 0, nil
		}
		r.kept[cluster+series] = v
		return err
	}
}

// same fails if a series is no longer what it was when it was remembered.
func same(cluster, series string) step {
	return func(ctx context.Context, r *run) error {
		v, err := r.read(ctx, cluster, series)
		if err == nil && v != r.kept[cluster+series] {
			err = fmt.Errorf("%s of %s is %v, was %v: %w", series, cluster, v, r.kept[cluster+series], errUnwanted)
		}
		return err
	}
}
