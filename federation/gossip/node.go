package gossip

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

const (
	maxAddress     = 262 // a DNS name, brackets or not, and a port
	maxIncarnation = 32
	metaFormat     = 1
)

// newNodeName returns the name of a node of the cluster that starts at now. Incarnations have one width
// and begin with the time, so that of two nodes of a cluster the later one has the greater name.
func newNodeName(cluster federation.ClusterID, now time.Time) string {
	var salt [4]byte
	rand.Read(salt[:]) // never fails (crypto/rand)
	return fmt.Sprintf("%s/%012x%x", cluster, max(0, now.UnixMilli()), salt)
}

// parseNodeName returns the cluster of a node.
func parseNodeName(name string) (federation.ClusterID, error) {
	id, incarnation, _ := strings.Cut(name, "/")
	cluster, err := federation.ParseClusterID(id)
	if err != nil {
		return "", err
	}
	if len(incarnation) == 0 || len(incarnation) > maxIncarnation || strings.Trim(incarnation, "0123456789abcdef") != "" {
		return "", fmt.Errorf("want an incarnation of 1 to %d hexadecimal digits after %s/", maxIncarnation, cluster)
	}
	return cluster, nil
}

// encodeMeta returns the Meta of a node: a format, then the length of its address and the address.
func encodeMeta(address string) []byte {
	// CheckAddress has bounded the address, at more than one byte can count.
	return append([]byte{metaFormat, byte(len(address) >> 8), byte(len(address))}, address...)
}

// decodeMeta returns the address in a node's Meta. What follows it is left to later versions.
func decodeMeta(meta []byte) (address string, err error) {
	if len(meta) < 3 || meta[0] != metaFormat {
		return "", errors.New("the Meta is of an unknown format")
	}
	n := int(meta[1])<<8 | int(meta[2])
	if n > len(meta)-3 {
		return "", errors.New("the Meta is cut short")
	}
	address = string(meta[3 : 3+n])
	return address, CheckAddress(address)
}

// CheckAddress returns an error unless s is a host:port on which a member can be: a DNS name or an IP
// address that belongs to one host, and a port from 1 to 65535.
func CheckAddress(s string) error {
	if len(s) > maxAddress {
		return fmt.Errorf("address %q…: want host:port with at most %d characters", s[:64], maxAddress)
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("address %q: want host:port", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("address %q: want host:port with a port from 1 to 65535", s)
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() {
			return fmt.Errorf("address %q: want host:port of one host that others can reach", s)
		}
		return nil
	}
	if !isHostName(host) {
		return fmt.Errorf("address %q: want host:port with an IP address or a DNS name as host", s)
	}
	return nil
}

// isHostName reports whether s is a DNS name, perhaps with a dot at its end.
func isHostName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	for label := range strings.SplitSeq(strings.ToLower(s), ".") {
		if _, err := federation.ParseClusterID(strings.ReplaceAll(label, "_", "a")); err != nil {
			return false
		}
	}
	return len(s) <= 253
}
