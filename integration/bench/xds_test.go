package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/anypb"
)

// told runs a server with a small crowd, makes changes that all are shown, and returns what the first was told at first.
func told(t *testing.T, task xdsTask) (sum uint64) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	scene := newXDSScene(task.Services, task.Endpoints)
	server, err := task.server(ctx, scene)
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{
		xdsCrowd: xdsCrowd{Address: server.Addr().String(), Connections: 3, Names: task.Services, Services: task.Services},
		shown:    make(chan int, 3),
	}
	if task.Dir != "" {
		c.CA = task.Dir + "/tls.crt"
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return scene.importer.Start(ctx) })
	group.Go(func() error { return server.Start(ctx) })
	group.Go(func() error {
		defer cancel()
		if err := scene.full(ctx); err != nil {
			return err
		}
		scene.importer.Open()
		first, err := c.begin(ctx, group)
		if err != nil {
			return err
		}
		for range 2 * task.Services {
			scene.change()
			if err := c.await(ctx); err != nil {
				return err
			}
		}
		if got, want := c.count(), (xdsCount{Resources: int64(6 * task.Services), Least: int64(2 * task.Services)}); got != want {
			t.Errorf("the clients counted %+v, want %+v", got, want)
		}
		if n := c.differing(); n > 0 {
			t.Errorf("the clients hold different versions of %d services", n)
		}
		sum = first.Sum
		return nil
	})
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, s := range c.streams {
		if err := s.conn.Close(); err != nil {
			t.Error(err)
		}
	}
	return sum
}

func TestBothServersOfXDSTellTheSame(t *testing.T) {
	const services, endpoints = 4, 7
	ours := told(t, xdsTask{Services: services, Endpoints: endpoints})
	if theirs := told(t, xdsTask{Linear: true, Services: services, Endpoints: endpoints}); ours != theirs {
		t.Errorf("clients were told %x by ours, %x by LinearCache", ours, theirs)
	}
	if other := told(t, xdsTask{Services: services, Endpoints: endpoints + 1}); ours == other {
		t.Error("what clients were told is the same for other endpoints")
	}
}

func TestXDSIsServedWithTLS(t *testing.T) {
	dir := t.TempDir()
	if err := writeCertificate(dir); err != nil {
		t.Fatal(err)
	}
	told(t, xdsTask{Services: 2, Endpoints: 2, Dir: dir})
}

func TestClientsSeeThatAChangeIsNotTold(t *testing.T) {
	s := &xdsStream{crowd: &crowd{xdsCrowd: xdsCrowd{Services: 10}}, number: 7}
	resource := func(i int, value string) *discoveryv3.Resource {
		return &discoveryv3.Resource{Name: xdsName(i), Resource: &anypb.Any{Value: []byte(value)}}
	}
	address := changedAddress(13).String()
	whole := fmt.Sprintf("…\x12%c%s\x18…", len(address), address)
	for _, c := range []struct {
		name string
		told []*discoveryv3.Resource
		want string // what the error ends with; "" for none
	}{
		{"just what changed", []*discoveryv3.Resource{resource(3, whole)}, ""},
		{"another one", []*discoveryv3.Resource{resource(4, whole)}, "want of that one"},
		{"more than what changed", []*discoveryv3.Resource{resource(3, whole), resource(4, whole)}, "want of that one"},
		{"nothing", nil, "want of that one"},
		{"as it was before", []*discoveryv3.Resource{resource(3, "…")}, "without " + address},
		{"with a longer address", []*discoveryv3.Resource{resource(3, fmt.Sprintf("\x12%c%s0", len(address)+1, address))}, "without " + address},
	} {
		t.Run(c.name, func(t *testing.T) {
			switch err := s.check(c.told, 13); {
			case err == nil && c.want != "":
				t.Errorf("no error, want one that ends with %q", c.want)
			case err != nil && (c.want == "" || !strings.HasSuffix(err.Error(), c.want)):
				t.Errorf("err = %v, want one that ends with %q", err, c.want)
			}
		})
	}
}

func TestServicesOfWhichClientsHoldDifferentVersionsAreCounted(t *testing.T) {
	c := &crowd{streams: []*xdsStream{
		{versions: map[string]string{"a": "1", "b": "1"}}, {versions: map[string]string{"b": "1", "c": "1"}}, {versions: map[string]string{"b": "1"}},
	}}
	if n := c.differing(); n != 0 {
		t.Errorf("%d services differ where all are the same, want 0", n)
	}
	c.streams[1].versions["b"] = "2"
	if n := c.differing(); n != 1 {
		t.Errorf("%d services differ, want 1", n)
	}
}

func TestSuspicionsAreCounted(t *testing.T) {
	s := &suspicions{}
	log := slog.New(s).With("cluster", "east")
	for _, line := range []string{
		"Suspect member has failed, no acks received", "Marking member as failed, suspect timeout reached (3 peer confirmations)",
		"Failed UDP ping: member (timeout reached)", "Stream connection from=10.0.0.1:80",
	} {
		log.Debug("memberlist", "said", line)
	}
	if got := s.n.Load(); got != 2 {
		t.Errorf("%d suspicions are counted, want 2", got)
	}
}
