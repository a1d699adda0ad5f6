package election

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
)

const (
	// DefaultDuration is how long a Lease is left to a holder that does not renew it: it bounds how long a
	// cluster is without a leader after one was killed.
	DefaultDuration = 10 * time.Second
	// DefaultRenewWithin is how long a leader writes on after its last renewal. What is left of
	// DefaultDuration is for its last writes to end before anybody else begins.
	DefaultRenewWithin = 7 * time.Second
	// DefaultRetry is how often a leader renews: six renewals may fail before it freezes.
	DefaultRetry = time.Second
)

// Config says what an Election is about.
type Config struct {
	// Client is that of the agent's namespace; NewClient makes one that is fit for it.
	Client coordinationv1client.LeaseInterface
	// Namespace is the one of Client, and Name the Lease's in it.
	Namespace, Name string
	// Identity is ours. No other process has its name, neither a sibling nor what we were before a restart.
	Identity Identity
	// Duration is how long a Lease must have been seen unchanged before it is taken from its holder, or as
	// long as the Lease itself says, if that is longer, up to a minute. RenewWithin is how long after its last renewal a leader
	// may write, and Retry how often it renews. Zero means the defaults.
	Duration, RenewWithin, Retry time.Duration
	// Log is told who leads and what is in the way. Nil means nobody.
	Log *slog.Logger
}

// NewClient returns a client of a namespace's Leases that suits an election. It speaks HTTP/1.1, because a
// request that is given up then takes its connection with it: with HTTP/2 every renewal would go on waiting
// on a connection that a firewall forgot. It has no rate limit that a renewal could wait for.
func NewClient(config *rest.Config, namespace string) (coordinationv1client.LeaseInterface, error) {
	c := rest.CopyConfig(config)
	c.NextProtos = []string{"http/1.1"}
	c.QPS = -1
	c.RateLimiter = nil
	client, err := coordinationv1client.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("making the client of the Lease: %w", err)
	}
	return client.Leases(namespace), nil
}

// complete returns c with its defaults, or what is wrong with it.
func (c Config) complete() (Config, error) {
	for value, standard := range map[*time.Duration]time.Duration{
		&c.Duration: DefaultDuration, &c.RenewWithin: DefaultRenewWithin, &c.Retry: DefaultRetry,
	} {
		if *value == 0 {
			*value = standard
		}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Client == nil:
		return c, errors.New("the Client of an election is missing")
	case c.Namespace == "" || c.Name == "":
		return c, fmt.Errorf("the Lease's Namespace %q and Name %q: want both", c.Namespace, c.Name)
	case c.Retry <= 0 || c.RenewWithin <= c.Retry || c.Duration <= c.RenewWithin:
		return c, fmt.Errorf("times Retry %v, RenewWithin %v, Duration %v: want each longer than the one before, and none negative", c.Retry, c.RenewWithin, c.Duration)
	}
	if err := c.Identity.validate(); err != nil {
		return c, fmt.Errorf("our Identity: %w", err)
	}
	return c, nil
}

// within is how long one request may take. Three in a row fit between a renewal and the freeze, and an API
// server that needs almost two Retry for a write can still be led from.
func (c Config) within() time.Duration { return 2 * c.Retry }
