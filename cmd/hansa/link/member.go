package link

import (
	"context"
	"errors"
	"fmt"
	"time"

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
// leaving comes first.
func (t *Target) already(ctx context.Context, clusterset string, cluster federation.ClusterID, now time.Time) (trust.Credentials, bool, error) {
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
		return c, false, fmt.Errorf("%w, as %s of clusterset %s: to change that leave first (hansa leave), and delete Secret hansa-identity in namespace %s", ErrMember, id, set, t.Namespace)
	}
	return c, c.Check(clusterset, cluster, now) == nil, nil
}
