package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hansa-mcs/hansa/federation/trust"
)

// ErrOtherKey is why a certificate is not kept: meanwhile the identity has got another key.
var ErrOtherKey = errors.New("the identity has another key by now")

// Identity returns this cluster's credentials; of one that has begun to join and has no certificate yet the key alone;
// and of one that has not begun, nothing.
func (s *Secrets) Identity(ctx context.Context) (trust.Credentials, error) {
	secret, err := s.get(ctx, IdentityName)
	if secret == nil || err != nil {
		return trust.Credentials{}, err
	}
	return credentialsOf(secret), nil
}

func credentialsOf(secret *corev1.Secret) trust.Credentials {
	return trust.Credentials{Cert: secret.Data[certKey], Key: secret.Data[keyKey], CA: secret.Data[caKey]}
}

// Begin returns the key that this cluster joins with, and keeps it before it is used: a join that was interrupted goes on
// only with the key that it began with. What is kept already stays.
func (s *Secrets) Begin(ctx context.Context) (key []byte, err error) {
	there, err := s.Identity(ctx)
	if err != nil || len(there.Key) > 0 {
		return there.Key, err
	}
	if key, err = trust.NewKey(); err != nil {
		return nil, err
	}
	err = s.create(ctx, identity(map[string][]byte{keyKey: key}))
	if errors.Is(err, ErrExists) { // somebody else began just now
		there, err = s.Identity(ctx)
		return there.Key, err
	}
	return key, err
}

// Forget deletes the key of a join that came to nothing. An identity that has a certificate, or that somebody changes just
// now, stays.
func (s *Secrets) Forget(ctx context.Context) error {
	secret, err := s.get(ctx, IdentityName)
	if secret == nil || err != nil || len(secret.Data[certKey]) > 0 {
		return err
	}
	seen := metav1.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion}
	err = s.client.Delete(ctx, IdentityName, metav1.DeleteOptions{Preconditions: &seen})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("deleting Secret %s: %w", IdentityName, err)
	}
	return nil
}

// PutIdentity keeps credentials whose key is the one that is kept already, or the first. With another key it returns
// ErrOtherKey: who asks for a certificate twice at once must not mix them.
func (s *Secrets) PutIdentity(ctx context.Context, c trust.Credentials) error {
	for {
		secret, err := s.get(ctx, IdentityName)
		if err != nil {
			return err
		}
		if secret == nil {
			if err = s.create(ctx, identity(dataOf(c))); errors.Is(err, ErrExists) {
				continue
			}
			return err
		}
		if key := secret.Data[keyKey]; len(key) > 0 && !bytes.Equal(key, c.Key) {
			return fmt.Errorf("changing Secret %s: %w", IdentityName, ErrOtherKey)
		}
		secret.Data = dataOf(c)
		if err := s.update(ctx, secret); !apierrors.IsConflict(err) {
			return err
		}
	}
}

func dataOf(c trust.Credentials) map[string][]byte {
	return map[string][]byte{certKey: c.Cert, keyKey: c.Key, caKey: c.CA}
}

func identity(data map[string][]byte) *corev1.Secret {
	return made(IdentityName, "identity", corev1.SecretTypeOpaque, data)
}
