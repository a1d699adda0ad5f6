package xds

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// parsed reads a message as protobuf does, and takes from it what is kept.
func parsed(delta bool, data []byte) (message, error) {
	m := message{delta: delta}
	var text, nonce string
	var detail *rpcstatus.Status
	if delta {
		var req discoveryv3.DeltaDiscoveryRequest
		if err := proto.Unmarshal(data, &req); err != nil {
			return m, err
		}
		m.subscribe, m.unsubscribe, m.node = req.GetResourceNamesSubscribe(), req.GetResourceNamesUnsubscribe(), req.GetNode()
		text, nonce, detail = req.GetTypeUrl(), req.GetResponseNonce(), req.GetErrorDetail()
		for name, version := range req.GetInitialResourceVersions() {
			if len(name) > maxNameLength {
				continue
			}
			if m.has == nil {
				m.has = map[string]string{}
			}
			m.has[name] = clip(version)
		}
	} else {
		var req discoveryv3.DiscoveryRequest
		if err := proto.Unmarshal(data, &req); err != nil {
			return m, err
		}
		m.names, m.node = req.GetResourceNames(), req.GetNode()
		text, nonce, detail = req.GetTypeUrl(), req.GetResponseNonce(), req.GetErrorDetail()
	}
	m.typeURL, m.nonce, m.refused, m.detail = clip(text), clip(nonce), detail != nil, clip(detail.GetMessage())
	return m, nil
}

// essence returns a message without the fields that are not read: what is wrong within them does not matter.
func essence(data []byte, delta bool) []byte {
	read, detail := []protowire.Number{2, 3, 4, 5, 6}, protowire.Number(6)
	if delta {
		read, detail = []protowire.Number{1, 2, 3, 4, 5, 6, 7}, 7
	}
	return only(only(data, 0, read), detail, []protowire.Number{2})
}

// only returns a message without the fields that are not among some: of it, or of the field that is named if that is not 0.
func only(data []byte, within protowire.Number, some []protowire.Number) (kept []byte) {
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeField(data)
		if n < 0 {
			return append(kept, data...)
		}
		field := data[:n]
		data = data[n:]
		switch {
		case number > protowire.MaxValidNumber, within == 0 && slices.Contains(some, number), within != 0 && (number != within || kind != protowire.BytesType):
			kept = append(kept, field...)
		case within != 0:
			_, _, tag := protowire.ConsumeTag(field)
			value, _ := protowire.ConsumeBytes(field[tag:])
			kept = protowire.AppendTag(kept, number, kind)
			kept = protowire.AppendBytes(kept, only(value, 0, some))
		}
	}
	return kept
}

// tooMuch reports whether names are more or longer than they may be.
func tooMuch(m message) bool {
	for _, names := range [][]string{m.names, m.subscribe, m.unsubscribe} {
		if len(names) > maxNames || slices.ContainsFunc(names, func(name string) bool { return len(name) > maxNameLength }) {
			return true
		}
	}
	return false
}

// checkRead fails unless a message is read as protobuf reads it, and reports whether it is taken.
func checkRead(t *testing.T, delta bool, data []byte) bool {
	t.Helper()
	got := message{delta: delta, typeURL: "what was read before", request: request{names: []string{"before"}}}
	err := got.read(data)
	want, wantErr := parsed(delta, data)
	if err == nil && wantErr != nil {
		if want, wantErr = parsed(delta, essence(data, delta)); wantErr != nil && got.fault == nil {
			t.Fatalf("%x, delta=%t: it is read, want %v", data, delta, wantErr)
		}
	}
	switch {
	case err != nil && wantErr == nil:
		t.Fatalf("%x, delta=%t: %v, where protobuf reads it", data, delta, err)
	case err != nil:
		return false
	case got.fault != nil:
		if wantErr == nil && !tooMuch(want) && len(data) <= maxNode {
			t.Fatalf("%x, delta=%t: %v, where it is within the bounds", data, delta, got.fault)
		}
		if fault := got.fault; !reflect.DeepEqual(got, message{delta: delta, fault: fault}) {
			t.Fatalf("%x, delta=%t: %v, but it holds %+v", data, delta, fault, got)
		}
		return false
	case tooMuch(want):
		t.Fatalf("%x, delta=%t: it is read, where it holds too much", data, delta)
	case !proto.Equal(got.node, want.node) || (got.node == nil) != (want.node == nil):
		t.Fatalf("%x, delta=%t: node\n%v\nwant\n%v", data, delta, got.node, want.node)
	}
	got.node, want.node = nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%x, delta=%t: read\n%+v\nwant\n%+v", data, delta, got, want)
	}
	return true
}

// values are what fields of messages may hold.
func values(t testing.TB) [][]byte {
	t.Helper()
	all := [][]byte{
		nil, []byte("web"), []byte("*"), []byte("api"), []byte("\xff"), []byte("web\x00"), {0x0a, 0x80}, {0x0b, 0x0c}, {0x80},
		[]byte(ClusterType), []byte(EndpointType), []byte(ListenerType + "2"),
		[]byte(strings.Repeat("é", maxWords)), bytes.Repeat([]byte("n"), maxNameLength), bytes.Repeat([]byte("n"), maxNameLength+1),
		[]byte("\x0a\x03web\x12\x01v"), []byte("\x0a\x03api\x12\x01\xff"), []byte("\x0a\x03web\x1a\x01v\x12\x01w"), []byte("\x12\x01v\x08\x01"),
	}
	for _, m := range []proto.Message{
		&corev3.Node{Id: "one", UserAgentName: "gRPC Go", Locality: &corev3.Locality{Region: "r", Zone: "z"}},
		&corev3.Node{Id: "two", Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{EgressKey: structpb.NewStringValue("10.0.0.1:80")}}},
		&corev3.Node{Extensions: []*corev3.Extension{{Name: "x"}, {}}, ClientFeatures: []string{"f", ""}},
		&rpcstatus.Status{Code: 3, Message: "no"},
		&rpcstatus.Status{Message: strings.Repeat("no ", maxWords), Details: []*anypb.Any{{TypeUrl: ClusterType}, {}}},
		&discoveryv3.ResourceLocator{Name: "xdstp://", DynamicParameters: map[string]string{"a": "b"}},
	} {
		encoded, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, encoded)
	}
	long := []byte("\x0a\x03web\x12")
	all = append(all, protowire.AppendBytes(long, bytes.Repeat([]byte("v"), 2*maxWords)))
	return append(all, protowire.AppendBytes([]byte{0x0a}, bytes.Repeat([]byte("n"), maxNameLength+1)))
}

// scribble returns any few fields, most of the types that they should be of, now and then with a few bytes that are others.
func scribble(rnd *rand.Rand, values [][]byte) (data []byte) {
	for range rnd.IntN(7) {
		number := protowire.Number(1 + rnd.IntN(9))
		switch rnd.IntN(16) {
		case 0:
			data = protowire.AppendVarint(protowire.AppendTag(data, number, protowire.VarintType), rnd.Uint64())
		case 1:
			data = protowire.AppendFixed64(protowire.AppendTag(data, number, protowire.Fixed64Type), rnd.Uint64())
		case 2:
			data = protowire.AppendTag(data, number, protowire.StartGroupType)
			data = protowire.AppendBytes(protowire.AppendTag(data, number, protowire.BytesType), values[rnd.IntN(len(values))])
			data = protowire.AppendTag(data, number, protowire.EndGroupType)
		case 3:
			data = protowire.AppendVarint(data, (uint64(protowire.MaxValidNumber)+rnd.Uint64N(2))<<3)
			data = append(data, 1)
		default:
			data = protowire.AppendBytes(protowire.AppendTag(data, number, protowire.BytesType), values[rnd.IntN(len(values))])
		}
	}
	if len(data) > 0 && rnd.IntN(4) == 0 {
		data[rnd.IntN(len(data))] = byte(rnd.Uint32())
	}
	if rnd.IntN(8) == 0 {
		data = data[:rnd.IntN(len(data)+1)]
	}
	return data
}

func TestAMessageIsWhatProtobufReads(t *testing.T) {
	all := values(t)
	taken := 0
	const tries = 50_000
	for seed := range uint64(tries) {
		data := scribble(rand.New(rand.NewPCG(seed, 5)), all)
		for _, delta := range []bool{false, true} {
			if checkRead(t, delta, data) {
				taken++
			}
		}
	}
	if taken < tries/4 || taken > tries*7/4 {
		t.Errorf("%d of %d messages are taken", taken, 2*tries)
	}
}

// FuzzMessage reads any bytes as a client may send them.
func FuzzMessage(f *testing.F) {
	all := values(f)
	for seed := range uint64(100) {
		f.Add(seed%2 == 0, scribble(rand.New(rand.NewPCG(seed, 5)), all))
	}
	f.Fuzz(func(t *testing.T, delta bool, data []byte) { checkRead(t, delta, data) })
}

// field returns a field of bytes.
func field(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

// What is taken of a message is bounded, whatever is in it, and so is what reading it takes.
func TestReadingTakesLittleMemory(t *testing.T) {
	tests := map[string]struct {
		delta bool
		part  string             // which makes up all of the message, again and again
		in    []protowire.Number // the fields that it is in, the inner ones first
		want  codes.Code
	}{
		"names":                      {false, "\x1a\x00", nil, codes.ResourceExhausted},
		"names to subscribe to":      {true, "\x1a\x00", nil, codes.ResourceExhausted},
		"names to unsubscribe from":  {true, "\x22\x00", nil, codes.ResourceExhausted},
		"a long name":                {false, "n", []protowire.Number{3}, codes.InvalidArgument},
		"a long name to subscribe":   {true, "n", []protowire.Number{3}, codes.InvalidArgument},
		"a long name to unsubscribe": {true, "n", []protowire.Number{4}, codes.InvalidArgument},
		"extensions of the node":     {false, "\x4a\x00", []protowire.Number{2}, codes.InvalidArgument},
		"extensions, delta":          {true, "\x4a\x00", []protowire.Number{1}, codes.InvalidArgument},
		"metadata of the node":       {true, "\x0a\x00", []protowire.Number{3, 1}, codes.InvalidArgument},
		"many nodes":                 {false, "\x12\x02\x4a\x00", nil, codes.InvalidArgument},
		"many empty nodes":           {true, "\x0a\x00", nil, codes.OK},
		"many empty versions":        {true, "\x2a\x00", nil, codes.OK},
		"versions of one resource":   {true, "\x2a\x04\x12\x02vv", nil, codes.OK},
		"a long version":             {true, "v", []protowire.Number{2, 5}, codes.OK},
		"versions of a long name":    {true, "n", []protowire.Number{1, 5}, codes.OK},
		"details of a refusal":       {false, "\x1a\x00", []protowire.Number{6}, codes.OK},
		"details, delta":             {true, "\x1a\x00", []protowire.Number{7}, codes.OK},
		"a long refusal":             {true, "n", []protowire.Number{2, 7}, codes.OK},
		"many refusals":              {true, "\x3a\x04\x12\x02no", nil, codes.OK},
		"a long nonce":               {false, "n", []protowire.Number{5}, codes.OK},
		"many nonces":                {false, "\x2a\x02nn", nil, codes.OK},
		"a long type":                {false, "t", []protowire.Number{4}, codes.OK},
		"many types":                 {true, "\x12\x02tt", nil, codes.OK},
		"locators":                   {false, "\x3a\x00", nil, codes.OK},
		"a version":                  {false, "v", []protowire.Number{1}, codes.OK},
		"numbers":                    {true, "\x08\x01", nil, codes.OK},
		"groups":                     {true, "\x5b\x5c", nil, codes.OK},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			data := bytes.Repeat([]byte(tt.part), maxRequest/len(tt.part)-8)
			for _, number := range tt.in {
				data = field(number, data)
			}
			if fault := readWithin(t, tt.delta, data).fault; status.Code(fault) != tt.want {
				t.Errorf("got %v, want %v", fault, tt.want)
			}
		})
	}
	var versions []byte
	for i := 0; len(versions) < maxRequest-32; i++ {
		versions = append(versions, field(5, field(1, fmt.Append(nil, i)))...)
	}
	if m := readWithin(t, true, versions); len(m.has) != maxNames {
		t.Errorf("%d versions are kept, want %d", len(m.has), maxNames)
	}
}

// readWithin reads a message and fails if that takes more than a few times its memory, what is garbage at once included.
func readWithin(t *testing.T, delta bool, data []byte) message {
	t.Helper()
	var before, after runtime.MemStats
	m := message{delta: delta}
	runtime.ReadMemStats(&before)
	err := m.read(data)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Error(err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 5*uint64(len(data)) {
		t.Errorf("%d bytes for a message of %d", took, len(data))
	}
	return m
}

func TestABoundIsNamed(t *testing.T) {
	tests := map[string][]byte{
		"node of 65537 bytes: want at most 65536":                                             append(field(2, field(1, make([]byte, maxNode-5))), "\x12\x02\x4a\x00"...),
		fmt.Sprintf("%d resource names on one stream: want at most %d", maxNames+1, maxNames): bytes.Repeat(field(3, []byte("web")), maxNames+1),
		"resource name of 513 bytes: want at most 512":                                        field(3, bytes.Repeat([]byte("n"), maxNameLength+1)),
	}
	for want, data := range tests {
		var m message
		if err := m.read(data); err != nil || m.fault == nil || status.Convert(m.fault).Message() != want {
			t.Errorf("got %v (%v), want %s", m.fault, err, want)
		}
	}
	for name, data := range map[string][]byte{
		"node":  append(field(2, field(1, make([]byte, maxNode-6))), "\x12\x02\x4a\x00"...),
		"names": bytes.Repeat(field(3, bytes.Repeat([]byte("n"), 16)), maxNames),
		"name":  field(3, bytes.Repeat([]byte("n"), maxNameLength)),
	} {
		if !checkRead(t, false, data) {
			t.Errorf("the largest %s is not taken", name)
		}
	}
}

func TestAnAcknowledgementTakesNothingButItsNonce(t *testing.T) {
	tests := map[string]struct {
		delta bool
		req   proto.Message
		most  float64
	}{
		"state of the world": {false, &discoveryv3.DiscoveryRequest{VersionInfo: "a version", TypeUrl: EndpointType, ResponseNonce: newNonce()}, 1},
		"incremental":        {true, &discoveryv3.DeltaDiscoveryRequest{TypeUrl: EndpointType, ResponseNonce: newNonce()}, 1},
		"a refusal": {true, &discoveryv3.DeltaDiscoveryRequest{
			TypeUrl: RouteType, ResponseNonce: newNonce(), ErrorDetail: &rpcstatus.Status{Code: 3, Message: "no such cluster"},
		}, 2},
	}
	for name, tt := range tests {
		data, err := proto.Marshal(tt.req)
		if err != nil {
			t.Fatal(err)
		}
		m := message{delta: tt.delta}
		if n := testing.AllocsPerRun(100, func() {
			if err := m.read(data); err != nil {
				t.Fatal(err)
			}
		}); n > tt.most {
			t.Errorf("%s: %.0f allocations, want %.0f", name, n, tt.most)
		}
		if k, ok := kindOf(m.typeURL); !ok || len(m.nonce) < 8 {
			t.Errorf("%s: read %+v, of kind %d", name, m, k)
		}
	}
}
