package stream

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// An update of many empty messages takes a hundred times its size in memory: it is refused before that.
func TestAnUpdateOfTooManyPartsIsRefused(t *testing.T) {
	records := func(n int) []byte { // n empty records
		return bytes.Repeat(protowire.AppendBytes(protowire.AppendTag(nil, 4, protowire.BytesType), nil), n)
	}
	nested := func(n int) []byte { // one record with a subset of n empty endpoints
		endpoints := bytes.Repeat(protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), nil), n)
		subset := protowire.AppendBytes(protowire.AppendTag(nil, 13, protowire.BytesType), endpoints)
		return protowire.AppendBytes(protowire.AppendTag(nil, 4, protowire.BytesType), subset)
	}
	packed := func(n int) []byte { // one record with n IP families
		families := protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), make([]byte, n))
		return protowire.AppendBytes(protowire.AppendTag(nil, 4, protowire.BytesType), families)
	}
	for name, test := range map[string]struct {
		data []byte
		good bool
	}{
		"as many records as may be":       {records(maxParts / exportParts), true},
		"one record more":                 {records(maxParts/exportParts + 1), false},
		"as many endpoints as may be":     {nested(maxParts - 1 - exportParts), true},
		"one endpoint more":               {nested(maxParts - exportParts), false},
		"as many numbers as may be":       {packed(maxParts - exportParts), true},
		"one number more":                 {packed(maxParts - exportParts + 1), false},
		"a tag that ends in the middle":   {[]byte{0x80}, false},
		"a value that ends in the middle": {[]byte{0x22, 0x05, 0x00}, false},
		"nothing":                         {nil, true},
	} {
		if err := checkParts(test.data); (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := decodeUpdate(records(maxParts)); err == nil || !strings.Contains(err.Error(), "parts") {
		t.Errorf("decoding too many parts: %v", err)
	}
}

func TestFewRefusedRecordsAreToldOf(t *testing.T) {
	owner := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "east")
	empty := protowire.AppendBytes(protowire.AppendTag(nil, 4, protowire.BytesType), nil)
	_, refused, err := decodeUpdate(append(owner, bytes.Repeat(empty, 1000)...))
	if err != nil || len(refused) != maxReported {
		t.Errorf("%d refused records told of (%v), want %d", len(refused), err, maxReported)
	}
}
