package trust

import (
	"fmt"

	"github.com/hansa-mcs/hansa/federation"
)

// Named returns whose certificate a PEM text holds: of which clusterset, and of which cluster. It looks at the name alone;
// Credentials.Check says what the certificate is worth.
func Named(certPEM []byte) (clusterset string, cluster federation.ClusterID, err error) {
	certs, err := parseCertificates(certPEM)
	if err != nil {
		return "", "", err
	}
	if len(certs[0].URIs) != 1 {
		return "", "", fmt.Errorf("the certificate carries %d URIs, want exactly one, spiffe://<clusterset>/cluster/<cluster-id>", len(certs[0].URIs))
	}
	if clusterset, err = ParseClusterset(certs[0].URIs[0].Host); err != nil {
		return "", "", fmt.Errorf("the certificate's name: %w", err)
	}
	cluster, err = clusterOf(certs[0], clusterset)
	return clusterset, cluster, err
}
