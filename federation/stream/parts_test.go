package stream

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
)

// field returns a field with bytes.
func field(number protowire.Number, inner []byte) []byte { return unknownBytes(number, inner) }

// The numbers of some fields of the wire.
const (
	messageUpdate, messageHashes = 1, 2
	hashesHashes                 = 2
	updatePut, updateStale       = 6, 9
	exportFamilies, exportSubset = 5, 13
	subsetEndpoint               = 2
)

// A message of many empty parts takes a hundred times its size in memory: it is refused before that.
func TestAMessageOfTooManyPartsIsRefused(t *testing.T) {
	records := func(n int) []byte { // n empty records
		return field(messageUpdate, bytes.Repeat(field(updatePut, nil), n))
	}
	nested := func(n int) []byte { // one record with a subset of n empty endpoints
		endpoints := bytes.Repeat(field(subsetEndpoint, nil), n)
		return field(messageUpdate, field(updatePut, field(exportSubset, endpoints)))
	}
	packed := func(n int) []byte { // one record with n IP families
		return field(messageUpdate, field(updatePut, field(exportFamilies, make([]byte, n))))
	}
	stale := func(n int) []byte { return field(messageUpdate, field(updateStale, make([]byte, 8*n))) }
	hashes := func(n int) []byte { return field(messageHashes, field(hashesHashes, make([]byte, 8*n))) }
	for name, test := range map[string]struct {
		data []byte
		good bool
	}{
		"as many records as may be":       {records((maxParts - 1) / exportParts), true},
		"one record more":                 {records((maxParts-1)/exportParts + 1), false},
		"as many endpoints as may be":     {nested(maxParts - 2 - exportParts), true},
		"one endpoint more":               {nested(maxParts - 1 - exportParts), false},
		"as many numbers as may be":       {packed(maxParts - 1 - exportParts), true},
		"one number more":                 {packed(maxParts - exportParts), false},
		"as many stale hashes as may be":  {stale(maxParts - 1), true},
		"one stale hash more":             {stale(maxParts), false},
		"as many hashes as may be":        {hashes(maxParts - 1), true},
		"one hash more":                   {hashes(maxParts), false},
		"a tag that ends in the middle":   {[]byte{0x80}, false},
		"a value that ends in the middle": {field(messageUpdate, []byte{0x32, 0x05, 0x00}), false},
		"nothing":                         {nil, true},
	} {
		if err := checkParts(test.data); (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
		if test.good {
			continue // what it takes to read that is no matter here
		}
		if m, err := decodeMessage(test.data); m != nil || err == nil || !strings.Contains(err.Error(), "decoding a message") {
			t.Errorf("%s, decoded: %v", name, err)
		}
	}
	if _, err := decodeMessage(records(maxParts)); err == nil || !strings.Contains(err.Error(), "want at most 1048576 parts") {
		t.Errorf("decoding too many parts: %v", err)
	}
}

// Whatever a member sends is made of few enough parts for the others, and short enough: many small records, and one
// behind them that has as many parts as a record may.
func TestWhatIsSentHasFewEnoughParts(t *testing.T) {
	large := export("east", "z-large")
	var ports []federation.TargetPort
	for range federation.MaxPorts {
		ports = append(ports, federation.TargetPort{Protocol: federation.TCP, Number: 1})
	}
	for sizeOf(large) <= maxRecord {
		subset := federation.Subset{Ports: ports, Endpoints: []federation.Endpoint{{Address: netip.AddrFrom4([4]byte{10})}}}
		large.Subsets = append(large.Subsets, slices.Repeat([]federation.Subset{subset}, 100)...)
	}
	large.Subsets = large.Subsets[:len(large.Subsets)-100]
	u := wholeSet("east", federation.Version{Term: 1, Seq: 1}, many("east", 5_000)...)
	u.Put = append(u.Put, federation.Record{Export: large})
	s := sender{rest: u, part: partSize}
	for n := 1; s.rest != nil; n++ {
		data, err := proto.Marshal(s.cutOff().encode())
		if err != nil {
			t.Fatal(err)
		}
		if err := checkParts(data); err != nil || len(data) > maxMessage {
			t.Errorf("message %d of %d bytes: %v", n, len(data), err)
		}
		if s.rest == nil && len(data) < 4<<20 {
			t.Errorf("the last message has %d bytes: where is the large record?", len(data))
		}
	}
}
