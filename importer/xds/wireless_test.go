package xds

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hansa-mcs/hansa/importer"
)

// wireless is the end of a stream that has no wire: what is sent to it goes to hand, and what it says comes from say.
type wireless struct {
	grpc.ServerStream
	ctx  context.Context
	hand func(*response) error // stands for the wire; called by one goroutine
	in   chan message
	left chan struct{} // closed when it goes
	late *message      // is received once the stream ended, as gRPC may do
	done chan error    // how the stream ended
}

// newDeafServer is a Server that is not on the network. Its workers work until the end of the test.
func newDeafServer(t *testing.T) *Server {
	t.Helper()
	s, err := New(Config{
		Address: "127.0.0.1:0", Cluster: "own", View: importer.Empty, Ready: make(chan struct{}),
		Credentials: insecure.NewCredentials(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.listener.Close(); err != nil {
		t.Fatal(err)
	}
	var working sync.WaitGroup
	for range workers() {
		working.Go(s.turns.work)
	}
	t.Cleanup(func() {
		s.turns.end()
		working.Wait()
	})
	return s
}

// begin serves a client of the incremental variant. end makes it go, and waits until its handler returned.
func (w *wireless) begin(t *testing.T, s *Server) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	w.ctx, w.in, w.left, w.done = ctx, make(chan message, 16), make(chan struct{}), make(chan error, 1)
	go func() {
		err := (&doors{s}).serve(w, true)
		cancel()
		w.done <- err
	}()
	return func() {
		t.Helper()
		close(w.left)
		if err := <-w.done; err != nil {
			t.Errorf("the stream ended with %v", err)
		}
	}
}

// say does not wait for a stream that ends. Any goroutine may call it, hand too.
func (w *wireless) say(m message) {
	select {
	case w.in <- m:
	case <-w.left:
	case <-w.ctx.Done():
	}
}

func (w *wireless) Context() context.Context { return w.ctx }

func (w *wireless) SendMsg(m any) error { return w.hand(m.(*response)) }

// RecvMsg hands on what the test says.
func (w *wireless) RecvMsg(into any) (err error) {
	*into.(*message), err = w.recv()
	return err
}

func (w *wireless) recv() (message, error) {
	select {
	case m := <-w.in:
		return m, nil
	case <-w.left:
		return message{}, io.EOF
	case <-w.ctx.Done():
		if w.late != nil {
			m := *w.late
			w.late = nil
			return m, nil
		}
		return message{}, w.ctx.Err()
	}
}

// wants is a request for names of the incremental variant.
func wants(k kind, names ...string) message {
	return message{typeURL: typeURLs[k], request: request{subscribe: names}}
}

// takes is the acknowledgement of a response.
func takes(r *response) message {
	return message{typeURL: typeURLs[r.kind], request: request{nonce: r.nonce}}
}
