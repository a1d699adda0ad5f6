package secrets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
)

const (
	tokenPrefix = "hansa-token-" // and the token's ID
	tokenKind   = "token"
	tokenForm   = corev1.SecretType("hansa.dev/token")
	recordKey   = "record" // enroll.Record in JSON
)

// TokenObject returns the Secret that AddToken makes.
func TokenObject(r enroll.Record) (*corev1.Secret, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding the record of token %s: %w", r.ID, err)
	}
	return made(tokenPrefix+r.ID.String(), tokenKind, tokenForm, map[string][]byte{recordKey: text}), nil
}

// AddToken keeps the record of a new token.
func (s *Secrets) AddToken(ctx context.Context, r enroll.Record) error {
	secret, err := TokenObject(r)
	if err != nil {
		return err
	}
	return s.create(ctx, secret)
}

// Tokens returns the records of all tokens, the newest first, those that are over too. What cannot be read is left out
// and reported beside them.
func (s *Secrets) Tokens(ctx context.Context) ([]enroll.Record, error) {
	list, err := s.client.List(ctx, metav1.ListOptions{LabelSelector: kindLabel + "=" + tokenKind})
	if err != nil {
		return nil, fmt.Errorf("listing tokens: %w", err)
	}
	var records []enroll.Record
	var bad []error
	for i := range list.Items {
		r, err := recordOf(&list.Items[i])
		if err != nil {
			bad = append(bad, err)
			continue
		}
		records = append(records, r)
	}
	slices.SortFunc(records, func(a, b enroll.Record) int { return b.Created.Compare(a.Created) })
	return records, errors.Join(bad...)
}

// RevokeToken forgets a token: whoever has it has nothing. It returns enroll.ErrNoToken if there is none.
func (s *Secrets) RevokeToken(ctx context.Context, id trust.TokenID) error {
	err := s.client.Delete(ctx, tokenPrefix+id.String(), metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return enroll.ErrNoToken
	}
	if err != nil {
		return fmt.Errorf("revoking token %s: %w", id, err)
	}
	return nil
}

// Change lets change turn the record of a token into another, and keeps that unless it is the same; see enroll.Tokens.
// It ends when nobody changed the record between: each try means that somebody else got through.
func (s *Secrets) Change(ctx context.Context, id trust.TokenID, change func(enroll.Record) (enroll.Record, error)) error {
	for {
		secret, err := s.get(ctx, tokenPrefix+id.String())
		if err != nil {
			return err
		}
		if secret == nil {
			return enroll.ErrNoToken
		}
		before, err := recordOf(secret)
		if err != nil {
			return err
		}
		after, err := change(before)
		if err != nil || reflect.DeepEqual(before, after) {
			return err
		}
		text, err := json.Marshal(after)
		if err != nil {
			return fmt.Errorf("encoding the record of token %s: %w", id, err)
		}
		secret.Data = map[string][]byte{recordKey: text}
		err = s.update(ctx, secret)
		switch {
		case apierrors.IsConflict(err):
		case apierrors.IsNotFound(err): // it was revoked meanwhile
			return enroll.ErrNoToken
		default:
			return err
		}
	}
}

func recordOf(secret *corev1.Secret) (r enroll.Record, err error) {
	if err := json.Unmarshal(secret.Data[recordKey], &r); err != nil {
		return r, fmt.Errorf("reading Secret %s: key %s: want the record of a token: %w", secret.Name, recordKey, err)
	}
	if secret.Name != tokenPrefix+r.ID.String() {
		return r, fmt.Errorf("reading Secret %s: key %s: it is the record of token %s", secret.Name, recordKey, r.ID)
	}
	return r, nil
}
