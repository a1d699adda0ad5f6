package xds

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/encoding"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// written returns a response as protobuf writes it.
func written(t *testing.T, r *response) []byte {
	t.Helper()
	var m proto.Message
	if r.delta {
		d := &discoveryv3.DeltaDiscoveryResponse{
			SystemVersionInfo: r.version, TypeUrl: typeURLs[r.kind], Nonce: r.nonce, RemovedResources: r.removed,
		}
		for _, b := range r.bodies {
			d.Resources = append(d.Resources, &discoveryv3.Resource{
				Name: b.name, Version: b.version, Resource: &anypb.Any{TypeUrl: typeURLs[r.kind], Value: b.value()},
			})
		}
		m = d
	} else {
		d := &discoveryv3.DiscoveryResponse{VersionInfo: r.version, TypeUrl: typeURLs[r.kind], Nonce: r.nonce}
		for _, b := range r.bodies {
			d.Resources = append(d.Resources, &anypb.Any{TypeUrl: typeURLs[r.kind], Value: b.value()})
		}
		m = d
	}
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// pieces makes a body of pieces of these sizes.
func pieces(name string, sizes ...int) *body {
	var all [][]byte
	for i, n := range sizes {
		all = append(all, bytes.Repeat([]byte{byte('a' + i%26)}, n))
	}
	return newBody(name, "v-"+name, all...)
}

func TestAResponseIsWhatProtobufWrites(t *testing.T) {
	tests := map[string]response{
		"empty":                  {},
		"of nothing but a nonce": {nonce: "1", version: "x"},
		"an empty resource":      {nonce: "2", bodies: []*body{pieces("none"), pieces("none of no bytes", 0, 0)}},
		"small pieces":           {nonce: "3", version: "y", bodies: []*body{pieces("a", 1, 2, 3), pieces("b", 126, 1), pieces("c", 128)}},
		"one large piece":        {nonce: "4", version: "z", bodies: []*body{pieces("a", lone)}},
		"just not large":         {nonce: "5", version: "z", bodies: []*body{pieces("a", lone-1)}},
		"large ones side by side": {
			nonce: "6", version: "z", bodies: []*body{pieces("a", 3, lone, 5*lone, 3), pieces("b", 5), pieces("c", 1<<14, 1<<21)},
		},
	}
	for name, r := range tests {
		for k := range kinds {
			for _, delta := range []bool{false, true} {
				r.kind, r.delta, r.removed = k, delta, nil
				if delta {
					r.removed = []string{"went", "went too"}
				}
				for i, b := range r.bodies {
					r.bodies[i] = newBody(b.name, b.version, b.pieces...) // of the kind of this response
				}
				got := r.marshal().Materialize()
				if again := r.marshal().Materialize(); !bytes.Equal(again, got) {
					t.Errorf("%s, %s, delta=%t: the next client is sent %d bytes, not %d", name, typeURLs[k], delta, len(again), len(got))
				}
				if want := written(t, &r); !bytes.Equal(got, want) {
					t.Errorf("%s, %s, delta=%t: %d bytes are not the %d of protobuf", name, typeURLs[k], delta, len(got), len(want))
				}
			}
		}
	}
}

func TestAnyResponseIsWhatProtobufWrites(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		r := &response{kind: kind(rnd.IntN(int(kinds))), nonce: fmt.Sprint(seed), version: fmt.Sprint(rnd.Uint64()), delta: seed%2 == 0}
		for i := range rnd.IntN(12) {
			var sizes []int
			for range rnd.IntN(6) {
				sizes = append(sizes, rnd.IntN(3*lone))
			}
			r.bodies = append(r.bodies, pieces(fmt.Sprint("r", i), sizes...))
		}
		for i := range rnd.IntN(4) {
			if r.delta {
				r.removed = append(r.removed, fmt.Sprint("gone", i))
			}
		}
		if got, want := r.marshal().Materialize(), written(t, r); !bytes.Equal(got, want) {
			t.Fatalf("seed %d: %d bytes are not the %d of protobuf", seed, len(got), len(want))
		}
	}
}

// A large piece goes out to each client as it lies there, and nothing is written over it.
func TestLargePiecesAreNotCopied(t *testing.T) {
	b := pieces("a", 10, 4*lone, 10, 2*lone, 10)
	before := b.value()
	for range 2 {
		r := &response{kind: assignmentKind, delta: true, nonce: "1", version: "v", bodies: []*body{b, b}, removed: []string{"went"}}
		kept := 0
		for _, buffer := range r.marshal() {
			for _, p := range b.pieces {
				if data := buffer.ReadOnlyData(); len(data) == len(p) && &data[0] == &p[0] {
					kept++
				}
			}
		}
		if kept != 4 {
			t.Errorf("%d large pieces are the very ones, want 4", kept)
		}
	}
	if !bytes.Equal(b.value(), before) {
		t.Error("the resource was written over")
	}
}

func TestTheCodecIsThatOfProtobufForAllElse(t *testing.T) {
	c := newCodec()
	req := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: ClusterType, ResourceNamesSubscribe: []string{"web"}}
	encoded, err := c.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	var got discoveryv3.DeltaDiscoveryRequest
	if err := c.Unmarshal(encoded, &got); err != nil || !proto.Equal(&got, req) {
		t.Errorf("got %v (%v), want %v", &got, err, req)
	}
	if c.Name() != encoding.GetCodecV2("proto").Name() {
		t.Errorf("its name is %q", c.Name())
	}
	if _, err := c.Marshal("no message"); err == nil {
		t.Error("a string was encoded")
	}
}
