package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// Member is a cluster as a member of a clusterset.
type Member struct {
	Clusterset string
	Cluster    federation.ClusterID
	// Credentials are those of the Secret hansa-identity.
	Credentials trust.Credentials
	// Peers are host:port of other members to begin with; none of the first.
	Peers []string
	// Issuer says whether this cluster holds the CA.
	Issuer bool
}

// ErrMember is why a cluster does not become a member: it is another one.
var ErrMember = errors.New("this cluster is a member already")

// already returns whether this cluster is that member, with credentials that are good now. Being another one is an error:
// leaving comes first. A pin is that of the clusterset's CA, nil where it is this cluster's to say.
func (t *Target) already(ctx context.Context, clusterset string, cluster federation.ClusterID, pin *trust.Digest, now time.Time) (trust.Credentials, bool, error) {
	c, err := t.secrets.Identity(ctx)
	if err != nil {
		return c, false, t.explain("reading this cluster's identity", err)
	}
	if len(c.Cert) == 0 {
		return c, false, nil
	}
	set, id, err := trust.Named(c.Cert)
	switch {
	case err != nil:
		return c, false, fmt.Errorf("namespace %s: Secret hansa-identity: %w: delete it if it is not wanted", t.Namespace, err)
	case set != clusterset || id != cluster:
		return c, false, fmt.Errorf("%w, as %s of clusterset %s: to become another leave first, by hansa leave if its agents run, and then delete what says which it is: in namespace %s the Secrets hansa-identity and hansa-ca and the ConfigMap hansa-state, and the ClusterProperties", ErrMember, id, set, t.Namespace)
	case pin != nil && !trust.Pinned(c.CA, *pin):
		return c, false, fmt.Errorf("%w, as %s of another clusterset that is called %s, too: its CA is not the token's. If hansa init was run here by mistake, delete in namespace %s the Secrets hansa-identity and hansa-ca", ErrMember, id, set, t.Namespace)
	}
	good := c.Check(clusterset, cluster, now) == nil
	if !good {
		return c, false, nil
	}
	return c, good, t.stays(ctx)
}

// ErrLeft is why a cluster that is told to be a member is not yet.
var ErrLeft = errors.New("this cluster has left its clusterset: hansa leave --undo brings it back")

// stays returns ErrLeft for a member that is asked to be out of its clusterset.
func (t *Target) stays(ctx context.Context) error {
	cm, err := t.core.CoreV1().ConfigMaps(t.Namespace).Get(ctx, state.DefaultName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return t.explain("reading ConfigMap "+state.DefaultName, err)
	}
	if state.DepartureOf(cm).Asked {
		return ErrLeft
	}
	return nil
}
