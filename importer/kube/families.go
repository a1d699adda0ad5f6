package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/hansa-mcs/hansa/federation"
)

// allocatable asks the API server, by dry runs, of which IP families it allocates ClusterIPs: nothing that
// every version serves says so. A family of which it gives no clear answer counts as had. c must be a client
// without a cache: what a dry run makes has no version that one could wait for.
func allocatable(ctx context.Context, c client.Client) ([]federation.IPFamily, error) {
	var families []federation.IPFamily
	var unclear error
	for _, f := range []federation.IPFamily{federation.IPv4, federation.IPv6} {
		err := c.Create(ctx, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, GenerateName: "hansa-dry-run-"},
			Spec: corev1.ServiceSpec{
				Type:           corev1.ServiceTypeClusterIP,
				IPFamilyPolicy: new(corev1.IPFamilyPolicySingleStack),
				IPFamilies:     []corev1.IPFamily{corev1.IPFamily(f)},
				Ports:          []corev1.ServicePort{{Port: 1}},
			},
		}, client.DryRunAll)
		if refuses(err, "spec.ipFamilies") {
			continue
		}
		if families = append(families, f); err != nil {
			unclear = fmt.Errorf("asking the API server for an address of %s by a dry run: %w", f, err)
		}
	}
	return families, unclear
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

// learn takes from a refusal what this API server cannot do, and reports whether the next plan is another for
// it.
func (d *door) learn(ctx context.Context, c Change, err error) bool {
	derived, ok := c.Object.(*corev1.Service)
	if !ok || c.Verb != Apply {
		return false
	}
	if s := derived.Spec.TrafficDistribution; s != nil && refuses(err, "spec.trafficDistribution") {
		d.refused.Store(*s, true)
		d.log.Warn("the API server does not know a traffic distribution; leaving it out", "traffic_distribution", *s)
		return true
	}
	if refuses(err, "spec.ipFamilies") {
		if families, unclear := allocatable(ctx, d.plain); unclear == nil {
			d.importer.SetFamilies(families) // which brings another View if they are not what they were
		}
	}
	return false
}
