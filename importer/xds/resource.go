package xds

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"
	"weak"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// The types of the resources that are served.
const (
	ClusterType  = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	EndpointType = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
	ListenerType = "type.googleapis.com/envoy.config.listener.v3.Listener"
	RouteType    = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
)

// kind is a type of resource, in the order in which a client needs those of a new service.
type kind int

const (
	clusterKind kind = iota
	assignmentKind
	listenerKind
	routeKind
	kinds
)

var typeURLs = [kinds]string{ClusterType, EndpointType, ListenerType, RouteType}

// kindOf returns the kind of a type that is served.
func kindOf(typeURL string) (kind, bool) {
	for k, url := range typeURLs {
		if url == typeURL {
			return kind(k), true
		}
	}
	return 0, false
}

// whole reports whether a state-of-the-world response of the kind must hold all that a client is to have: it ends what is
// not in it. Of the other kinds a response says nothing of what it leaves out.
func (k kind) whole() bool { return k == clusterKind || k == listenerKind }

// key names a resource.
type key struct {
	kind kind
	name string
}

// content is what is told under one name. It is immutable and any goroutine may use it: equal contents and Audiences
// give equal bytes, in every replica.
type content interface {
	// equal reports whether o surely says the same. It is quick, and may be false although both do.
	equal(o content) bool
	// narrow returns an Audience with just what bears on this content.
	narrow(Audience) Audience
	// encode returns what an Audience is told, nil for nothing. The error says what is wrong with the content; the body is
	// then without it, nil where nothing else is left.
	encode(Audience) (*body, error)
}

// body is one resource as a client is told it, encoded once for all streams. What is above the blank line is immutable.
type body struct {
	name    string
	version string   // a hash of the pieces
	pieces  [][]byte // one behind the other; they may be shared with other bodies
	size    int      // of all pieces
	gone    bool     // the empty assignment of a cluster that went
	mark    state    // of this body alone

	mu           sync.Mutex
	plain, named weak.Pointer[mem.BufferSlice] // what lay returned for each variant, until memory is cleared
}

// resource is what is told under one name, until that changes. Any goroutine may use it.
type resource struct {
	content content

	mu   sync.Mutex
	told []encoded // one for each Audience that the content tells apart, mostly one or two
}

// encoded is what a content says to an Audience, narrowed by it.
type encoded struct {
	to   Audience
	body *body
	err  error
}

func newResource(c content) *resource { return &resource{content: c} }

// encode returns what the content says to an Audience. It is encoded when the first of the Audience asks.
func (r *resource) encode(a Audience) (*body, error) {
	a = r.content.narrow(a)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.told {
		if r.told[i].to == a {
			return r.told[i].body, r.told[i].err
		}
	}
	if len(r.told) >= maxAudiences { // of Audiences that are gone, most of them
		r.told = nil
	}
	e := encoded{to: a}
	e.body, e.err = r.content.encode(a)
	r.told = append(r.told, e)
	return e.body, e.err
}

// equal reports whether both surely say the same; nil is for none.
func (r *resource) equal(o *resource) bool {
	return r == o || r != nil && o != nil && r.content.equal(o.content)
}

// ended reports whether it is the empty assignment of a cluster that went.
func (r *resource) ended() bool {
	a, ok := r.content.(*assignment)
	return ok && a.gone
}

// pack encodes a message that clients take.
func pack(name string, m proto.Message) (*body, error) {
	if err := validate(m); err != nil {
		return nil, err
	}
	value := encode(m)
	return newBody(name, versionOf(value), value), nil
}

func newBody(name, version string, pieces ...[]byte) *body {
	b := &body{name: name, version: version, pieces: pieces, mark: stateOf(name, version)}
	for _, p := range pieces {
		b.size += len(p)
	}
	return b
}

func versionOf(value []byte) string {
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:8])
}

// value returns the pieces as one.
func (b *body) value() []byte {
	value := make([]byte, 0, b.size)
	for _, p := range b.pieces {
		value = append(value, p...)
	}
	return value
}

// state is a hash of all bodies that a client has of a kind, whatever came in which order: 0 of none. It changes at the cost of
// what changes.
type state uint64

// stateOf returns that of one body.
func stateOf(name, version string) state {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(name + "\x00" + version))
	return state(hash.Sum64())
}

// swap puts one body in the place of another; nil is none.
func (s *state) swap(was, is *body) {
	if was != nil {
		*s ^= was.mark
	}
	if is != nil {
		*s ^= is.mark
	}
}

func (s state) version() string { return strconv.FormatUint(uint64(s), 16) }

// same reports whether a client that has one has the other.
func same(a, b *body) bool {
	return a == b || a != nil && b != nil && a.version == b.version
}

// wrap encodes m as the configuration of an extension.
func wrap(m proto.Message) *anypb.Any {
	return &anypb.Any{TypeUrl: "type.googleapis.com/" + string(proto.MessageName(m)), Value: encode(m)}
}

// encode cannot fail: the only error of a complete message is a string that is not UTF-8, and every
// string of a resource is a checked name or made valid.
func encode(m proto.Message) []byte {
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("xds: encode %s: %v", proto.MessageName(m), err))
	}
	return value
}
