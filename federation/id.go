package federation

import (
	"errors"
	"fmt"
	"strings"
)

// maxLabel is the longest RFC 1123 label, and so the longest cluster ID and service name.
const maxLabel = 63

// ClusterID names one member cluster: a single RFC 1123 label of at most 63 characters (C3; C4 would
// allow a second label, which label values and DNS servers in use do not carry).
type ClusterID string

// ParseClusterID returns s as a ClusterID, or an error that says what is expected.
func ParseClusterID(s string) (ClusterID, error) {
	if err := checkLabel(s); err != nil {
		return "", fmt.Errorf("cluster ID %q: %w", clip(s), err)
	}
	return ClusterID(s), nil
}

// ServiceName is the namespaced name of a service, the same service in every cluster (C2, C5).
type ServiceName struct {
	Namespace, Name string
}

// String returns namespace/name.
func (n ServiceName) String() string { return n.Namespace + "/" + n.Name }

// Compare orders names by namespace, then by name.
func (n ServiceName) Compare(o ServiceName) int {
	if c := strings.Compare(n.Namespace, o.Namespace); c != 0 {
		return c
	}
	return strings.Compare(n.Name, o.Name)
}

// Check returns an error unless both parts are RFC 1123 labels, as Kubernetes asks of a namespace and
// of a Service (D12).
func (n ServiceName) Check() error {
	if err := checkLabel(n.Namespace); err != nil {
		return fmt.Errorf("namespace %q: %w", clip(n.Namespace), err)
	}
	if err := checkLabel(n.Name); err != nil {
		return fmt.Errorf("service name %q: %w", clip(n.Name), err)
	}
	return nil
}

var errLabel = errors.New("want an RFC 1123 label: 1 to 63 lower-case letters, digits and '-', with a letter or digit at both ends")

func checkLabel(s string) error {
	if len(s) == 0 || len(s) > maxLabel || s[0] == '-' || s[len(s)-1] == '-' {
		return errLabel
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return errLabel
		}
	}
	return nil
}

// clip keeps what a stranger sent from filling an error message.
func clip(s string) string {
	if len(s) > maxLabel {
		return s[:maxLabel] + "…"
	}
	return s
}
