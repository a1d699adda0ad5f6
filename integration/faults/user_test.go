package main

import (
	"errors"
	"slices"
	"testing"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv1 "k8s.io/api/discovery/v1"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

func TestARequestIsLostWhenNobodyIsLeftToAnswer(t *testing.T) {
	for _, test := range []struct {
		name   string
		says   []string
		killed []string
		err    error
		lost   int
	}{
		{"an endpoint", []string{"10.0.0.1"}, nil, nil, 0},
		{"one of two is dead", []string{"10.0.0.1", "10.0.0.2"}, []string{"10.0.0.1"}, nil, 0},
		{"all are dead", []string{"10.0.0.1"}, []string{"10.0.0.1"}, nil, 1},
		{"nothing", nil, nil, nil, 1},
		{"no answer", []string{"10.0.0.1"}, nil, errors.New("SERVFAIL"), 1},
	} {
		u := newUser("west", "web", false, nil)
		u.say(bySlices, test.says)
		u.kill(test.killed...)
		u.request(bySlices, test.err)
		u.counting(true)
		u.request(bySlices, test.err)
		counts, gaps := u.result()
		if got := counts[bySlices]; got != (tally{1, test.lost}) || len(gaps) != test.lost {
			t.Errorf("%s: %+v %q, want %d lost of 1", test.name, got, gaps, test.lost)
		}
	}
}

func TestWhoIsToldOfAForgedEndpointLoses(t *testing.T) {
	u := newUser("west", "web", false, nil)
	u.forge("10.66.6.6")
	u.say(byXDS, []string{"10.0.0.1"})
	u.say(byXDS, []string{"10.0.0.1", "10.66.6.6"})
	if counts, _ := u.result(); counts[byXDS].lost != 1 {
		t.Errorf("%+v, want one lost", counts)
	}
}

func TestClientsPreferTheHighestPriority(t *testing.T) {
	locality := func(priority uint32, addresses ...string) *endpointv3.LocalityLbEndpoints {
		l := &endpointv3.LocalityLbEndpoints{Priority: priority}
		for _, a := range addresses {
			l.LbEndpoints = append(l.LbEndpoints, &endpointv3.LbEndpoint{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
				Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{Address: a}}},
			}}})
		}
		return l
	}
	for _, test := range []struct {
		in   []*endpointv3.LocalityLbEndpoints
		want []string
	}{
		{nil, nil},
		{[]*endpointv3.LocalityLbEndpoints{locality(0, "10.0.0.1"), locality(1, "10.0.0.2"), locality(0, "10.0.0.3")}, []string{"10.0.0.1", "10.0.0.3"}},
		{[]*endpointv3.LocalityLbEndpoints{locality(1, "10.0.0.2"), locality(0, "10.0.0.1")}, []string{"10.0.0.1"}},
		{[]*endpointv3.LocalityLbEndpoints{locality(0), locality(2, "10.0.0.2"), locality(1, "10.0.0.1")}, []string{"10.0.0.1"}},
	} {
		if got := preferred(&endpointv3.ClusterLoadAssignment{Endpoints: test.in}); !slices.Equal(got, test.want) {
			t.Errorf("%v: %v, want %v", test.in, got, test.want)
		}
	}
}

func TestKubeProxyUsesWhatServesOnlyWithoutReady(t *testing.T) {
	slice := func(address string, ready, serving, terminating bool) *discoveryv1.EndpointSlice {
		return &discoveryv1.EndpointSlice{Endpoints: []discoveryv1.Endpoint{{
			Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &terminating},
		}}}
	}
	ready, leaving, dead := slice("10.0.0.1", true, true, false), slice("10.0.0.2", false, true, true), slice("10.0.0.3", false, false, false)
	for _, test := range []struct {
		in   map[string]*discoveryv1.EndpointSlice
		want []string
	}{
		{map[string]*discoveryv1.EndpointSlice{"a": ready, "b": leaving, "c": dead}, []string{"10.0.0.1"}},
		{map[string]*discoveryv1.EndpointSlice{"b": leaving, "c": dead}, []string{"10.0.0.2"}},
		{map[string]*discoveryv1.EndpointSlice{"c": dead}, nil},
	} {
		if got := usable(test.in); !slices.Equal(got, test.want) {
			t.Errorf("%v, want %v", got, test.want)
		}
	}
}
