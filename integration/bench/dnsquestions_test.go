package main

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/miekg/dns"
)

// unpackStream reads what dnsperf would read.
func unpackStream(t *testing.T, stream []byte) (messages []*dns.Msg) {
	t.Helper()
	for len(stream) > 0 {
		length := int(binary.BigEndian.Uint16(stream))
		m := new(dns.Msg)
		if err := m.Unpack(stream[2 : 2+length]); err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
		stream = stream[2+length:]
	}
	return messages
}

func TestStreamAsksForEachNameOnceInTheSameDisorder(t *testing.T) {
	for _, k := range dnsKinds() {
		first, err := k.stream()
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := k.stream(); !bytes.Equal(first, again) {
			t.Errorf("%s: the questions are others the second time", k.id)
		}
		var names []string
		for _, m := range unpackStream(t, first) {
			q := m.Question[0]
			if opt := m.IsEdns0(); q.Qtype != k.qtype || (opt != nil) != (k.size > 0) || opt != nil && opt.UDPSize() != k.size {
				t.Fatalf("%s: a question is %s", k.id, m)
			}
			names = append(names, q.Name)
		}
		if slices.Equal(names, k.names) {
			t.Errorf("%s: the questions are in order", k.id)
		}
		slices.Sort(names)
		if want := slices.Sorted(slices.Values(k.names)); !slices.Equal(names, want) || len(slices.Compact(want)) != len(names) {
			t.Errorf("%s: the questions are not one for each of %d different names", k.id, len(k.names))
		}
	}
}

func TestKindsAskForTheWholeScene(t *testing.T) {
	want := map[string]struct {
		count int
		one   string
	}{
		"dns-clusterip":       {1000, "web-999.dns.svc.clusterset.local."},
		"dns-clusterip/paced": {1000, "web-999.dns.svc.clusterset.local."},
		"dns-srv":             {1000, "_http._tcp.web-0.dns.svc.clusterset.local."},
		"dns-nxdomain":        {1000, "absent-0.dns.svc.clusterset.local."},
		"dns-endpoint":        {5000, "db-16.east.db-99.dns.svc.clusterset.local."},
		"dns-headless":        {100, "db-99.dns.svc.clusterset.local."},
	}
	kinds := dnsKinds()
	if len(kinds) != len(want) {
		t.Fatalf("there are %d kinds, want %d", len(kinds), len(want))
	}
	for _, k := range kinds {
		w := want[k.id]
		if len(k.names) != w.count || !slices.Contains(k.names, w.one) {
			t.Errorf("%s asks for %d names, as %s; want %d, one of them %s", k.id, len(k.names), k.names[0], w.count, w.one)
		}
	}
}
