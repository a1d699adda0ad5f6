package agent

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/secrets"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
)

// newEnroll makes what lets clusters in, and what this cluster's own certificate is kept in. Connections reach the agent that
// leads alone: a standby's port passes them on.
func (m *member) newEnroll() error {
	core, err := corev1client.NewForConfig(m.rest)
	if err != nil {
		return fmt.Errorf("making a client of Secrets: %w", err)
	}
	m.secrets = secrets.New(core.Secrets(m.options.Namespace))
	m.enroll = enroll.NewServer(enroll.Config{
		Listener: m.port.Listener(trust.ProtoJoin), Identity: m.identity,
		Authority: m.authority, Tokens: m.secrets, Clusters: newPlaces(m.store),
		Addresses: m.firstAddresses, Log: m.log,
	})
	return nil
}

// authority returns the clusterset's CA, nil if this cluster does not hold it. Who may not read Secrets is not meant to.
func (m *member) authority(ctx context.Context) (*trust.Authority, error) {
	ca, err := m.secrets.CA(ctx, m.options.Clusterset)
	if apierrors.IsForbidden(err) {
		return nil, nil
	}
	if ca == nil || err != nil {
		return nil, err
	}
	if err := ca.Usable(m.identity.Credentials().CA, time.Now()); err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", secrets.CAName, err)
	}
	return ca, nil
}

// mostFirst bounds how many members a cluster that joins is told of: one that it reaches tells it of the others.
const mostFirst = 8

// firstAddresses are where a cluster that joins finds members: here first, as it has just been.
func (m *member) firstAddresses() []string {
	list := []string{m.options.advertised()}
	members, _ := m.members()
	for _, peer := range members {
		if len(list) < mostFirst {
			list = append(list, peer.Address)
		}
	}
	return list
}
