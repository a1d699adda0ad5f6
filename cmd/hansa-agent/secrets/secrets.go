package secrets

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// The Secrets, and the keys of those that are certificates, which are those of kubernetes.io/tls.
const (
	CAName       = "hansa-ca"
	IdentityName = "hansa-identity"

	certKey = corev1.TLSCertKey
	keyKey  = corev1.TLSPrivateKeyKey
	caKey   = "ca.crt"
)

// Every Secret of ours says what it is by this label, and whose by the other.
const (
	kindLabel  = "hansa.dev/secret"
	markLabel  = "hansa.dev/managed-by"
	markValue  = "hansa"
	clusterset = "hansa.dev/clusterset" // annotation, of the CA
)

// ErrExists is why what is there already is not replaced.
var ErrExists = errors.New("it exists already")

// Secrets keeps what a cluster must neither lose nor tell. Its methods may be called from any goroutine.
type Secrets struct {
	client corev1client.SecretInterface
}

// New returns what keeps them in the namespace of a client.
func New(client corev1client.SecretInterface) *Secrets { return &Secrets{client} }

// get returns a Secret, nil if there is none.
func (s *Secrets) get(ctx context.Context, name string) (*corev1.Secret, error) {
	secret, err := s.client.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	return secret, nil
}

// create makes a Secret. It returns ErrExists if there is one of that name.
func (s *Secrets) create(ctx context.Context, secret *corev1.Secret) error {
	_, err := s.client.Create(ctx, secret, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("making Secret %s: %w", secret.Name, ErrExists)
	}
	if err != nil {
		return fmt.Errorf("making Secret %s: %w", secret.Name, err)
	}
	return nil
}

// update replaces a Secret as it was read. It returns a conflict, as apierrors knows it, if somebody changed it since.
func (s *Secrets) update(ctx context.Context, secret *corev1.Secret) error {
	if _, err := s.client.Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("changing Secret %s: %w", secret.Name, err)
	}
	return nil
}

// made is a new Secret of a kind.
func made(name, kind string, form corev1.SecretType, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{kindLabel: kind, markLabel: markValue}},
		Type:       form,
		Data:       data,
	}
}
