package xds

import (
	"log/slog"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc/credentials/insecure"

	"github.com/hansa-mcs/hansa/importer"
)

func TestAWrongConfigurationIsRefusedAtOnce(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	tests := map[string]struct {
		change func(*Config)
		want   string
	}{
		"address in use": {func(c *Config) { c.Address = taken.Addr().String() }, "listen on \"" + taken.Addr().String() + "\""},
		"no port":        {func(c *Config) { c.Address = "localhost" }, `listen on "localhost"`},
		"cluster":        {func(c *Config) { c.Cluster = "A_b" }, `cluster ID "A_b": want`},
		"domain":         {func(c *Config) { c.Domain = "not a domain" }, `domain "not a domain": want`},
		"cluster domain": {func(c *Config) { c.ClusterDomain = "Cluster.Local" }, `cluster domain "Cluster.Local": want`},
		"one domain for both": {
			func(c *Config) { c.Domain, c.ClusterDomain = "example.org", "example.org." },
			`cluster domain "example.org": want another than the clusterset's`,
		},
		"nothing protected": {func(c *Config) { c.Credentials = nil }, "plaintext must be asked for"},
		"no View":           {func(c *Config) { c.View = nil }, "want View"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := Config{
				Address: "127.0.0.1:0", Cluster: "own", View: importer.Empty, Ready: make(chan struct{}),
				Credentials: insecure.NewCredentials(), Log: slog.New(slog.DiscardHandler),
			}
			tt.change(&c)
			s, err := New(c)
			if err == nil {
				_ = s.listener.Close()
				t.Fatal("taken")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
		})
	}
}
