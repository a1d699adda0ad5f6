package federation

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The bounds of one record. An Export beyond them is refused whole, at the door.
const (
	MaxPorts     = 100     // as many as an EndpointSlice may list
	MaxEndpoints = 100_000 // of one service in one cluster
	MaxSubsets   = 1000    // groups of endpoints that serve other ports than others of the service
	MaxPairs     = 64      // labels, and annotations
	MaxPairBytes = 16 << 10
	MaxConsumers = 256
	MaxDelay     = 365 * 24 * time.Hour // of Quiet
	MaxText      = 253                  // zones, regions, nodes, policies, protocols
)

// Check returns what is wrong with an Export that came from outside, or nil. It holds for every record
// of a Store: names by grammar, known enums, bounded counts and sizes, addresses that can be reached
// from elsewhere.
func (e *Export) Check() error {
	if _, err := ParseClusterID(string(e.Cluster)); err != nil {
		return err
	}
	if err := e.Name.Check(); err != nil {
		return err
	}
	var faults []error
	for _, p := range parts {
		if err := p.check(e); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

func (e *Export) checkType() error {
	if e.Type != ClusterSetIP && e.Type != Headless {
		return fmt.Errorf("type %q: want %s or %s", clip(string(e.Type)), ClusterSetIP, Headless)
	}
	return nil
}

func (e *Export) checkAffinity() error {
	if e.SessionAffinity != "None" && e.SessionAffinity != "ClientIP" {
		return fmt.Errorf("session affinity %q: want None or ClientIP", clip(e.SessionAffinity))
	}
	if s := e.SessionAffinitySeconds; s < 0 || s > 86400 {
		return fmt.Errorf("session affinity timeout %d: want 0 to 86400 seconds", s)
	}
	return nil
}

func (e *Export) checkCreated() error {
	if y := e.Created.UTC().Year(); y < 1970 || y > 9999 {
		return fmt.Errorf("creation time %s: want a year from 1970 to 9999", e.Created.Format(time.RFC3339))
	}
	return nil
}

func (e *Export) checkFamilies() error {
	if len(e.IPFamilies) > 2 || len(e.IPFamilies) == 2 && e.IPFamilies[0] == e.IPFamilies[1] {
		return errors.New("IP families: want at most two, each once")
	}
	if i := slices.IndexFunc(e.IPFamilies, func(f IPFamily) bool { return f != IPv4 && f != IPv6 }); i >= 0 {
		return fmt.Errorf("IP family %q: want %s or %s", clip(string(e.IPFamilies[i])), IPv4, IPv6)
	}
	return nil
}

func (e *Export) checkPolicy() error {
	if p := e.InternalTrafficPolicy; p != "" && p != "Cluster" && p != "Local" {
		return fmt.Errorf("internal traffic policy %q: want Cluster or Local", clip(p))
	}
	return nil
}

func (e *Export) checkConsumers() error {
	if len(e.Consumers) > MaxConsumers {
		return fmt.Errorf("%d consumers: want at most %d", len(e.Consumers), MaxConsumers)
	}
	for _, c := range e.Consumers {
		if !isGlob(c) {
			return fmt.Errorf("consumer %q: want a cluster ID, or one with * for any characters", clip(c))
		}
	}
	return nil
}

func (q Quiet) check() error {
	for _, d := range []Delay{q.Demote, q.Withdraw} {
		if d.After < 0 || d.After > MaxDelay || d.After%time.Second != 0 || !d.Given && d.After != 0 {
			return fmt.Errorf("time for which a quiet cluster is served %s: want whole seconds, at most %s", d.After, MaxDelay)
		}
	}
	return nil
}

func (e *Export) checkPorts() error {
	if len(e.Ports) > MaxPorts {
		return fmt.Errorf("%d ports: want at most %d", len(e.Ports), MaxPorts)
	}
	if len(e.Ports) == 0 && e.Type == ClusterSetIP {
		return fmt.Errorf("no port: want one of a service of type %s", ClusterSetIP)
	}
	for i, p := range e.Ports {
		if err := p.check(); err != nil {
			return err
		}
		if indexPort(e.Ports[:i], p.Name) >= 0 {
			return fmt.Errorf("port name %q: given twice", p.Name)
		}
	}
	return nil
}

func (p Port) check() error {
	if err := checkPort(p.Name, p.Protocol, p.Number); err != nil {
		return err
	}
	if p.AppProtocol != "" && !qualified(p.AppProtocol) {
		return fmt.Errorf("application protocol %q of port %q: %w", clip(p.AppProtocol), p.Name, errQualified)
	}
	return nil
}

func (e *Export) checkSubsets() error {
	if n := len(e.Subsets); n > MaxSubsets {
		return fmt.Errorf("%d subsets: want at most %d", n, MaxSubsets)
	}
	total := 0
	for _, s := range e.Subsets {
		if total += max(1, len(s.Endpoints)); total > MaxEndpoints || len(s.Ports) > MaxPorts {
			return fmt.Errorf("want at most %d endpoints, and %d ports in a subset", MaxEndpoints, MaxPorts)
		}
		for _, p := range s.Ports {
			if err := checkPort(p.Name, p.Protocol, p.Number); err != nil {
				return err
			}
		}
		for _, ep := range s.Endpoints {
			if err := ep.check(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (ep Endpoint) check() error {
	if !Reachable(ep.Address) {
		return fmt.Errorf("endpoint address %s: want one that other clusters can reach", ep.Address)
	}
	if ep.Hostname != "" {
		if err := checkLabel(ep.Hostname); err != nil {
			return fmt.Errorf("endpoint host name %q: %w", clip(ep.Hostname), err)
		}
	}
	return errors.Join(checkText("zone", ep.Zone), checkText("region", ep.Region), checkText("node", ep.Node))
}

// Reachable reports whether an address can mean the same host in every cluster. Loopback, link-local,
// multicast, unspecified, reserved and zoned addresses, and IPv4 in IPv6's clothes, cannot.
func Reachable(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" || a.Is4In6() || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.IsLinkLocalUnicast() {
		return false
	}
	first := a.AsSlice()[0]
	return a.Is6() || first != 0 && first < 240 // 0/8 is "this network", 240/4 is reserved (RFC 6890)
}

func checkPort(name string, protocol Protocol, number uint16) error {
	if name != "" {
		if err := checkLabel(name); err != nil {
			return fmt.Errorf("port name %q: %w", clip(name), err)
		}
	}
	if protocol != TCP && protocol != UDP && protocol != SCTP {
		return fmt.Errorf("protocol %q of port %q: want TCP, UDP or SCTP", clip(string(protocol)), name)
	}
	if number == 0 {
		return fmt.Errorf("port %q: want a number from 1 to 65535", name)
	}
	return nil
}

// checkPairs checks the pairs in the order of their keys, so that the same fault is always told in the same
// words.
func checkPairs(what string, pairs map[string]string, check func(k, v string) error) error {
	size := 0
	for k, v := range pairs {
		size += len(k) + len(v)
	}
	if len(pairs) > MaxPairs || size > MaxPairBytes {
		return fmt.Errorf("%d %s of %d bytes: want at most %d of %d bytes", len(pairs), what, size, MaxPairs, MaxPairBytes)
	}
	for _, k := range slices.Sorted(maps.Keys(pairs)) {
		if err := check(k, pairs[k]); err != nil {
			return fmt.Errorf("%s %q: %w", what, clip(k), err)
		}
	}
	return nil
}

// checkLabelPair and checkAnnotation take what API servers take as metadata, which these pairs become on
// ServiceImports (E8): an owner that is refused can say why, a hundred importers cannot.
func checkLabelPair(k, v string) error {
	if !qualified(k) {
		return fmt.Errorf("key: %w", errQualified)
	}
	if len(v) > maxLabel || v != "" && !nameGrammar.MatchString(v) {
		return fmt.Errorf("value %q: want at most %d letters, digits, '-', '_' and '.', with a letter or digit at both ends", clip(v), maxLabel)
	}
	return nil
}

// checkAnnotation lets a key be of either case, as API servers do.
func checkAnnotation(k, v string) error {
	if !qualified(strings.ToLower(k)) {
		return fmt.Errorf("key: %w", errQualified)
	}
	if !utf8.ValidString(v) {
		return fmt.Errorf("value %q: want UTF-8", clip(v))
	}
	return nil
}

var (
	nameGrammar      = regexp.MustCompile(`^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$`)
	subdomainGrammar = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

	errQualified = errors.New("want [prefix/]name: a DNS subdomain of at most 253 characters as prefix, and a name of 1 to 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends")
)

// qualified reports whether s is a qualified name, as Kubernetes asks of keys and application protocols.
func qualified(s string) bool {
	prefix, name, found := strings.Cut(s, "/")
	if !found {
		name = s
	} else if len(prefix) > MaxText || !subdomainGrammar.MatchString(prefix) {
		return false
	}
	return len(name) <= maxLabel && nameGrammar.MatchString(name)
}

// Reserved reports whether Hansa, the MCS API or kubectl read the key of a label or annotation as their own. To
// export one is no mistake, as tools put them everywhere; but importers leave it out (E8).
func Reserved(key string) bool {
	domain, _, found := strings.Cut(key, "/")
	switch domain {
	case "hansa.dev", "multicluster.kubernetes.io", "multicluster.x-k8s.io", "kubectl.kubernetes.io":
		return found
	}
	return found && strings.HasSuffix(domain, ".hansa.dev")
}

func checkText(what, s string) error {
	if len(s) > MaxText || !utf8.ValidString(s) {
		return fmt.Errorf("%s %q: want at most %d bytes of UTF-8", what, clip(s), MaxText)
	}
	return nil
}
