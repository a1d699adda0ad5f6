package enroll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// askTime bounds a whole Join or Renew, which a caller's own ctx may shorten.
const askTime = 20 * time.Second

// Applicant is the cluster that wants a certificate.
type Applicant struct {
	Cluster federation.ClusterID
	UID     string // of its namespace kube-system
	// Key is of trust.NewKey. A join that was interrupted goes on only with the key that it began with:
	// keep it before the first try.
	Key []byte
}

// Membership is what makes a cluster a member.
type Membership struct {
	trust.Credentials
	// Addresses are host:port of members to begin with.
	Addresses []string
}

// Join exchanges a token for a membership at the member at address, host:port. It may be repeated with the
// same applicant until the token expires, also after an error that leaves open whether the member heard.
// Of whoever answers nothing is believed, and to it nothing of the token is said, before it has proven to
// be a member of the token's clusterset. A member that does not let the cluster in is a Refusal, and so is
// who is none.
func Join(ctx context.Context, address string, token trust.Token, a Applicant) (Membership, error) {
	if err := CheckToken(token, a.Cluster); err != nil {
		return Membership{}, err
	}
	r, err := a.request(token.Clusterset)
	if err != nil {
		return Membership{}, err
	}
	r.Token, r.Secret = token.ID.String(), token.Secret.Reveal()
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	conn, err := token.Dial(ctx, address)
	if err != nil {
		return Membership{}, dialed(err)
	}
	return a.ask(ctx, conn, token.Clusterset, r, func(offered []byte) ([]byte, error) {
		ca := trust.PinnedOnly(offered, token.Pin)
		if ca == nil {
			return nil, refuse(Answer, "the CA certificates that %s gave lack the one that the token names", address)
		}
		return ca, nil
	})
}

// CheckToken returns a Refusal if a token shows, without anybody being asked, that it is not for a cluster.
func CheckToken(token trust.Token, cluster federation.ClusterID) error {
	if token.Cluster != "" && token.Cluster != cluster {
		return boundToken(token.Cluster, cluster)
	}
	return nil
}

// request returns what the applicant asks, without its proof.
func (a Applicant) request(clusterset string) (request, error) {
	if err := checkUID(a.UID); err != nil {
		return request{}, err
	}
	csr, err := trust.NewRequest(clusterset, a.Cluster, a.Key)
	if err != nil {
		return request{}, err
	}
	return request{Cluster: string(a.Cluster), UID: a.UID, CSR: csr}, nil
}

// ask sends a request to a member and returns what it gave, once that has been checked against the CAs that trusted makes of
// those that it offers: what one member says makes nobody trust another CA. It closes conn.
func (a Applicant) ask(ctx context.Context, conn *trust.Conn, clusterset string, r request, trusted func(offered []byte) ([]byte, error)) (Membership, error) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var answer reply
	err := writeFrame(conn, r, maxRequest)
	if err == nil {
		err = readFrame(conn, &answer, maxReply)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return Membership{}, fmt.Errorf("ask cluster %s at %s, which may have heard and not been heard: try again: %w", conn.Peer(), conn.RemoteAddr(), err)
	}
	if answer.Code != "" {
		return Membership{}, heard(answer.Code, answer.Message)
	}
	ca, err := trusted([]byte(answer.CA))
	if err != nil {
		return Membership{}, err
	}
	m := Membership{
		Credentials: trust.Credentials{Cert: []byte(answer.Certificate), Key: a.Key, CA: ca},
		Addresses:   answer.Addresses,
	}
	if err := m.Check(clusterset, a.Cluster, time.Now()); err != nil {
		return Membership{}, refuse(Answer, "what cluster %s gave cannot be used: %v", conn.Peer(), err)
	}
	return m, nil
}

// dialed makes a Refusal of what was learned of who answered.
func dialed(err error) error {
	switch {
	case errors.Is(err, trust.ErrPin):
		return refuse(Foreign, "%v; nothing of the token was sent: check the address, and that the token is of this clusterset", err)
	case errors.Is(err, trust.ErrProtocol):
		return refuse(Protocol, "%v; or the member there is of another version, and does not speak %s", err, trust.ProtoJoin)
	}
	return err
}
