package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/gossip"
)

// The bounds of one cluster. MaxClusters of them, each as large as these allow, fit into a ConfigMap.
const (
	// MaxAddresses is how many addresses of a cluster are remembered: whichever answers tells of the others.
	MaxAddresses = 3
	maxUID       = 64 // Kubernetes' own have 36 characters
)

// Cluster is what is remembered of one cluster.
type Cluster struct {
	ID  federation.ClusterID
	UID string // of its namespace kube-system; "" while not known
	// Addresses are where it was reached last, as host:port: at most MaxAddresses, sorted.
	Addresses []string
	// Heard is when it was heard last, in whole seconds and UTC; zero if never. It lags up to HeardEvery
	// behind.
	Heard time.Time
	// Left means that it left the clusterset: it is forgotten.
	Left bool

	rest map[string]json.RawMessage // fields that later releases know, compact
	lost bool                       // it is not noted, but of a ConfigMap that was deleted
}

// normal returns the cluster as it is remembered: without what is not valid, which the errors tell, and
// with the first MaxAddresses of its addresses.
func (c Cluster) normal() (Cluster, []error) {
	var faults []error
	if err := checkUID(c.UID); err != nil {
		faults = append(faults, err)
		c.UID = ""
	}
	var wrong []error
	c.Addresses, wrong = valid(c.Addresses)
	faults = append(faults, wrong...)
	c.Addresses = c.Addresses[:min(len(c.Addresses), MaxAddresses)]
	slices.Sort(c.Addresses)
	if !writable(c.Heard) {
		faults = append(faults, fmt.Errorf("heard in the year %d: want one from 1 to 9999", c.Heard.UTC().Year()))
		c.Heard = time.Time{}
	}
	c.Heard = wholeSeconds(c.Heard)
	return c, name(c.ID, faults)
}

// merge returns what is remembered of a cluster once noted is. What noted does not say is no fact, so what was
// remembered of it stays.
func merge(remembered, noted Cluster) Cluster {
	if noted.UID != "" {
		remembered.UID = noted.UID
	}
	if len(noted.Addresses) > 0 {
		remembered.Addresses = noted.Addresses
	}
	if !noted.Heard.IsZero() {
		remembered.Heard = noted.Heard
	}
	return remembered
}

// name makes faults say whose they are.
func name(id federation.ClusterID, faults []error) []error {
	for i, err := range faults {
		faults[i] = fmt.Errorf("cluster %q: %w", id, err)
	}
	return faults
}

// valid returns the valid ones of addresses, each once, in a slice of its own.
func valid(addresses []string) (list []string, faults []error) {
	for _, a := range addresses {
		if err := checkAddress(a); err != nil {
			faults = append(faults, err)
		} else if !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list, faults
}

func checkAddress(s string) error {
	if err := gossip.CheckAddress(s); err != nil {
		return err
	}
	if !plain(s) {
		return fmt.Errorf("address %q: want host:port without a zone", clip(s))
	}
	return nil
}

var errUID = errors.New("want the UID of a namespace, at most 64 characters")

func checkUID(s string) error {
	if len(s) > maxUID || !plain(s) {
		return fmt.Errorf("uid %q: %w", clip(s), errUID)
	}
	return nil
}

// plain reports whether JSON writes s as it is, so that its length bounds what is written. The zone of an IPv6
// address, which could be any text and means nothing elsewhere, is not plain.
func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"\%`, r) })
}

// writable reports whether RFC 3339 can say t.
func writable(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 1 && year <= 9999
}

func wholeSeconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
