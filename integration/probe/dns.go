package probe

import (
	"context"
	"fmt"
	"slices"

	"github.com/miekg/dns"
)

// DNS is one answer.
type DNS struct {
	Rcode   string   // NOERROR, NXDOMAIN, …
	Records []string // the data of the answer's records, sorted
}

// String prints the answer as dig +short would, or the rcode when there is none.
func (d DNS) String() string {
	if len(d.Records) == 0 {
		return d.Rcode
	}
	return fmt.Sprint(d.Records)
}

// Resolver asks one server over one UDP socket, one question after the other. Not for use by several
// goroutines.
type Resolver struct {
	address string
	conn    *dns.Conn
}

// DialDNS makes a Resolver for the server at address. The caller closes it.
func DialDNS(ctx context.Context, address string) (*Resolver, error) {
	conn, err := new(dns.Client).DialContext(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("dialing %s: %w", address, err)
	}
	return &Resolver{address, conn}, nil
}

// Query asks for the records of a type, such as "A". It waits two seconds for the answer at most.
func (r *Resolver) Query(ctx context.Context, name, kind string) (DNS, error) {
	qtype, ok := dns.StringToType[kind]
	if !ok {
		return DNS{}, fmt.Errorf("DNS type %q is not known", kind)
	}
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	reply, _, err := new(dns.Client).ExchangeWithConnContext(ctx, m, r.conn)
	if err != nil {
		return DNS{}, fmt.Errorf("asking %s for %s %s: %w", r.address, name, kind, err)
	}
	answer := DNS{Rcode: dns.RcodeToString[reply.Rcode]}
	for _, rr := range reply.Answer {
		answer.Records = append(answer.Records, rr.String()[len(rr.Header().String()):])
	}
	slices.Sort(answer.Records)
	return answer, nil
}

// Close closes the socket.
func (r *Resolver) Close() error { return r.conn.Close() }

// Query asks the server at address by UDP for the records of a type, such as "A".
func Query(ctx context.Context, address, name, kind string) (DNS, error) {
	r, err := DialDNS(ctx, address)
	if err != nil {
		return DNS{}, err
	}
	defer r.Close()
	return r.Query(ctx, name, kind)
}
