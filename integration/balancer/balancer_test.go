package balancer_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hansa-mcs/hansa/integration/balancer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs something until the test ends, or stop is called.
func start(t *testing.T, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func startBalancer(t *testing.T, seed uint64, backends ...string) (*balancer.Balancer, func()) {
	t.Helper()
	b, err := balancer.Listen(t.Context(), seed, backends...)
	if err != nil {
		t.Fatal(err)
	}
	return b, start(t, b.Start)
}

// startNamed runs a backend that says its name and hangs up.
func startNamed(t *testing.T, name string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { l.Close() })
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, name)
			conn.Close()
		}
	})
	return l.Addr().String()
}

func dial(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	return conn.(*net.TCPConn)
}

// names asks for the names behind an address, one connection after the other.
func names(t *testing.T, address string, times int) (got []string) {
	t.Helper()
	for range times {
		name, err := io.ReadAll(dial(t, address))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(name))
	}
	return got
}

func TestASeedPicksTheSameBackends(t *testing.T) {
	one, two := startNamed(t, "1"), startNamed(t, "2")
	var runs [3][]string
	for i, seed := range []uint64{7, 7, 8} {
		b, _ := startBalancer(t, seed, one, two)
		runs[i] = names(t, b.Addr().String(), 32)
		if handed := b.Handed(); handed[one] == 0 || handed[two] == 0 || handed[one]+handed[two] != 32 {
			t.Errorf("handed %v", handed)
		}
	}
	if !slices.Equal(runs[0], runs[1]) || slices.Equal(runs[0], runs[2]) {
		t.Errorf("seeds 7, 7 and 8 picked\n%v\n%v\n%v", runs[0], runs[1], runs[2])
	}
}

func TestBackendsCanBeReplaced(t *testing.T) {
	one, two := startNamed(t, "1"), startNamed(t, "2")
	b, _ := startBalancer(t, 1, one)
	for _, step := range []struct {
		backends []string
		want     []string
	}{{[]string{one}, []string{"1", "1"}}, {[]string{two}, []string{"2", "2"}}, {nil, []string{"", ""}}} {
		b.SetBackends(step.backends...)
		if got := names(t, b.Addr().String(), 2); !slices.Equal(got, step.want) {
			t.Errorf("%v: got %q, want %q", step.backends, got, step.want)
		}
	}
}

func TestBytesAndTheirEndPassThrough(t *testing.T) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b, stop := startBalancer(t, 1, l.Addr().String())
	client := dial(t, b.Addr().String())
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(data)
	var echoing sync.WaitGroup
	echoing.Go(func() {
		heard, err := io.ReadAll(server) // ends as soon as the client has said everything
		if err != nil {
			t.Error(err)
		}
		server.Write(heard)
		server.Close()
	})
	client.Write(data)
	client.CloseWrite()
	if got, err := io.ReadAll(client); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes (equal: %t), %v", len(got), bytes.Equal(got, data), err)
	}
	echoing.Wait()

	open := dial(t, b.Addr().String())
	stop()
	if _, err := open.Read(make([]byte, 1)); err == nil {
		t.Error("open after the end")
	}
}

func TestADeadBackendIsNotReplaced(t *testing.T) {
	alive := startNamed(t, "alive")
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := l.Addr().String()
	l.Close()
	b, _ := startBalancer(t, 1, alive, dead)
	got := names(t, b.Addr().String(), 32)
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, []string{"", "alive"}) {
		t.Errorf("got %q, want both", got)
	}
}
