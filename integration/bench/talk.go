package main

import (
	"fmt"
	"net/netip"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// talk is a stream between two members without a network, whose frames are counted.
type talk struct {
	ends  [2]*stream.Session
	bytes int
}

// newTalk returns a stream on which both have greeted and said all that they have to say.
func newTalk(a, b *federation.Store) (*talk, error) {
	now := time.Now()
	t := &talk{ends: [2]*stream.Session{stream.NewSession(a, b.Self(), stream.Peer, now), stream.NewSession(b, a.Self(), stream.Peer, now)}}
	for i, s := range t.ends {
		if err := t.deliver(s.Hello(), 1-i); err != nil {
			return nil, err
		}
	}
	return t, t.settle()
}

// settle moves frames until neither has anything to say.
func (t *talk) settle() error {
	for going := true; going; {
		going = false
		for i, s := range t.ends {
			f, err := s.Next()
			if err != nil {
				return err
			}
			if f == nil {
				continue
			}
			going = true
			if err := t.deliver(f, 1-i); err != nil {
				return err
			}
		}
	}
	return nil
}

// deliver hands a frame over as the bytes that it is on the wire.
func (t *talk) deliver(f *wire.Frame, to int) error {
	data, err := proto.Marshal(f)
	if err != nil {
		return err
	}
	t.bytes += len(data)
	var got wire.Frame
	if err := proto.Unmarshal(data, &got); err != nil {
		return err
	}
	refused, err := t.ends[to].Handle(&got, time.Now())
	if err == nil && len(refused) > 0 {
		err = refused[0]
	}
	return err
}

// recordOf returns a service with so many endpoints, as a large cluster has them: addresses that differ in their
// last bytes, three zones. The seed gives addresses that no other seed gives.
func recordOf(cluster federation.ClusterID, name string, endpoints int, seed uint32) *federation.Export {
	e := &federation.Export{
		Cluster: cluster, Name: federation.ServiceName{Namespace: "shop", Name: name}, Created: time.Unix(1_700_000_000, 0),
		Type: federation.ClusterSetIP, Ports: []federation.Port{{Name: "http", Protocol: federation.TCP, Number: 80}},
		IPFamilies: []federation.IPFamily{federation.IPv4}, SessionAffinity: "None",
	}
	s := federation.Subset{Ports: []federation.TargetPort{{Name: "http", Protocol: federation.TCP, Number: 8080}}}
	for i := range uint32(endpoints) {
		n := seed*uint32(endpoints) + i
		s.Endpoints = append(s.Endpoints, federation.Endpoint{
			Address: netip.AddrFrom4([4]byte{10 + byte(n>>22), byte(n >> 14), byte(n >> 6), byte(n<<2) + 1}),
			Zone:    fmt.Sprintf("zone-%d", i%3), Conditions: federation.Ready | federation.Serving,
		})
	}
	e.Subsets = []federation.Subset{s}
	e.Normalize()
	return e
}

// manyOf returns so many services of a cluster.
func manyOf(cluster federation.ClusterID, services, endpoints int) []*federation.Export {
	list := make([]*federation.Export, services)
	for i := range list {
		list[i] = recordOf(cluster, fmt.Sprintf("service-%d", i), endpoints, uint32(i))
	}
	return list
}

// storeOf returns the Store of a cluster that exports these.
func storeOf(cluster federation.ClusterID, exports ...*federation.Export) *federation.Store {
	s := federation.NewStore(cluster)
	s.Announce(1, exports)
	return s
}
