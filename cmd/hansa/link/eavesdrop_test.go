package link

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation/trust"
)

// eavesdrop runs the port of a member of another clusterset, and returns its address, and what ends it and returns all that it
// was told by who wanted to join.
func eavesdrop(t *testing.T, clusterset string) (address string, heard func() ([]byte, trust.PortStats)) {
	t.Helper()
	ca, err := trust.NewAuthority(clusterset, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c, err := ca.NewMember("east", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	id, err := trust.New(clusterset, "east", c)
	if err != nil {
		t.Fatal(err)
	}
	port, err := trust.Listen(t.Context(), "127.0.0.1:0", id, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	var said []byte
	door := port.Listener(trust.ProtoJoin)
	work.Go(func() { said = listen(door) })
	work.Go(func() {
		if err := port.Start(ctx); err != nil {
			t.Error(err)
		}
	})
	end := func() ([]byte, trust.PortStats) {
		cancel()
		work.Wait()
		return said, port.Stats()
	}
	t.Cleanup(func() { end() })
	return port.Addr().String(), end
}

// listen reads what everybody says who comes through a door, one after the other, until it closes. It answers nobody.
func listen(door net.Listener) (said []byte) {
	for {
		conn, err := door.Accept()
		if errors.Is(err, net.ErrClosed) {
			return said
		}
		if err != nil {
			return append(said, err.Error()...)
		}
		part := make([]byte, 1024) // the secret comes first
		n, _ := io.ReadAtLeast(conn, part, 1)
		said = append(said, part[:n]...)
		conn.Close()
	}
}
