package reach

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// node is a node's end of port-forwarding, in the protocol of Kubernetes' own library: no pod runs in the lab. The API
// server comes to it as to a kubelet. Each pod's port leads to an address of this machine.
type node struct {
	*httptest.Server
	ports map[string]string // address, by pod
	work  sync.WaitGroup
}

func newNode(t *testing.T, ports map[string]string) *node {
	n := &node{ports: ports}
	n.Server = httptest.NewTLSServer(http.HandlerFunc(n.forward))
	t.Cleanup(func() {
		n.CloseClientConnections()
		n.Close()
		n.work.Wait()
	})
	return n
}

// forward serves /portForward/NAMESPACE/POD. A client opens two streams for each connection: one for its bytes, and one on
// which it is told what went wrong.
func (n *node) forward(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	address, ok := n.ports[parts[len(parts)-1]]
	if !ok || parts[1] != "portForward" {
		http.NotFound(w, r)
		return
	}
	if _, err := httpstream.Handshake(r, w, []string{"portforward.k8s.io"}); err != nil {
		return
	}
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		if s.Headers().Get(corev1.StreamType) == corev1.StreamTypeData {
			n.work.Go(func() { pipe(s, address) })
		} else {
			n.work.Go(func() { _ = s.Close() })
		}
		return nil
	})
	if conn == nil {
		return
	}
	defer conn.Close()
	<-conn.CloseChan()
}

func pipe(s httpstream.Stream, address string) {
	defer s.Close()
	c, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() { _, _ = io.Copy(s, c); _ = s.Close() })
	_, _ = io.Copy(c, s)
	c.Close()
	back.Wait()
}
