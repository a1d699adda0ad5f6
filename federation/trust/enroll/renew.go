package enroll

import (
	"context"
	"fmt"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// Member is where a member can be asked.
type Member struct {
	Cluster federation.ClusterID
	Address string // host:port
}

// Renew exchanges the identity's certificate for a new one, with the applicant's key, at the member at
// address, which is cluster want, or any if want is empty: one of a CA that the identity trusts. It does not use the new one. Of a Refusal,
// Code.Elsewhere says whether to ask another member.
func Renew(ctx context.Context, address string, want federation.ClusterID, id *trust.Identity, a Applicant) (Membership, error) {
	r, err := a.request(id.Clusterset())
	if err != nil {
		return Membership{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	conn, err := id.Dial(ctx, address, want, trust.ProtoJoin)
	if err != nil {
		return Membership{}, dialed(err)
	}
	return a.ask(ctx, conn, id.Clusterset(), r, func([]byte) ([]byte, error) { return id.Credentials().CA, nil })
}

// RenewAnywhere renews as Renew does: with the CA if this cluster holds it, which is nil if not, else at
// the first of the members that does it. It stops at a Refusal that would be the same elsewhere. Its error
// says what each member said.
func RenewAnywhere(ctx context.Context, ca *trust.Authority, members []Member, id *trust.Identity, a Applicant) (Membership, error) {
	if ca != nil {
		return renewHere(ca, id, a, time.Now())
	}
	if len(members) == 0 {
		return Membership{}, fmt.Errorf("renew the certificate of cluster %s: no member is known that could be asked", a.Cluster)
	}
	var why error
	for _, m := range members {
		got, err := Renew(ctx, m.Address, m.Cluster, id, a)
		if err == nil {
			return got, nil
		}
		code := CodeOf(err)
		err = fmt.Errorf("cluster %s at %s: %w", m.Cluster, m.Address, err)
		if why != nil {
			err = fmt.Errorf("%w; %w", why, err)
		}
		why = err
		if ctx.Err() != nil || code != "" && !code.Elsewhere() {
			break
		}
	}
	return Membership{}, fmt.Errorf("renew the certificate of cluster %s: %w", a.Cluster, why)
}

// renewHere signs the applicant's own certificate.
func renewHere(ca *trust.Authority, id *trust.Identity, a Applicant, now time.Time) (Membership, error) {
	csr, err := trust.NewRequest(id.Clusterset(), a.Cluster, a.Key)
	if err != nil {
		return Membership{}, err
	}
	r, err := trust.ParseRequest(id.Clusterset(), csr)
	if err != nil {
		return Membership{}, err
	}
	cert, err := ca.Sign(r, now)
	if err != nil {
		return Membership{}, err
	}
	m := Membership{Credentials: trust.Credentials{Cert: cert, Key: a.Key, CA: id.Credentials().CA}}
	if err := m.Check(id.Clusterset(), a.Cluster, now); err != nil {
		return Membership{}, fmt.Errorf("renew the certificate of cluster %s with the CA of this cluster: %w", a.Cluster, err)
	}
	return m, nil
}
