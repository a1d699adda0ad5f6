package xds

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers of the fields of envoy.config.route.v3.RouteConfiguration.
const (
	routesName  protowire.Number = 1
	routesHosts protowire.Number = 2
)

// routes is the RouteConfiguration of the listener EgressName: it chooses by the Host of a request among all hosts. It is of Envoy
// alone: gRPC has its routes in its listeners.
type routes struct{ hosts []*host } // sorted by name

// host is a virtual host, encoded when it is first asked for. Routes that have it share it.
type host struct {
	spec virtualHost

	once    sync.Once
	encoded []byte // as a field of a RouteConfiguration
	sum     [sha256.Size]byte
	err     error
}

func (h *host) encode() ([]byte, error) {
	h.once.Do(func() {
		m := h.spec.message()
		if h.err = validate(m); h.err != nil {
			h.err = fmt.Errorf("virtual host %s: %w", h.spec.name, h.err)
			return
		}
		h.encoded = protowire.AppendBytes(protowire.AppendTag(nil, routesHosts, protowire.BytesType), encode(m))
		h.sum = sha256.Sum256(h.encoded)
	})
	return h.encoded, h.err
}

// with returns the routes with virtual hosts that came or changed, by name; a spec without a name is for one that went. It
// reports whether that is anything: most changes of a service are none of its routes.
func (r routes) with(changes map[string]virtualHost) (next routes, changed bool) {
	changes = maps.Clone(changes)
	maps.DeleteFunc(changes, func(name string, spec virtualHost) bool { return spec == r.find(name) })
	if len(changes) == 0 {
		return r, false
	}
	kept := make([]*host, 0, len(r.hosts))
	for _, h := range r.hosts {
		if _, differs := changes[h.spec.name]; !differs {
			kept = append(kept, h)
		}
	}
	var added []*host
	for _, spec := range changes {
		if spec.name != "" {
			added = append(added, &host{spec: spec})
		}
	}
	slices.SortFunc(added, compareHosts)
	return routes{merge(kept, added)}, true
}

// find returns the virtual host of a name, one without a name for none.
func (r routes) find(name string) virtualHost {
	i, found := slices.BinarySearchFunc(r.hosts, name, func(h *host, name string) int { return cmp.Compare(h.spec.name, name) })
	if !found {
		return virtualHost{}
	}
	return r.hosts[i].spec
}

func compareHosts(a, b *host) int { return cmp.Compare(a.spec.name, b.spec.name) }

// merge returns two sorted lists as one.
func merge(a, b []*host) []*host {
	if len(b) == 0 {
		return a
	}
	all := make([]*host, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if compareHosts(a[0], b[0]) < 0 {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return append(append(all, a...), b...)
}

func (r routes) equal(o content) bool {
	other, ok := o.(routes)
	return ok && slices.EqualFunc(r.hosts, other.hosts, func(a, b *host) bool { return a.spec == b.spec })
}

func (r routes) narrow(a Audience) Audience { return Audience{Kind: a.Kind} }

// encode leaves out virtual hosts that are not valid.
func (r routes) encode(a Audience) (*body, error) {
	if a.Kind != Envoy {
		return nil, nil
	}
	name := protowire.AppendString(protowire.AppendTag(nil, routesName, protowire.BytesType), EgressName)
	pieces := append(make([][]byte, 0, 1+len(r.hosts)), name)
	sum := sha256.New()
	var first error
	for _, h := range r.hosts {
		encoded, err := h.encode()
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		pieces = append(pieces, encoded)
		_, _ = sum.Write(h.sum[:])
	}
	return newBody(EgressName, hex.EncodeToString(sum.Sum(nil)[:8]), pieces...), first
}
