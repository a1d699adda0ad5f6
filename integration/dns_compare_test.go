package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// said is what a server answers, in a form that two can be compared in: records without their order, and without what
// each server chooses for itself, which is the weight of SRV records (D4) and the serial of the zone.
type said struct {
	rcode     string
	authentic bool
	answer    []string
	authority []string
	extra     []string
}

func (s said) String() string {
	flags := map[bool]string{true: " aa", false: ""}[s.authentic]
	return fmt.Sprintf("%s%s answer %q authority %q extra %q", s.rcode, flags, s.answer, s.authority, s.extra)
}

// equal reports whether two servers say the same.
func (s said) equal(other said) bool { return s.String() == other.String() }

// denies reports whether it is a denial with the SOA of the zone: NXDOMAIN, or that there is nothing of the type.
func (s said) denies(rcode string) bool {
	return s.rcode == rcode && s.authentic && len(s.answer) == 0 && len(s.authority) == 1 && strings.Contains(s.authority[0], "\tsoa\t") && len(s.extra) == 0
}

func (s said) noName() bool  { return s.denies("NXDOMAIN") }
func (s said) noData() bool  { return s.denies("NOERROR") }
func (s said) refuses() bool { return s.equal(said{rcode: "REFUSED"}) }

// only is the one record of an answer, or nothing.
func (s said) only() string {
	if s.rcode != "NOERROR" || len(s.answer) != 1 {
		return ""
	}
	return s.answer[0]
}

// has reports whether it is an answer of records of that type alone.
func (s said) has(kind string) bool {
	other := func(r string) bool { return !strings.Contains(r, "\tin\t"+strings.ToLower(kind)+"\t") }
	return s.rcode == "NOERROR" && len(s.answer) > 0 && !slices.ContainsFunc(s.answer, other)
}

// kind says in a word or two what it is: the type of the records, or the rcode without any.
func (s said) kind() string {
	switch {
	case s.noData():
		return "NODATA"
	case s.noName() || s.refuses() || len(s.answer) == 0:
		return s.rcode
	}
	return strings.ToUpper(strings.Fields(s.answer[0])[3])
}

// asker asks one server, over one UDP socket, and over TCP what does not fit.
type asker struct {
	address string
	conn    *dns.Conn
	client  dns.Client
}

func dialAsker(t *testing.T, address string) *asker {
	t.Helper()
	a := &asker{address: address, client: dns.Client{Timeout: 10 * time.Second, UDPSize: 4096}}
	var err error
	if a.conn, err = a.client.DialContext(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.conn.Close() })
	return a
}

// ask returns the whole answer to a question.
func (a *asker) ask(t *testing.T, q question) said {
	t.Helper()
	request := &dns.Msg{MsgHdr: dns.MsgHdr{Id: dns.Id()}, Question: []dns.Question{{Name: q.name, Qtype: q.qtype, Qclass: q.class}}}
	request.SetEdns0(4096, false)
	reply, _, err := a.client.ExchangeWithConnContext(t.Context(), request, a.conn)
	if err == nil && reply.Truncated {
		overTCP := dns.Client{Net: "tcp", Timeout: a.client.Timeout}
		reply, _, err = overTCP.ExchangeContext(t.Context(), request, a.address)
	}
	if err != nil {
		t.Fatalf("asking %s for %s: %v", a.address, q, err)
	}
	return said{
		rcode: dns.RcodeToString[reply.Rcode], authentic: reply.Authoritative,
		answer: recordsOf(reply.Answer), authority: recordsOf(reply.Ns), extra: lower(recordsOf(reply.Extra)),
	}
}

// recordsOf writes records as in a zone file, sorted, without the OPT that goes with every reply. Names in their data,
// and so those of additional records, are in lower case: whether they are spelt as the question is or as the objects are
// makes no difference (RFC 4343).
func recordsOf(records []dns.RR) (all []string) {
	for _, r := range records {
		switch r := r.(type) {
		case *dns.OPT:
			continue
		case *dns.SRV:
			r.Weight = 0
		case *dns.SOA:
			r.Serial = 0
		}
		owner := r.Header().Name
		all = append(all, owner+strings.ToLower(strings.TrimPrefix(r.String(), owner)))
	}
	slices.Sort(all)
	return all
}

func lower(records []string) []string {
	for i := range records {
		records[i] = strings.ToLower(records[i])
	}
	slices.Sort(records)
	return records
}
