package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/fields"
	networkingv1client "k8s.io/client-go/kubernetes/typed/networking/v1"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
)

// serviceRanges knows where the addresses of this cluster's own Services lie: what another member sends as an
// endpoint there would redirect them. They are what the API server says in ServiceCIDRs, and what --service-cidrs
// says besides. What was read last counts on while it cannot be read.
type serviceRanges struct {
	said  []netip.Prefix // by flag
	cidrs toolscache.SharedIndexInformer
	log   *slog.Logger
	miss  func(error) // warns, once, that ServiceCIDRs cannot be read
	known chan struct{}

	mu  sync.Mutex                     // held by who replaces now
	now atomic.Pointer[[]netip.Prefix] // what it points to never changes
}

// newServiceRanges takes the values of --service-cidrs. Until the first list those alone count.
func newServiceRanges(c *rest.Config, flag []string, log *slog.Logger) (*serviceRanges, error) {
	clients, err := networkingv1client.NewForConfig(c)
	if err != nil {
		return nil, fmt.Errorf("making a client for ServiceCIDRs: %w", err)
	}
	said, err := parseRanges(flag)
	if err != nil {
		return nil, fmt.Errorf("--service-cidrs %w", err)
	}
	all := toolscache.NewListWatchFromClient(clients.RESTClient(), "servicecidrs", "", fields.Everything())
	r := &serviceRanges{
		said:  tidied(said),
		cidrs: toolscache.NewSharedIndexInformer(all, &networkingv1.ServiceCIDR{}, 0, nil),
		log:   log,
		known: make(chan struct{}),
	}
	var once sync.Once
	r.miss = func(err error) {
		once.Do(func() {
			log.Warn("cannot read this cluster's ServiceCIDRs; what other members send is kept out of the ranges of --service-cidrs, and of those read before, alone (docs/roles.yaml has the role that is needed)",
				"service_cidrs", fmt.Sprint(r.said), "error", err)
		})
	}
	r.now.Store(&r.said)
	return r, nil
}

// Own reports whether an address, also an IPv4 one in IPv6's clothes or one with a zone, lies in a range of this
// cluster's own Services. It never blocks.
func (r *serviceRanges) Own(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(*r.now.Load(), func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Known closes once ServiceCIDRs were read, or it is clear that they cannot be, or soon after Start anyhow: whoever
// asks Own before that may be told too little.
func (r *serviceRanges) Known() <-chan struct{} { return r.known }

// Start watches until ctx ends. It may be called once, when the API server is known to answer.
func (r *serviceRanges) Start(ctx context.Context) error {
	cidrs := &follower{
		informer: r.cidrs,
		see:      func(any) { r.read() },
		blind:    r.miss,
		settled:  make(chan struct{}),
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return cidrs.run(ctx) })
	group.Go(func() error {
		r.await(ctx, cidrs.settled)
		return nil
	})
	return group.Wait()
}

// forRanges is how long those who ask for ranges wait for the first list.
const forRanges = 15 * time.Second

var (
	errNotServed = errors.New("the API server serves no networking.k8s.io/v1 ServiceCIDR, which Kubernetes has since 1.33")
	errNoAnswer  = errors.New("the API server has not answered yet; trying on")
)

// await makes it known that the first list was read, or will not be. It can be settled by a refusal to watch, while
// what was listed is still on its way to us.
func (r *serviceRanges) await(ctx context.Context, settled <-chan struct{}) {
	limit := time.NewTimer(forRanges)
	defer limit.Stop()
	select {
	case <-settled:
		if r.cidrs.LastSyncResourceVersion() == "" { // never listed
			r.miss(errNotServed) // unless another reason was told already
			break
		}
		select {
		case <-r.cidrs.HasSyncedChecker().Done():
			r.read()
		case <-ctx.Done():
			return
		}
	case <-limit.C:
		r.miss(errNoAnswer)
	case <-ctx.Done():
		return
	}
	close(r.known)
}

// read takes the ServiceCIDRs that are there now.
func (r *serviceRanges) read() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.take(r.cidrs.GetStore().List())
}

// take makes the ranges those of the flag and of all ServiceCIDRs that there are. Also one that is not ready, or is
// about to go, has addresses in use. mu is held.
func (r *serviceRanges) take(objects []any) {
	all := slices.Clone(r.said)
	for _, obj := range objects {
		cidr, ok := obj.(*networkingv1.ServiceCIDR)
		if !ok {
			continue
		}
		ranges, err := parseRanges(cidr.Spec.CIDRs)
		if err != nil {
			r.log.Error("a ServiceCIDR is not wholly understood", "service_cidr", cidr.Name, "error", err)
		}
		all = append(all, ranges...)
	}
	all = tidied(all)
	if before := *r.now.Swap(&all); !slices.Equal(before, all) {
		r.log.Info("this cluster's service ranges, out of which other members are kept", "ranges", fmt.Sprint(all))
	}
}

// parseRanges returns the prefixes that texts name, and what is wrong with the others.
func parseRanges(texts []string) (ranges []netip.Prefix, err error) {
	var errs []error
	for _, text := range texts {
		p, err := parseRange(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%q: %w", text, err))
			continue
		}
		ranges = append(ranges, p)
	}
	return ranges, errors.Join(errs...)
}

// parseRange takes what is the address of a host in the range for the range, as API servers do.
func parseRange(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, errors.New("want a prefix such as 10.96.0.0/12 or fd00:10:96::/112")
	}
	return p.Masked(), nil
}

// tidied sorts ranges in place, and leaves out those that lie in others.
func tidied(ranges []netip.Prefix) []netip.Prefix {
	slices.SortFunc(ranges, netip.Prefix.Compare) // the wider before what lies in it
	tidy := ranges[:0]
	for _, p := range ranges {
		if n := len(tidy); n == 0 || !tidy[n-1].Overlaps(p) {
			tidy = append(tidy, p)
		}
	}
	return tidy
}
