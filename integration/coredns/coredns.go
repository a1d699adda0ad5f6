// Package coredns runs the real CoreDNS, of the release that integration/lab/coredns requires, as a process of
// the caller: [Build] makes the program, once for a machine, and [Start] runs it with a Corefile.
package coredns

import (
	"context"
	"net"
	"time"

	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// grace is how long a CoreDNS may take to end: its health and ready ports wait five seconds for their clients.
const grace = 10 * time.Second

// Config says what Start starts.
type Config struct {
	// Binary is the path of CoreDNS, of Build.
	Binary string
	// Corefile is the configuration as an operator writes it: server blocks end their names with :53, for which
	// the server has a port of its own. Each block is bound to loopback and has the plugin ready, so it must name
	// neither; opening braces end a line, and closing ones are alone.
	Corefile string
	// Kubeconfig is the path of the file by which the plugin kubernetes finds its cluster. Empty adds none. The
	// plugin must have a block of its own, with braces.
	Kubeconfig string
	// Env is the process's environment, nothing of the caller's is inherited.
	Env []string
	// Dir is where the Corefile and the log are written, and stay. Empty means a directory that Stop removes.
	Dir string
}

// Server is a running CoreDNS.
type Server struct {
	*lab.Server

	// Address is the host:port at which it answers, by UDP and by TCP.
	Address string
}

// Start runs CoreDNS and returns once it is ready, which with the plugin kubernetes means that it has read all
// objects of its cluster. The end of ctx ends only the starting. After an error nothing runs; otherwise the
// caller must call Stop. It ends with the calling process at the latest.
func Start(ctx context.Context, config Config) (*Server, error) {
	address, err := lab.FreeAddress()
	if err != nil {
		return nil, err
	}
	ready, err := lab.FreeAddress()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	server, err := lab.StartServer(ctx, lab.ServerConfig{
		Name: "CoreDNS", Path: config.Binary, Args: []string{"-conf"}, Env: config.Env, Dir: config.Dir,
		File: "Corefile", Content: []byte(settle(config.Corefile, place{port, ready, config.Kubeconfig})),
		Ready: func(ctx context.Context) error { return serves(ctx, address, ready) },
		Grace: grace,
	})
	if err != nil {
		return nil, err
	}
	return &Server{server, address}, nil
}

// serves returns nil when CoreDNS has all that it answers from, and answers. It says that it is ready before it listens.
func serves(ctx context.Context, address, ready string) error {
	if _, err := probe.Fetch(ctx, "http://"+ready+"/ready"); err != nil {
		return err
	}
	if _, err := probe.Query(ctx, address, ".", "NS"); err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}
