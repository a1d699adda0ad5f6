package trust

import (
	"net"
	"strings"
	"testing"
	"time"
)

// Whose a certificate is can be read long after it expired: it says which cluster a Secret was of.
func TestNamedTellsWhoseACertificateIs(t *testing.T) {
	ca := newAuthority(t, mesh)
	member := must(ca.NewMember("a", time.Now()))(t)
	expired := forge(t, ca, func(c *leaf) { c.NotAfter = time.Unix(1700000000, 0) })
	second := must(newAuthority(t, "other.example").NewMember("b", time.Now()))(t)
	for name, tt := range map[string]struct {
		text        []byte
		set, member string
	}{
		"a member's":              {member.Cert, mesh, "a"},
		"with its CA behind it":   {append(append([]byte{}, member.Cert...), ca.CAPEM()...), mesh, "a"},
		"one that expired":        {certPEM(expired.Certificate[0]), mesh, "a"},
		"of another clusterset":   {second.Cert, "other.example", "b"},
		"the first of two counts": {append(append([]byte{}, second.Cert...), member.Cert...), "other.example", "b"},
		"in a text with comments": {append([]byte("made by hansa\n"), member.Cert...), mesh, "a"},
	} {
		set, cluster, err := Named(tt.text)
		if err != nil || set != tt.set || string(cluster) != tt.member {
			t.Errorf("%s: %q of %q, %v, want %q of %q", name, cluster, set, err, tt.member, tt.set)
		}
	}
}

func TestNamedRefusesWhatNamesNoMember(t *testing.T) {
	ca := newAuthority(t, mesh)
	key := must(ca.NewMember("a", time.Now()))(t).Key
	forged := func(change func(*leaf)) []byte { return certPEM(forge(t, ca, change).Certificate[0]) }
	for name, tt := range map[string]struct {
		text []byte
		want string
	}{
		"nothing":           {nil, "not PEM"},
		"no PEM":            {[]byte("hello"), "not PEM"},
		"a key":             {key, `"PRIVATE KEY"`},
		"a CA's":            {ca.CAPEM(), "carries 0 URIs, want exactly one"},
		"two names":         {forged(uris("spiffe://mesh.example/cluster/a", "spiffe://mesh.example/cluster/b")), "carries 2 URIs"},
		"a DNS name too":    {forged(func(c *leaf) { c.DNSNames = []string{"x.example"} }), "carries 2 subject alternative names"},
		"an address too":    {forged(func(c *leaf) { c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1)} }), "carries 2 subject alternative names"},
		"another scheme":    {forged(uris("https://mesh.example/cluster/a")), "want spiffe://mesh.example/cluster/"},
		"another path":      {forged(uris("spiffe://mesh.example/ns/default/sa/a")), "want spiffe://mesh.example/cluster/"},
		"more path":         {forged(uris("spiffe://mesh.example/cluster/a/b")), "RFC 1123 label"},
		"no cluster":        {forged(uris("spiffe://mesh.example/cluster/")), "RFC 1123 label"},
		"a wildcard":        {forged(uris("spiffe://mesh.example/cluster/*")), "RFC 1123 label"},
		"a port":            {forged(uris("spiffe://mesh.example:443/cluster/a")), "clusterset"},
		"a user":            {forged(uris("spiffe://me@mesh.example/cluster/a")), "want spiffe://mesh.example/cluster/"},
		"a query":           {forged(uris("spiffe://mesh.example/cluster/a?x=y")), "RFC 1123 label"},
		"no clusterset":     {forged(uris("spiffe:///cluster/a")), "clusterset"},
		"no DNS name":       {forged(uris("spiffe://mesh_example/cluster/a")), "clusterset"},
		"capital letters":   {forged(uris("spiffe://Mesh.example/cluster/a")), "clusterset"},
		"an endless domain": {forged(uris("spiffe://" + strings.Repeat("a.", 200) + "x/cluster/a")), "clusterset"},
	} {
		set, cluster, err := Named(tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %q of %q, %v, want an error that says %q", name, cluster, set, err, tt.want)
		}
	}
}
