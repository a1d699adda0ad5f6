package trust

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/hansa-mcs/hansa/federation"
)

// maxClusterset is the longest DNS name, and so the longest clusterset.
const maxClusterset = 253

var oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// uriTag is the tag of a uniformResourceIdentifier among the GeneralNames (RFC 5280, 4.2.1.6).
const uriTag = 6

// Peer returns the cluster that the certificate at the other end of a connection names. It checks the
// name alone; the configurations of an Identity have checked the chain before.
func Peer(state tls.ConnectionState, clusterset string) (federation.ClusterID, error) {
	if len(state.PeerCertificates) == 0 {
		return "", errors.New("the peer showed no certificate")
	}
	return clusterOf(state.PeerCertificates[0], clusterset)
}

// ParseClusterset returns s if it can name a clusterset: an RFC 1123 DNS name in lower case.
func ParseClusterset(s string) (string, error) {
	if len(s) > maxClusterset {
		return "", fmt.Errorf("clusterset %q: want a DNS name of at most %d characters", s[:maxClusterset]+"…", maxClusterset)
	}
	for label := range strings.SplitSeq(s, ".") {
		if _, err := federation.ParseClusterID(label); err != nil {
			return "", fmt.Errorf("clusterset %q: want a DNS name in lower case, such as mesh.example.org", s)
		}
	}
	return s, nil
}

// memberURI returns the name of a cluster's certificate.
func memberURI(clusterset string, cluster federation.ClusterID) *url.URL {
	return &url.URL{Scheme: "spiffe", Host: clusterset, Path: "/cluster/" + string(cluster)}
}

// clusterOf returns the cluster that a leaf certificate names: it must carry one subject alternative
// name of any kind, and that must be the URI spiffe://<clusterset>/cluster/<cluster-id> to the letter.
// The extension's own text is compared, since a parsed URL hides an empty port or fragment.
func clusterOf(leaf *x509.Certificate, clusterset string) (federation.ClusterID, error) {
	want := memberURI(clusterset, "")
	names, err := altNames(leaf)
	if err != nil {
		return "", err
	}
	if len(names) != 1 || names[0].Class != asn1.ClassContextSpecific || names[0].Tag != uriTag {
		return "", fmt.Errorf("the certificate carries %d subject alternative names, want exactly one, the URI %s<cluster-id>", len(names), want)
	}
	uri := string(names[0].Bytes)
	id, ok := strings.CutPrefix(uri, want.String())
	if !ok {
		return "", fmt.Errorf("the certificate names %q, want %s<cluster-id>", clip(uri), want)
	}
	cluster, err := federation.ParseClusterID(id)
	if err != nil {
		return "", fmt.Errorf("the certificate names %q: %w", clip(uri), err)
	}
	return cluster, nil
}

// altNames returns the GeneralNames of a certificate's subjectAltName, none if it has no such extension.
func altNames(cert *x509.Certificate) ([]asn1.RawValue, error) {
	var names []asn1.RawValue
	for _, ext := range cert.Extensions {
		if !ext.Id.Equal(oidSubjectAltName) {
			continue
		}
		if rest, err := asn1.Unmarshal(ext.Value, &names); err != nil || len(rest) > 0 {
			return nil, errors.New("the certificate's subject alternative names cannot be read")
		}
	}
	return names, nil
}

// clip keeps what a stranger sent from filling an error message.
func clip(s string) string {
	const most = 128
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
