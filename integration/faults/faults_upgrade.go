package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream"
)

// laterField is what a later version says of a service in a field that this one does not know.
var laterField = protowire.AppendBytes(protowire.AppendTag(nil, 1900, protowire.BytesType), []byte("of a later version"))

func upgrades(timers) []fault {
	return []fault{{
		id: "52", title: "agents restart one by one, in both directions, while a newer member says what they do not know",
		sees:     "nothing",
		holds:    "what is not known is kept and passed on to standbys through every restart, and nothing is lost (version 1 of the wire is the oldest there is: older agents cannot be shown yet)",
		clusters: []string{"east", "west"}, twins: true,
		steps: []step{
			exports("east", "web", "10.1.0.1"), hasNamespace("west"), uses("west", "web", "10.1.0.1"),
			joins("newer", "", ""), saysMore("newer", "later", "10.9.0.1"), uses("west", "later", "10.9.0.1"),
			timed("a standby has it in", patience, passesOn("west", "newer", "later")),
			rollsAs("west", false), timed("standby first, then the leader: it is passed on in", patience, passesOn("west", "newer", "later")),
			rollsAs("west", true), timed("leader first: in", patience, passesOn("west", "newer", "later")),
			rollsAs("east", false), rollsAs("east", true),
			timed("after it all a change arrives in", reunited, change("east", "west", "web", "10.1.0.1", 2)), agree("east", "west"), losesNothing,
		},
	}}
}

// saysMore makes a node export a service with a field that nobody knows.
func saysMore(member, service, address string) step {
	return func(_ context.Context, r *run) error {
		e := newRecord(member, service, address)
		e.Extra = laterField
		r.node(member).store.Set(e)
		return nil
	}
}

// rollsAs restarts the agents of a cluster, the leader first or last.
func rollsAs(cluster string, leaderFirst bool) step {
	return func(ctx context.Context, r *run) error {
		leads, stands, err := r.leader(ctx, cluster)
		if err != nil {
			return err
		}
		if !leaderFirst {
			leads, stands = stands, leads
		}
		if err := leads.RestartAgent(ctx); err != nil {
			return err
		}
		return stands.RestartAgent(ctx)
	}
}

// passesOn comes to a cluster as one of its standbys, and waits until the leader passes on what is not known.
func passesOn(cluster, owner, service string) step {
	return func(ctx context.Context, r *run) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		for {
			err := r.asStandby(ctx, cluster, func(s *federation.Store) bool {
				e := s.Export(federation.ClusterID(owner), federation.ServiceName{Namespace: namespace, Name: service})
				return e != nil && bytes.Equal(e.Extra, laterField)
			})
			if err == nil || !sleep(ctx, 4*glance) { // the leader may have changed meanwhile
				return err
			}
		}
	}
}

// asStandby takes what a leader passes on until it has what is wanted.
func (r *run) asStandby(ctx context.Context, cluster string, has func(*federation.Store) bool) error {
	id, err := r.identity(cluster)
	if err != nil {
		return err
	}
	s, err := r.open(ctx, id, cluster)
	if err != nil {
		return err
	}
	defer s.close()
	uid, err := r.uid(ctx, cluster)
	if err != nil {
		return err
	}
	store := federation.NewStore(id.Cluster())
	if err := store.Meet(id.Cluster(), uid); err != nil {
		return err
	}
	store.Follow()
	session := stream.NewSession(store, id.Cluster(), stream.Leader, time.Now())
	if err := s.Send(session.Hello()); err != nil {
		return err
	}
	for !has(store) {
		f, err := s.Recv()
		if err != nil {
			return fmt.Errorf("standing by for %s: %w", cluster, err)
		}
		if _, err := session.Handle(f, time.Now()); err != nil {
			return err
		}
		for {
			next, err := session.Next()
			if err != nil || next == nil {
				break
			}
			if err := s.Send(next); err != nil {
				return err
			}
		}
	}
	return nil
}
