package enroll

import (
	"errors"
	"fmt"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// request is what a cluster asks. Without a token it asks to renew the certificate that it showed.
type request struct {
	Token   string `json:"token,omitempty"`  // its ID
	Secret  string `json:"secret,omitempty"` // as Secret.Reveal gives it
	Cluster string `json:"cluster"`
	UID     string `json:"uid"` // of the namespace kube-system
	CSR     []byte `json:"csr"` // PKCS#10, DER
}

// reply is what it gets: a certificate, the CAs to trust and where members are; or a code and a message.
type reply struct {
	Code        Code     `json:"code,omitempty"`
	Message     string   `json:"message,omitempty"`
	Certificate string   `json:"certificate,omitempty"` // PEM
	CA          string   `json:"ca,omitempty"`          // PEM
	Addresses   []string `json:"addresses,omitempty"`   // host:port
}

// maxUID is generous: Kubernetes' own have 36 characters.
const maxUID = 64

var errUID = errors.New("want the UID of the namespace kube-system: 1 to 64 letters, digits, '-', '_', '.' and ':'")

func checkUID(s string) error {
	ok := len(s) > 0 && len(s) <= maxUID
	for i := 0; ok && i < len(s); i++ {
		c := s[i]
		ok = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == ':'
	}
	if !ok {
		return fmt.Errorf("uid %.*q: %w", maxUID, s, errUID)
	}
	return nil
}

// asked is a request whose every part is what it should be.
type asked struct {
	renews bool
	token  trust.TokenID
	secret trust.Secret
	uid    string
	csr    trust.Request
}

// cluster returns the cluster that asks.
func (a asked) cluster() federation.ClusterID { return a.csr.Cluster }

// check returns what a stranger asks, or a Refusal.
func (r request) check(clusterset string) (asked, error) {
	a, err := r.parse(clusterset)
	if err != nil {
		return asked{}, refuse(Invalid, "the request cannot be used: %v", err)
	}
	return a, nil
}

func (r request) parse(clusterset string) (a asked, err error) {
	cluster, err := federation.ParseClusterID(r.Cluster)
	if err != nil {
		return asked{}, err
	}
	if err := checkUID(r.UID); err != nil {
		return asked{}, err
	}
	a.uid = r.UID
	if a.csr, err = trust.ParseRequest(clusterset, r.CSR); err != nil {
		return asked{}, err
	}
	if a.csr.Cluster != cluster {
		return asked{}, fmt.Errorf("the signing request is for cluster %q, want %q, the cluster that asks", a.csr.Cluster, cluster)
	}
	if a.renews = r.Token == "" && r.Secret == ""; a.renews {
		return a, nil
	}
	if a.token, err = trust.ParseTokenID(r.Token); err != nil {
		return asked{}, err
	}
	a.secret, err = trust.ParseSecret(r.Secret)
	return a, err
}
