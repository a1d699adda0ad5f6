package xds

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"google.golang.org/grpc/credentials"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

const (
	// DefaultDomain is the zone of the clusterset (KEP-1645, "DNS").
	DefaultDomain = "clusterset.local"
	// DefaultClusterDomain is the zone of a cluster's own Services, as most clusters call it.
	DefaultClusterDomain = "cluster.local"
)

// Config is what a Server needs. All fields but the domains and Stays are mandatory.
type Config struct {
	Address string               // to listen on: host:port, where port 0 takes a free one
	Cluster federation.ClusterID // this cluster, whose word on an address goes first

	Domain        string // of the hosts that hold what clusters export; DefaultDomain where empty
	ClusterDomain string // of the hosts that hold this cluster's own Services; DefaultClusterDomain where empty
	// Stays reports whether a name in ClusterDomain never holds endpoints of other clusters, also with MCSClusterLocal off;
	// its answer never changes. Nil for no name. It is called from one goroutine.
	Stays func(federation.ServiceName) bool

	View  func() *importer.View // returns the newest View; called from one goroutine
	Ready <-chan struct{}       // closes when clients may see the View

	// Credentials protect the streams. Those of google.golang.org/grpc/credentials/insecure, which
	// do not, must be asked for.
	Credentials credentials.TransportCredentials

	// MaxClients is how many clients may be connected; DefaultMaxClients where 0.
	MaxClients int

	Log *slog.Logger
}

// DefaultMaxClients is how many clients may be connected where nobody says otherwise.
const DefaultMaxClients = 5000

var domainForm = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`)

// complete fills in what is left open, and returns what is wrong.
func (c *Config) complete() error {
	if _, err := federation.ParseClusterID(string(c.Cluster)); err != nil {
		return err
	}
	var err error
	if c.Domain, err = domainOf("domain", cmp.Or(c.Domain, DefaultDomain)); err != nil {
		return err
	}
	if c.ClusterDomain, err = domainOf("cluster domain", cmp.Or(c.ClusterDomain, DefaultClusterDomain)); err != nil {
		return err
	}
	if c.Domain == c.ClusterDomain {
		return fmt.Errorf("cluster domain %q: want another than the clusterset's, which has hosts of the same names", c.ClusterDomain)
	}
	if c.Stays == nil {
		c.Stays = func(federation.ServiceName) bool { return false }
	}
	c.MaxClients = cmp.Or(c.MaxClients, DefaultMaxClients)
	if c.MaxClients < 0 {
		return fmt.Errorf("at most %d clients: want more than 0", c.MaxClients)
	}
	if c.Credentials == nil {
		return errors.New("credentials: none given; plaintext must be asked for")
	}
	if c.View == nil || c.Ready == nil || c.Log == nil {
		return errors.New("want View, Ready and Log")
	}
	return nil
}

func domainOf(what, text string) (string, error) {
	domain := strings.TrimSuffix(text, ".")
	if len(domain) > 253 || !domainForm.MatchString(domain) {
		return "", fmt.Errorf("%s %q: want a DNS name of at most 253 characters, in lower case", what, domain)
	}
	return domain, nil
}
