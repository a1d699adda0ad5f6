package kube

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// features is what this cluster's API server can do for a derived Service. It asks by dry runs, as nothing
// that every version serves says so: when the agent starts, and when a Service was refused, but then at most
// every askPause. What it gives no clear answer to counts as had. Safe for use by several goroutines.
type features struct {
	client   client.Client // without a cache: what a dry run makes has no version that one could wait for
	importer *importer.Importer
	log      *slog.Logger

	mu    sync.Mutex
	asked time.Time
	lacks map[string]bool // traffic distributions
}

// askPause is the least time between two rounds of questions.
const askPause = 10 * time.Second

// mostLacking bounds how many distributions are remembered as lacking: beyond them, what peers make up is not
// tried any more.
const mostLacking = 100

// distributions are those of some version of Kubernetes.
var distributions = []string{
	corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameZone, corev1.ServiceTrafficDistributionPreferSameNode,
}

// ask asks for families and distributions, unless it did shortly before now, and returns whether it asked.
func (f *features) ask(ctx context.Context, now time.Time) bool {
	f.mu.Lock()
	due := f.asked.IsZero() || now.Sub(f.asked) >= askPause
	if due {
		f.asked = now
	}
	f.mu.Unlock()
	if !due {
		return false
	}
	var families []federation.IPFamily
	for _, family := range []federation.IPFamily{federation.IPv4, federation.IPv6} {
		if !f.denied(ctx, "spec.ipFamilies", func(s *corev1.ServiceSpec) { s.IPFamilies = []corev1.IPFamily{corev1.IPFamily(family)} }) {
			families = append(families, family)
		}
	}
	f.importer.SetFamilies(families)
	for _, d := range distributions {
		denied := f.denied(ctx, "spec.trafficDistribution", func(s *corev1.ServiceSpec) { s.TrafficDistribution = &d })
		f.note(d, denied)
	}
	return true
}

// denied reports whether the API server would refuse a field of a Service.
func (f *features) denied(ctx context.Context, field string, set func(*corev1.ServiceSpec)) bool {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, GenerateName: "hansa-dry-run-"},
		Spec: corev1.ServiceSpec{
			Type:           corev1.ServiceTypeClusterIP,
			IPFamilyPolicy: new(corev1.IPFamilyPolicySingleStack),
			Ports:          []corev1.ServicePort{{Port: 1}},
		},
	}
	set(&s.Spec)
	err := f.client.Create(ctx, s, client.DryRunAll)
	if refuses(err, field) {
		return true
	}
	if err != nil && ctx.Err() == nil {
		f.log.Warn("a dry run of a Service gives no answer; taking it that this cluster has it", "field", field, "error", err)
	}
	return false
}

func (f *features) note(distribution string, lacking bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lacks == nil {
		f.lacks = map[string]bool{}
	}
	if lacking && (f.lacks[distribution] || len(f.lacks) < mostLacking) {
		f.lacks[distribution] = true
	} else if !lacking {
		delete(f.lacks, distribution)
	}
}

// refused reports whether the API server does not take a traffic distribution.
func (f *features) refused(distribution string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lacks[distribution] || len(f.lacks) >= mostLacking && !slices.Contains(distributions, distribution)
}

// refuses reports whether the API server found a field invalid.
func refuses(err error, field string) bool {
	if !apierrors.IsInvalid(err) {
		return false
	}
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || status.ErrStatus.Details == nil {
		return false
	}
	for _, cause := range status.ErrStatus.Details.Causes {
		if strings.HasPrefix(cause.Field, field) {
			return true
		}
	}
	return false
}

// lesson is what a refusal teaches.
type lesson int

const (
	nothing  lesson = iota
	patience        // it is tried again, or another View comes
	another         // the next plan is another for it
)

// learn takes from a refusal what this API server cannot do. What the plan knew already teaches nothing: planning
// again would not end.
func (d *door) learn(ctx context.Context, name federation.ServiceName, now Current, c Change, err error) lesson {
	derived, ok := c.Object.(*corev1.Service)
	if !ok || c.Verb != Apply && c.Verb != Patch {
		return nothing
	}
	switch {
	case refuses(err, "spec.trafficDistribution") && derived.Spec.TrafficDistribution != nil:
		known := d.features.refused(*derived.Spec.TrafficDistribution)
		d.features.note(*derived.Spec.TrafficDistribution, true)
		if !known && d.features.refused(*derived.Spec.TrafficDistribution) {
			return another
		}
		return patience
	case refuses(err, "spec.clusterIP") || refuses(err, "spec.ipFamilies"):
		asked := refuses(err, "spec.ipFamilies") && d.features.ask(ctx, time.Now())
		ips := slices.DeleteFunc(blamed(err, slices.Clone(derived.Spec.ClusterIPs)), func(ip string) bool { return slices.Contains(now.Taken, ip) })
		if len(ips) > 0 && d.taken.refuse(name, ips, time.Now()) {
			d.log.Warn("the address that a derived Service had cannot be had again; it gets a new one", "service", name.String(), "error", err)
			return another
		}
		if asked || len(ips) > 0 {
			return patience
		}
	}
	return nothing
}
