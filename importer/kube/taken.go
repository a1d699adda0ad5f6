package kube

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/hansa-mcs/hansa/federation"
)

// takenAfter is how long an address must be refused before it counts as another's: an API server gives back the
// address of a Service that was deleted a moment after it. It is not asked for longer, though the ServiceImport lives on
// (I7): one that did not get it back by then (Kubernetes 1.33 was seen to lose one in some dozen) keeps it for hours.
const takenAfter = 3 * time.Second

// taken remembers since when former addresses of services are refused. Safe for use by several goroutines.
type taken struct {
	mu    sync.Mutex
	since map[federation.ServiceName]map[string]time.Time
}

// refuse notes that the API server refused addresses, and returns whether one of them counts as another's now.
func (t *taken) refuse(name federation.ServiceName, ips []string, now time.Time) bool {
	t.mu.Lock()
	if t.since == nil {
		t.since = map[federation.ServiceName]map[string]time.Time{}
	}
	if t.since[name] == nil {
		t.since[name] = map[string]time.Time{}
	}
	for _, ip := range ips {
		if _, known := t.since[name][ip]; !known {
			t.since[name][ip] = now
		}
	}
	t.mu.Unlock()
	list := t.list(name, now)
	return slices.ContainsFunc(ips, func(ip string) bool { return slices.Contains(list, ip) })
}

// list returns the addresses that count as others', sorted.
func (t *taken) list(name federation.ServiceName, now time.Time) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []string
	for ip, since := range t.since[name] {
		if now.Sub(since) >= takenAfter {
			list = append(list, ip)
		}
	}
	slices.Sort(list)
	return list
}

// forget is for a service that has its addresses.
func (t *taken) forget(name federation.ServiceName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.since, name)
}

// unallocated is how an API server names the address that it could not allocate; it names none where it could
// not choose one.
var unallocated = regexp.MustCompile(`failed to allocate IP(?: (\S+))?: `)

// blamed returns for which of the addresses that were asked for the API server refused them: all, where it does
// not say.
func blamed(err error, ips []string) []string {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || status.ErrStatus.Details == nil {
		return ips
	}
	for _, cause := range status.ErrStatus.Details.Causes {
		named := unallocated.FindStringSubmatch(cause.Message)
		if named != nil && named[1] == "" {
			return nil
		}
		for i, ip := range ips {
			if named != nil && sameAddress(ip, named[1]) || cause.Field == fmt.Sprintf("spec.ipFamilies[%d]", i) {
				return []string{ip}
			}
		}
	}
	return ips
}

func sameAddress(ip, other string) bool {
	a, err := netip.ParseAddr(ip)
	b, otherErr := netip.ParseAddr(other)
	return err == nil && otherErr == nil && a == b
}
