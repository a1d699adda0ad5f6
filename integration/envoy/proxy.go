package envoy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// grace is how long an Envoy may take to end.
const grace = 10 * time.Second

// Config says what Start starts.
type Config struct {
	// Binary is the path of Envoy, of Find.
	Binary string
	// Bootstrap is the configuration as an operator writes it, YAML or JSON. It must have no admin: Start gives it one.
	Bootstrap string
	// Dir is where the bootstrap and the log are written, and stay. Empty means a directory that Stop removes.
	Dir string
}

// Proxy is a running Envoy.
type Proxy struct {
	*lab.Server

	// Admin is the host:port of its admin interface.
	Admin string
}

// Start runs Envoy and returns once it is live, which with xDS means that it has had its first listeners and clusters, or
// has waited 15 seconds for them. The end of ctx ends only the starting. After an error nothing runs; otherwise the
// caller must call Stop. It ends with the calling process at the latest.
func Start(ctx context.Context, config Config) (*Proxy, error) {
	admin, err := lab.FreeAddress()
	if err != nil {
		return nil, err
	}
	bootstrap, err := administered(config.Bootstrap, admin)
	if err != nil {
		return nil, err
	}
	server, err := lab.StartServer(ctx, lab.ServerConfig{
		// Without hot restart several may run on one machine. The main component would list all extensions that there are.
		Name: "Envoy", Path: config.Binary, Dir: config.Dir,
		Args: []string{"--disable-hot-restart", "--concurrency", "2", "--component-log-level", "main:warning", "--config-path"},
		File: "bootstrap.json", Content: bootstrap,
		Ready: func(ctx context.Context) error { return live(ctx, admin) },
		Grace: grace,
	})
	if err != nil {
		return nil, err
	}
	return &Proxy{server, admin}, nil
}

// administered returns the bootstrap as JSON, with an admin interface.
func administered(bootstrap, admin string) ([]byte, error) {
	var content map[string]any
	if err := yaml.Unmarshal([]byte(bootstrap), &content); err != nil {
		return nil, fmt.Errorf("read the bootstrap of Envoy: %w", err)
	}
	if content == nil || content["admin"] != nil {
		return nil, errors.New("read the bootstrap of Envoy: want a mapping without admin")
	}
	host, port, err := net.SplitHostPort(admin)
	if err != nil {
		return nil, err
	}
	content["admin"] = map[string]any{"address": map[string]any{"socket_address": map[string]any{"address": host, "port_value": port}}}
	return json.Marshal(content)
}

func live(ctx context.Context, admin string) error {
	_, err := probe.Fetch(ctx, "http://"+admin+"/ready")
	return err
}

// Get asks the admin interface for a path, and returns the body of a 200.
func (p *Proxy) Get(ctx context.Context, path string) (string, error) {
	return probe.Fetch(ctx, "http://"+p.Admin+path)
}
