package secrets

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/hansa-mcs/hansa/federation/trust"
)

// CA returns the CA of a clusterset, nil if this cluster does not hold it.
func (s *Secrets) CA(ctx context.Context, set string) (*trust.Authority, error) {
	secret, err := s.get(ctx, CAName)
	if secret == nil || err != nil {
		return nil, err
	}
	if of := secret.Annotations[clusterset]; of != set {
		return nil, fmt.Errorf("reading Secret %s: it holds the CA of clusterset %q, want that of %q", CAName, of, set)
	}
	ca, err := trust.LoadAuthority(set, secret.Data[certKey], secret.Data[keyKey])
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", CAName, err)
	}
	return ca, nil
}

// CAObject returns the Secret that PutCA makes. Its key lets whoever has it speak as any cluster.
func CAObject(set string, ca *trust.Authority) (*corev1.Secret, error) {
	key, err := ca.KeyPEM()
	if err != nil {
		return nil, fmt.Errorf("encoding the CA's key: %w", err)
	}
	secret := made(CAName, "ca", corev1.SecretTypeTLS, map[string][]byte{certKey: ca.CAPEM(), keyKey: key})
	secret.Annotations = map[string]string{clusterset: set}
	return secret, nil
}

// PutCA keeps a clusterset's CA. One that is there is never replaced, as that would end the clusterset for all its
// members: then it returns ErrExists, unless it is the same.
func (s *Secrets) PutCA(ctx context.Context, set string, ca *trust.Authority) error {
	secret, err := CAObject(set, ca)
	if err != nil {
		return err
	}
	err = s.create(ctx, secret)
	if !errors.Is(err, ErrExists) {
		return err
	}
	if there, readErr := s.CA(ctx, set); readErr == nil && there != nil && there.Pin() == ca.Pin() {
		return nil
	}
	return err
}

// Clusterset returns of which clusterset this cluster holds the CA, "" for none.
func (s *Secrets) Clusterset(ctx context.Context) (string, error) {
	secret, err := s.get(ctx, CAName)
	if secret == nil || err != nil {
		return "", err
	}
	return secret.Annotations[clusterset], nil
}
