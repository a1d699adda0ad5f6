package xds

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"google.golang.org/grpc/credentials"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// DefaultDomain is the zone of the clusterset (KEP-1645, "DNS").
const DefaultDomain = "clusterset.local"

// Config is what a Server needs. All fields but Domain are mandatory.
type Config struct {
	Address string               // to listen on: host:port, where port 0 takes a free one
	Cluster federation.ClusterID // this cluster, whose word on an address goes first
	Domain  string               // of the hosts; DefaultDomain where empty

	View  func() *importer.View // returns the newest View; called from one goroutine
	Ready <-chan struct{}       // closes when clients may see the View

	// Credentials protect the streams. Those of google.golang.org/grpc/credentials/insecure, which
	// do not, must be asked for.
	Credentials credentials.TransportCredentials

	Log *slog.Logger
}

var domainForm = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`)

// complete fills in what is left open, and returns what is wrong.
func (c *Config) complete() error {
	if _, err := federation.ParseClusterID(string(c.Cluster)); err != nil {
		return err
	}
	if c.Domain == "" {
		c.Domain = DefaultDomain
	}
	c.Domain = strings.TrimSuffix(c.Domain, ".")
	if len(c.Domain) > 253 || !domainForm.MatchString(c.Domain) {
		return fmt.Errorf("domain %q: want a DNS name of at most 253 characters, in lower case", c.Domain)
	}
	if c.Credentials == nil {
		return errors.New("credentials: none given; plaintext must be asked for")
	}
	if c.View == nil || c.Ready == nil || c.Log == nil {
		return errors.New("want View, Ready and Log")
	}
	return nil
}
