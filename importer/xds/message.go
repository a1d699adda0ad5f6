package xds

import (
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// message is one message of a client. Which variant it is of is said before it is read.
type message struct {
	delta bool
	request
	typeURL string
	node    *corev3.Node // nil where it does not say again who it is
	detail  string       // why it refuses
}

// read takes what a client sent. Most of it acknowledges a response, and has no field but those of acknowledgement; that
// is not worth a whole message.
func (m *message) read(data []byte) error {
	if m.acknowledgement(data) {
		return nil
	}
	if m.delta {
		var req discoveryv3.DeltaDiscoveryRequest
		if err := proto.Unmarshal(data, &req); err != nil {
			return err
		}
		*m = newDeltaMessage(&req)
		return nil
	}
	var req discoveryv3.DiscoveryRequest
	if err := proto.Unmarshal(data, &req); err != nil {
		return err
	}
	*m = newMessage(&req)
	return nil
}

// acknowledgement reads a message of the incremental variant that names nothing, and reports whether it is one.
func (m *message) acknowledgement(data []byte) bool {
	if !m.delta {
		return false
	}
	for len(data) > 0 {
		field, kind, n := protowire.ConsumeTag(data)
		if n < 0 || kind != protowire.BytesType || field != requestType && field != requestNonce {
			return false
		}
		value, size := protowire.ConsumeBytes(data[n:])
		if size < 0 {
			return false
		}
		if data = data[n+size:]; field == requestNonce {
			m.nonce = string(value)
			continue
		}
		i := slices.IndexFunc(typeURLs[:], func(url string) bool { return url == string(value) })
		if i < 0 {
			return false
		}
		m.typeURL = typeURLs[i]
	}
	return true
}

// The numbers of the fields of an acknowledgement (envoy.service.discovery.v3.DeltaDiscoveryRequest).
const (
	requestType  protowire.Number = 2
	requestNonce protowire.Number = 6
)

func newMessage(req *discoveryv3.DiscoveryRequest) message {
	return message{
		request: request{nonce: req.GetResponseNonce(), refused: req.GetErrorDetail() != nil, names: req.GetResourceNames()},
		typeURL: req.GetTypeUrl(),
		node:    req.GetNode(),
		detail:  req.GetErrorDetail().GetMessage(),
	}
}

func newDeltaMessage(req *discoveryv3.DeltaDiscoveryRequest) message {
	return message{
		delta: true,
		request: request{
			nonce: req.GetResponseNonce(), refused: req.GetErrorDetail() != nil,
			subscribe: req.GetResourceNamesSubscribe(), unsubscribe: req.GetResourceNamesUnsubscribe(), has: req.GetInitialResourceVersions(),
		},
		typeURL: req.GetTypeUrl(),
		node:    req.GetNode(),
		detail:  req.GetErrorDetail().GetMessage(),
	}
}
